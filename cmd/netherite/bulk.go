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
	expr   string
	all    bool
	dryRun bool
}

// bulkVerb is what is done to one instance, and in which statuses an instance is
// left alone.
type bulkVerb struct {
	done string // "terminated"
	skip func(model.Status) bool
	do   func(ctx context.Context, t *target, id string) error
}

func (b *bulk) add(cmd *cobra.Command) {
	b.q.add(cmd)
	b.addQuery(cmd)
	cmd.Flags().BoolVar(&b.all, "all", false, "needed to take every instance")
}

// addQuery adds what purge has not of its own.
func (b *bulk) addQuery(cmd *cobra.Command) {
	cmd.Flags().StringVar(&b.expr, "query", "", "all that match, as words such as 'status=Running name=Order tag.region=eu prefix=a- created-from=T created-to=T'")
	cmd.Flags().BoolVar(&b.dryRun, "dry-run", false, "say which instances it would be, and do nothing")
}

// query reads which instances are meant; one is true if it is that of the arguments.
func (b *bulk) query(args []string) (q engine.Query, one bool, err error) {
	if b.expr != "" {
		if err := b.q.parse(b.expr); err != nil {
			return q, false, err
		}
	}
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
	q, one, err := b.query(args)
	if err != nil {
		return err
	}
	return f.with(cmd, func(ctx context.Context, t *target) error {
		if one {
			return v.do(ctx, t, args[0])
		}
		return b.each(ctx, t, q, v, cmd.OutOrStdout())
	})
}

// each goes through all that match. What has ended or gone meanwhile is none of them
// any more.
func (b *bulk) each(ctx context.Context, t *target, q engine.Query, v bulkVerb, out io.Writer) error {
	done := 0
	var failed []error
	for {
		page, err := t.Query(ctx, q)
		var partial *engine.PartialError
		if err != nil && !errors.As(err, &partial) {
			return errors.Join(append(failed, err)...)
		}
		for _, i := range page.Instances {
			if v.skip(i.Status) {
				continue
			}
			if b.dryRun {
				fmt.Fprintf(out, "%s\t%s\t%s\n", i.ID, i.Name, i.Status)
				done++
				continue
			}
			switch err := v.do(ctx, t, i.ID); {
			case err == nil:
				done++
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
	if b.dryRun {
		fmt.Fprintf(out, "would be %s: %d\n", v.done, done)
	} else {
		fmt.Fprintf(out, "%s %d\n", v.done, done)
	}
	return errors.Join(failed...)
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
