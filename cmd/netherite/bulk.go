package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/engine"
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
	Instances []instanceLine `json:"instances,omitzero"` // of a dry run
}

// instanceLine is what a dry run says of an instance.
type instanceLine struct {
	InstanceID    string `json:"instanceId"`
	Name          string `json:"name"`
	RuntimeStatus string `json:"runtimeStatus"`
}

// bulkVerb is what is done to one instance, and in which statuses an instance is
// left alone.
type bulkVerb struct {
	done string // "terminated"
	skip func(model.Status) bool
	do   func(ctx context.Context, t *target, id string) error
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
	switch restricted := restricts(q); {
	case one && (restricted || b.all || b.dryRun):
		err = usagef("name an instance, or say which ones; not both")
	case !one && !restricted && !b.all:
		err = usagef("name an instance, say which with --query, --name, --status, --tag, --prefix or a time, or say --all")
	}
	return q, one, err
}

// restricts reports whether a query does not take everything.
func restricts(q engine.Query) bool {
	return len(q.Names)+len(q.Statuses)+len(q.Tags) > 0 || q.IDPrefix != "" || q.CreatedFrom != 0 || q.CreatedTo != 0
}

// parse reads the words of --query into the flags that they are short for.
func (q *queryFlags) parse(expr string) error {
	for word := range strings.FieldsSeq(expr) {
		key, value, ok := strings.Cut(word, "=")
		if !ok || value == "" {
			return usagef("--query: %q is not KEY=VALUE", word)
		}
		switch key {
		case "name":
			q.names = append(q.names, strings.Split(value, ",")...)
		case "status":
			q.statuses = append(q.statuses, strings.Split(value, ",")...)
		case "prefix":
			q.prefix = value
		case "created-from":
			q.from = value
		case "created-to":
			q.to = value
		default:
			tag, ok := strings.CutPrefix(key, "tag.")
			if !ok || tag == "" {
				return usagef("--query: there is no %q, there are name, status, prefix, created-from, created-to and tag.NAME", key)
			}
			q.tags = append(q.tags, tag+"="+value)
		}
	}
	return nil
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
		if err := v.do(ctx, t, args[0]); err != nil || !asJSON {
			return err
		}
		return b.print(cmd.OutOrStdout(), bulkJSON{Done: v.done, Count: 1}, asJSON)
	})
}

// print says what was done, or would be.
func (b *bulk) print(out io.Writer, j bulkJSON, asJSON bool) (err error) {
	switch {
	case asJSON:
		return printJSON(out, j)
	case j.DryRun:
		_, err = fmt.Fprintf(out, "would be %s: %d\n", j.Done, j.Count)
	default:
		_, err = fmt.Fprintf(out, "%s %d\n", j.Done, j.Count)
	}
	return err
}

// each goes through all that match. What has ended or gone meanwhile is none of them
// any more.
func (b *bulk) each(ctx context.Context, t *target, q engine.Query, v bulkVerb, out io.Writer, asJSON bool) error {
	j := bulkJSON{Done: v.done, DryRun: b.dryRun}
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
				continue
			case b.dryRun && asJSON:
				j.Instances = append(j.Instances, instanceLine{i.ID, i.Name, i.Status.String()})
				j.Count++
				continue
			case b.dryRun:
				fmt.Fprintf(out, "%s\t%s\t%s\n", i.ID, i.Name, i.Status)
				j.Count++
				continue
			}
			switch err := v.do(ctx, t, i.ID); {
			case err == nil:
				j.Count++
			case errors.Is(err, engine.ErrEnded), errors.Is(err, engine.ErrNotFound), errors.Is(err, engine.ErrNotFailed):
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
