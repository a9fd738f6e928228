package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
	"github.com/spf13/cobra"
)

func newInstanceTail(f *hubFlags) *cobra.Command {
	var interval time.Duration
	cmd := &cobra.Command{
		Use:   "tail ID",
		Short: "Follow an instance: its history as it grows, and its status, until it has ended",
		Long: `Follow an instance: its history as it grows, and its status, until it has ended.
Events are printed as they become durable where the hub tells what changes, and
looked for every --interval where it does not, as with a server whose HTTP API is
not given (--http). After continue-as-new the new history follows. Unless
--timeout is set there is none.`,
		Args: cobra.ExactArgs(1),
	}
	cmd.Flags().DurationVar(&interval, "interval", time.Second, "how often to look where the hub does not tell")
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		asJSON, err := output()
		switch {
		case err != nil:
			return err
		case interval < 10*time.Millisecond:
			return usagef("--interval %v: at least 10ms", interval)
		}
		if !cmd.Flags().Changed("timeout") {
			f.timeout = 0
		}
		return f.with(cmd, func(ctx context.Context, t *target) error {
			tail := &tail{t: t, id: args[0], out: cmd.OutOrStdout(), asJSON: asJSON, interval: interval}
			return tail.run(ctx)
		})
	}
	return cmd
}

// tail follows one instance.
type tail struct {
	t        *target
	id       string
	out      io.Writer
	asJSON   bool
	interval time.Duration

	execution model.ExecutionID // whose history is being printed
	shown     int               // events of it that have been
	last      model.Status
	seen      bool
	custom    []byte
	updated   model.Time
	events    int64 // of the history, by the instance itself
}

func (f *tail) run(ctx context.Context) error {
	var w engine.Watch
	if watcher, ok := f.t.Client.(engine.Watcher); ok {
		var err error
		if w, err = watcher.Watch(engine.WatchOptions{Instance: f.id}); err != nil && !errors.Is(err, engine.ErrInvalid) {
			return err
		}
	}
	if w != nil {
		defer w.Close()
	}
	for {
		over, err := f.look(ctx)
		if err != nil || over {
			return err
		}
		if !f.t.served {
			return fmt.Errorf("instance %q is %s: %w", f.id, f.last, errNotServed)
		}
		if w != nil {
			_, _, err = w.Next(ctx)
		} else {
			err = f.untilNew(ctx)
		}
		if err != nil {
			return err
		}
	}
}

// untilNew looks every interval whether there is something new, without payloads
// and history: these are read only if there is.
func (f *tail) untilNew(ctx context.Context) error {
	for {
		if err := rest(ctx, f.interval); err != nil {
			return err
		}
		m, err := f.t.Get(ctx, f.id, engine.GetOptions{})
		switch {
		case errors.Is(err, engine.ErrNotFound):
			return nil // which is news as well
		case err != nil:
			return err
		case m.Execution != f.execution || m.Status != f.last || m.LastUpdated != f.updated || m.HistoryEvents != f.events:
			return nil
		}
	}
}

func rest(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}

// look prints what is new. It reports whether the instance has ended, or gone.
func (f *tail) look(ctx context.Context) (over bool, err error) {
	m, err := f.t.Get(ctx, f.id, engine.GetOptions{Payloads: true})
	if f.seen && errors.Is(err, engine.ErrNotFound) {
		terminal.Println(f.out, "gone")
		return true, nil
	} else if err != nil {
		return false, err
	}
	if err := f.printEvents(ctx, m); err != nil {
		return false, err
	}
	if !f.seen || m.Status != f.last || !bytes.Equal(m.CustomStatus, f.custom) || m.Entity != nil && m.LastUpdated != f.updated {
		if err := f.status(m); err != nil {
			return false, err
		}
	}
	f.seen, f.last, f.custom, f.updated, f.events = true, m.Status, m.CustomStatus, m.LastUpdated, m.HistoryEvents
	return m.Status.Ended(), nil
}

// printEvents prints what the history has more than before.
func (f *tail) printEvents(ctx context.Context, m *model.Instance) error {
	if m.Execution != f.execution {
		f.execution, f.shown = m.Execution, 0
	}
	if m.Entity != nil {
		return nil
	}
	list, err := f.t.History(ctx, f.id)
	if err != nil && !errors.Is(err, engine.ErrNotFound) {
		return err
	}
	if len(list) < f.shown { // rewound, or of the next run already
		f.shown = 0
	}
	asked := askedIn(list)
	for _, e := range list[f.shown:] {
		if !f.asJSON {
			asked.print(f.out, &e)
		} else if err := printJSON(f.out, asked.json(&e)); err != nil {
			return err
		}
	}
	f.shown = len(list)
	return nil
}

func (f *tail) status(m *model.Instance) error {
	if f.asJSON {
		return printJSON(f.out, toJSON(m))
	}
	var text terminal.Safe
	switch {
	case m.Failure != nil:
		text = "  " + terminal.Lines(m.Failure.Error(), behind)
	case m.Status.Ended() && m.Output != nil:
		text = "  " + payloadText(m.Output)
	case m.CustomStatus != nil && !m.Status.Ended():
		text = "  " + payloadText(m.CustomStatus)
	case m.Entity != nil && m.Entity.State != nil:
		text = "  " + payloadText(m.Entity.State)
	}
	terminal.Printf(f.out, "%s  %s%s\n", column(m.LastUpdated), m.Status, text)
	return nil
}
