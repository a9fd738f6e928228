package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

// bulk makes a command that works on one instance work on all that match as well.
type bulk struct {
	q      queryFlags
	all    bool
	dryRun bool
	format func() (asJSON bool, err error)
}

// bulkJSON is what was done, or would be, in the command's output. Fields are only
// ever added.
type bulkJSON struct {
	Done      string         `json:"done"` // "terminated"
	DryRun    bool           `json:"dryRun"`
	Count     int            `json:"count"`
	Skipped   *int           `json:"skipped,omitempty"`  // of a selection: how many it did not fit
	Instances []instanceLine `json:"instances,omitzero"` // of a dry run
}

// instanceLine is what a dry run says of an instance.
type instanceLine struct {
	InstanceID    string `json:"instanceId"`
	Name          string `json:"name"`
	RuntimeStatus string `json:"runtimeStatus"`
}

// bulkVerb is what is done to one instance, and which instances of a selection are
// left alone.
type bulkVerb struct {
	done string // "terminated"
	skip func(model.Status) bool
	// refuse says why the verb does not fit an instance that was named; nil if it does.
	refuse func(*model.Instance) error
	do     func(ctx context.Context, t *target, id string) error
}

// add adds the flags; output is the long name of -o.
func (b *bulk) add(cmd *cobra.Command, output string) {
	b.addQuery(cmd, output)
	cmd.Flags().BoolVar(&b.all, "all", false, "needed to take every instance")
}

// addQuery adds what purge has not of its own.
func (b *bulk) addQuery(cmd *cobra.Command, output string) {
	b.q.add(cmd)
	b.format = formatFlag(cmd, output)
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "say which instances it would be, and do nothing")
}

// query reads which instances are meant; one is true if it is that of the arguments.
func (b *bulk) query(args []string) (q engine.Query, one bool, err error) {
	if q, err = b.q.query(); err != nil {
		return q, false, err
	}
	one = len(args) == 1
	given, empty := b.q.given()
	switch restricted := restricts(q); {
	case one && (len(given) > 0 || b.all):
		err = usagef("name an instance, or say which ones; not both")
	case b.all && len(given) > 0:
		err = usagef("--all takes every instance, %s only some: leave one of them out", strings.Join(given, ", "))
	case empty != "":
		err = usagef("%s is empty, and would take every instance: leave it out, and say --all if that is meant", empty)
	case !one && !restricted && !b.all:
		err = usagef("name an instance, say which with --query, --name, --status, --tag, --prefix or a time, or say --all")
	}
	return q, one, err
}

// restricts reports whether a query does not take everything.
func restricts(q engine.Query) bool {
	return len(q.Names)+len(q.Statuses)+len(q.Tags) > 0 || q.IDPrefix != "" || q.CreatedFrom != 0 || q.CreatedTo != 0
}

// run does the verb to the instance of the arguments, or to all that match.
func (b *bulk) run(cmd *cobra.Command, f *hubFlags, args []string, v bulkVerb) error {
	asJSON, err := b.format()
	if err != nil {
		return err
	}
	q, one, err := b.query(args)
	if err != nil {
		return err
	}
	return f.with(cmd, func(ctx context.Context, t *target) error {
		if !one {
			return b.each(ctx, t, q, v, cmd.OutOrStdout(), asJSON)
		}
		return b.single(ctx, t, args[0], v, cmd.OutOrStdout(), asJSON)
	})
}

// single does the verb to one instance, unless it does not fit that: the engine takes
// some without effect, as programs want it that may ask twice.
func (b *bulk) single(ctx context.Context, t *target, id string, v bulkVerb, out io.Writer, asJSON bool) error {
	m, err := t.Get(ctx, id, engine.GetOptions{Payloads: b.dryRun, Waits: true}) // whether an entity has a state is a payload
	if err == nil {
		err = v.refuse(m)
	}
	if err != nil {
		return err
	}
	j := bulkJSON{Done: v.done, DryRun: b.dryRun, Count: 1}
	switch {
	case !b.dryRun:
		if err := v.do(ctx, t, id); err != nil {
			return err
		}
	case asJSON:
		j.Instances = []instanceLine{lineOf(m)}
	default:
		lineOf(m).print(out)
	}
	return b.print(out, j, asJSON)
}

