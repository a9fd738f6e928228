package main

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

// queryFlags are the flags that select instances.
type queryFlags struct {
	names, statuses, tags   []string
	prefix, from, to, token string
	limit                   int
	expr                    string
}

func (q *queryFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&q.expr, "query", "", "all that match, as words such as 'status=Running name=Order tag.region=eu prefix=a- created-from=T created-to=T'")
	cmd.Flags().StringSliceVar(&q.names, "name", nil, "only of these names")
	cmd.Flags().StringSliceVar(&q.statuses, "status", nil, "only with these statuses")
	cmd.Flags().StringArrayVar(&q.tags, "tag", nil, "only with this tag, key=value; may be repeated")
	cmd.Flags().StringVar(&q.prefix, "prefix", "", "only IDs that begin so")
	cmd.Flags().StringVar(&q.from, "created-from", "", "only created at this time (RFC 3339) or later")
	cmd.Flags().StringVar(&q.to, "created-to", "", "only created before this time (RFC 3339)")
}

// query checks the flags and makes the query.
func (q *queryFlags) query() (eq engine.Query, err error) {
	if err := q.parse(q.expr); err != nil {
		return eq, err
	}
	eq = engine.Query{Names: q.names, IDPrefix: q.prefix, Token: q.token, PageSize: q.limit}
	for _, name := range q.statuses {
		s, err := model.ParseStatus(name)
		if err != nil {
			return eq, usagef("--status: %w", err)
		}
		eq.Statuses = append(eq.Statuses, s)
	}
	if eq.Tags, err = tagFlags(q.tags); err != nil {
		return eq, err
	}
	if eq.CreatedFrom, err = timeFlag("created-from", q.from); err != nil {
		return eq, err
	}
	eq.CreatedTo, err = timeFlag("created-to", q.to)
	return eq, err
}

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
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		eq, err := q.query()
		if err != nil {
			return err
		}
		eq.Entities, eq.Payloads = entities, asJSON
		return f.with(cmd, func(ctx context.Context, t *target) error {
			page, err := t.Query(ctx, eq)
			var partial *engine.PartialError
			if err != nil && !errors.As(err, &partial) {
				return err
			}
			return errors.Join(printPage(cmd.OutOrStdout(), cmd.ErrOrStderr(), page, asJSON), err)
		})
	}
	return cmd
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
	w := table.NewWriter()
	w.SetOutputMirror(out)
	w.SetStyle(table.StyleLight)
	w.AppendHeader(table.Row{"ID", "Name", "Status", "Created", "Updated"})
	for _, m := range page.Instances {
		w.AppendRow(table.Row{m.ID, m.Name, m.Status, stamp(m.Created), stamp(m.LastUpdated)})
	}
	w.Render()
	if page.Token != "" {
		fmt.Fprintf(stderr, "there is more: go on with --token %s\n", page.Token)
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
			if b.dryRun {
				return b.each(ctx, t, eq, bulkVerb{done: "purged", skip: func(s model.Status) bool { return !s.Ended() }}, cmd.OutOrStdout(), asJSON)
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
			err = fmt.Errorf("instance %q has not ended: terminate it first", args[0])
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
