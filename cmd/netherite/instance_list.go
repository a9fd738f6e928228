package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

// largestPage is how many instances a page has at most.
const largestPage = 1000

func newInstanceList(f *hubFlags) *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List instances, a page at a time", Args: cobra.NoArgs}
	return listCommand(f, cmd, false)
}

// listCommand completes a command that lists orchestrations or entities.
func listCommand(f *hubFlags, cmd *cobra.Command, entities bool) *cobra.Command {
	q := &queryFlags{}
	q.add(cmd)
	cmd.Flags().IntVar(&q.limit, "limit", 100, "instances per page, 1 to 1,000")
	cmd.Flags().StringVar(&q.token, "token", "", "go on behind the page that printed this token")
	quarantined := cmd.Flags().Bool("quarantined", false, "only those that are set aside; all others are read as well")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		if q.limit < 0 || q.limit > largestPage {
			return usagef("--limit %d: a page has 1 to 1,000", q.limit)
		}
		eq, err := q.query()
		if err != nil {
			return err
		}
		eq.Entities, eq.Payloads, eq.Waits = entities, asJSON, *quarantined
		return f.with(cmd, func(ctx context.Context, t *target) error {
			page, err := t.Query(ctx, eq)
			if *quarantined {
				page, err = onlyQuarantined(ctx, t, eq, page, err)
			}
			var partial *engine.PartialError
			if err != nil && !errors.As(err, &partial) {
				return err
			}
			return errors.Join(printPage(cmd.OutOrStdout(), cmd.ErrOrStderr(), page, asJSON), err)
		})
	}
	return cmd
}

// onlyQuarantined leaves of a page those that are quarantined, and goes on while
// there are none: no index has them.
func onlyQuarantined(ctx context.Context, t *target, q engine.Query, page engine.Page, err error) (engine.Page, error) {
	var partial *engine.PartialError
	for err == nil || errors.As(err, &partial) {
		page.Instances = slices.DeleteFunc(page.Instances, func(i *model.Instance) bool { return i.Waits == nil || i.Waits.Quarantine == nil })
		if page.Token == "" || len(page.Instances) > 0 {
			break
		}
		q.Token = page.Token
		page, err = t.Query(ctx, q)
	}
	if err == nil && partial != nil {
		err = partial
	}
	return page, err
}

func printPage(out, stderr io.Writer, page engine.Page, asJSON bool) error {
	if asJSON {
		list := make([]*instanceJSON, len(page.Instances))
		for i, m := range page.Instances {
			list[i] = toJSON(m)
		}
		return printJSON(out, struct {
			Instances []*instanceJSON `json:"instances"`
			Token     string          `json:"continuationToken,omitempty"`
		}{list, page.Token})
	}
	w := newTable(out, "ID", "Name", "Status", "Created", "Updated")
	for _, m := range page.Instances {
		w.row(m.ID, m.Name, m.Status, stamp(m.Created), stamp(m.LastUpdated))
	}
	w.Render()
	if page.Token != "" {
		terminal.Printf(stderr, "there is more: go on with --token %s\n", page.Token)
	}
	return nil
}

func newInstancePurge(f *hubFlags) *cobra.Command {
	var b bulk
	var recursive bool
	cmd := &cobra.Command{
		Use:   "purge [ID]",
		Short: "Forget an ended instance, or all ended ones that match",
		Args:  cobra.MaximumNArgs(1),
	}
	b.addQuery(cmd, "output")
	cmd.Flags().BoolVar(&recursive, "recursive", false, "forget its ended sub-orchestrations too")
	cmd.Flags().BoolVar(&b.all, "all", false, "needed to purge every ended instance")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := b.format()
		if err != nil {
			return err
		}
		eq, one, err := b.query(args)
		switch {
		case err != nil:
			return err
		case !one && recursive:
			return usagef("--recursive is for a single instance: name it")
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			v := bulkVerb{done: "purged", skip: func(s model.Status) bool { return !s.Ended() }, refuse: unpurgeable}
			switch {
			case b.dryRun && one:
				return b.single(ctx, t, args[0], v, cmd.OutOrStdout(), asJSON)
			case b.dryRun:
				return b.each(ctx, t, eq, v, cmd.OutOrStdout(), asJSON)
			}
			n, err := purge(ctx, t, args, eq, recursive)
			if err == nil || n > 0 {
				err = errors.Join(err, b.print(cmd.OutOrStdout(), bulkJSON{Done: "purged", Count: n}, asJSON))
			}
			return err
		})
	}
	return cmd
}

func purge(ctx context.Context, t *target, args []string, q engine.Query, recursive bool) (int, error) {
	if len(args) == 1 {
		n, err := t.Purge(ctx, args[0], recursive)
		if err == nil && n == 0 {
			err = notPurged(args[0])
		}
		return n, err
	}
	total := 0
	var partial *engine.PartialError
	for {
		n, token, err := t.PurgeWhere(ctx, q)
		total += n
		switch {
		case err != nil && !errors.As(err, &partial):
			return total, err
		case token == "" && partial != nil:
			return total, partial
		case token == "":
			return total, nil
		}
		q.Token = token
	}
}

// notPurged says what keeps an instance or entity from being forgotten.
func notPurged(id string) error {
	if model.IsEntity(id) {
		return fmt.Errorf("entity %q is not empty: netherite entity delete TYPE KEY has its code delete it", id)
	}
	return fmt.Errorf("instance %q has not ended: terminate it first", id)
}

// unpurgeable refuses what a purge would not forget.
func unpurgeable(m *model.Instance) error {
	if m.Status.Ended() || m.Waits != nil && m.Waits.Quarantine != nil || model.IsEntity(m.ID) && forgettable(m) {
		return nil
	}
	return notPurged(m.ID)
}