func lineOf(m *model.Instance) instanceLine {
	return instanceLine{m.ID, m.Name, m.Status.String()}
}

func (l instanceLine) print(out io.Writer) {
	terminal.Printf(out, "%s\t%s\t%s\n", l.InstanceID, l.Name, l.RuntimeStatus)
}

// print says what was done, or would be.
func (b *bulk) print(out io.Writer, j bulkJSON, asJSON bool) (err error) {
	if asJSON {
		return printJSON(out, j)
	}
	if j.Skipped != nil && *j.Skipped > 0 {
		terminal.Printf(out, "skipped %d\n", *j.Skipped)
	}
	switch {
	case j.DryRun:
		_, err = terminal.Printf(out, "would be %s: %d\n", j.Done, j.Count)
	default:
		_, err = terminal.Printf(out, "%s %d\n", j.Done, j.Count)
	}
	return err
}

// each goes through all that match. What has ended or gone meanwhile is skipped.
func (b *bulk) each(ctx context.Context, t *target, q engine.Query, v bulkVerb, out io.Writer, asJSON bool) error {
	j := bulkJSON{Done: v.done, DryRun: b.dryRun, Skipped: new(int)}
	if b.dryRun {
		j.Instances = []instanceLine{}
	}
	var failed []error
	for {
		page, err := t.Query(ctx, q)
		var partial *engine.PartialError
		if err != nil && !errors.As(err, &partial) {
			return errors.Join(append(failed, err)...)
		}
		for _, i := range page.Instances {
			switch {
			case v.skip(i.Status):
				*j.Skipped++
				continue
			case b.dryRun && asJSON:
				j.Instances = append(j.Instances, lineOf(i))
				j.Count++
				continue
			case b.dryRun:
				lineOf(i).print(out)
				j.Count++
				continue
			}
			switch err := v.do(ctx, t, i.ID); {
			case err == nil:
				j.Count++
			case errors.Is(err, engine.ErrEnded), errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrNotFailed):
				*j.Skipped++
			case ctx.Err() != nil:
				return errors.Join(append(failed, err)...)
			default:
				failed = append(failed, err)
			}
		}
		if q.Token = page.Token; q.Token == "" {
			failed = append(failed, err)
			break
		}
	}
	return errors.Join(append(failed, b.print(out, j, asJSON))...)
}

// living refuses what has ended, and what never does.
func living(m *model.Instance) error {
	switch {
	case model.IsEntity(m.ID):
		return usagef("%q is an entity: this is for orchestrations", m.ID)
	case m.Status.Ended():
		return fmt.Errorf("%q is %s: %w", m.ID, m.Status, engine.ErrEnded)
	}
	return nil
}

// unsuspended refuses what is suspended already, and with living what cannot be.
func unsuspended(m *model.Instance) error {
	if m.Status == model.Suspended {
		return fmt.Errorf("%q is %s already", m.ID, m.Status)
	}
	return living(m)
}

// suspendedOnly refuses what there is nothing to resume of.
func suspendedOnly(m *model.Instance) error {
	if err := living(m); err != nil || m.Status == model.Suspended {
		return err
	}
	return fmt.Errorf("%q is %s: it is not suspended", m.ID, m.Status)
}

// failedOnly refuses what has nothing to take back.
func failedOnly(m *model.Instance) error {
	if m.Status != model.Failed && (m.Waits == nil || m.Waits.Quarantine == nil) {
		return fmt.Errorf("%q is %s: %w", m.ID, m.Status, engine.ErrNotFailed)
	}
	return nil
}

// ended reports whether an instance has ended, as most verbs need it not to have.
func ended(s model.Status) bool { return s.Ended() }

// endedOr also leaves those alone that are as they should be.
func endedOr(already model.Status) func(model.Status) bool {
	return func(s model.Status) bool { return s.Ended() || s == already }
}

// but leaves all alone that have another status.
func but(only model.Status) func(model.Status) bool {
	return func(s model.Status) bool { return s != only }
}
