package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	"github.com/spf13/cobra"
)

// hubFlags are the flags of all commands that work with a hub.
type hubFlags struct {
	dir     string
	timeout time.Duration
	servers
	remote bool // there are flags of servers
}

func (f *hubFlags) add(cmd *cobra.Command) {
	cmd.PersistentFlags().StringVar(&f.dir, "dir", ".netherite", "data directory of the hub")
	cmd.PersistentFlags().DurationVar(&f.timeout, "timeout", 30*time.Second, "give up after this long; 0 waits for ever")
}

// addServers adds the flags of commands that work with the hub of a server as well.
func (f *hubFlags) addServers(cmd *cobra.Command) {
	f.add(cmd)
	f.remote = true
	f.at.add(cmd)
	f.addContext(cmd)
	_ = cmd.RegisterFlagCompletionFunc("hub", suggesting(f.suggestHubs))
}

// target is a hub to work with: one that runs, through its owner's socket, or
// one that nobody runs, opened here without any code.
type target struct {
	engine.Client
	manage owner.Manager
	served bool
	close  func(context.Context) error // what a full disk keeps from being written is given up with the context
}

// with runs f on the hub of the flags, within their timeout.
func (f *hubFlags) with(cmd *cobra.Command, run func(context.Context, *target) error) error {
	if f.timeout < 0 {
		return usagef("--timeout %v: it cannot be negative; 0 waits for ever", f.timeout)
	}
	ctx := cmd.Context()
	if f.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, f.timeout)
		defer cancel()
	}
	t, err := f.meant(ctx, cmd)
	if err != nil {
		return err
	}
	err = errors.Join(run(ctx, t), t.close(ctx))
	if f.timeout > 0 && errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("timed out after %v (--timeout): %w", f.timeout, err)
	}
	return err
}

// meant connects to the hub that is meant: a server's, or that of a directory.
func (f *hubFlags) meant(ctx context.Context, cmd *cobra.Command) (*target, error) {
	if f.remote {
		at, err := f.resolve(cmd, "dir")
		if err != nil {
			return nil, err
		}
		if at != nil {
			return at.connect(ctx)
		}
	}
	return f.connect(ctx, cmd.ErrOrStderr())
}

// untilDeadline is how long a context has left; 0 if it has no end.
func untilDeadline(ctx context.Context) time.Duration {
	end, ok := ctx.Deadline()
	if !ok {
		return 0
	}
	return max(time.Until(end), time.Millisecond)
}

// A hub that is held and does not answer may be about to open or close its
// socket, as another run of this program does: it gets a moment.
const (
	heldPatience = time.Second
	heldRetry    = 50 * time.Millisecond
)

func (f *hubFlags) connect(ctx context.Context, stderr io.Writer) (*target, error) {
	ctx, cancel := context.WithTimeout(ctx, heldPatience)
	defer cancel()
	for {
		t, err := f.tryConnect(stderr)
		if !errors.Is(err, engine.ErrHeld) {
			return t, err
		}
		select {
		case <-ctx.Done():
			return nil, fmt.Errorf("the hub in %q does not answer on its socket: %w", f.dir, err)
		case <-time.After(heldRetry):
		}
	}
}

// connectRunning connects to a hub that is being run; it opens none.
func (f *hubFlags) connectRunning(ctx context.Context, cmd *cobra.Command) (*target, error) {
	if f.remote {
		if at, err := f.resolve(cmd, "dir"); err != nil {
			return nil, err
		} else if at != nil {
			return at.connect(ctx)
		}
	}
	return f.connectServed()
}

// connectServed connects to the process that has the directory open.
func (f *hubFlags) connectServed() (*target, error) {
	c, err := owner.Dial(f.dir)
	if err != nil {
		return nil, err
	}
	return &target{Client: c, manage: c, served: true, close: func(context.Context) error { return c.Close() }}, nil
}

func (f *hubFlags) tryConnect(stderr io.Writer) (*target, error) {
	if !netherite.Exists(f.dir) {
		return nil, fmt.Errorf("no task hub in %q: name its data directory with --dir: %w", f.dir, os.ErrNotExist)
	}
	if t, err := f.connectServed(); err == nil {
		return t, nil
	}
	quietly := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	// How long ended instances are kept is up to the program that runs the hub.
	hub, err := netherite.Open(f.dir, netherite.Logger(quietly), netherite.Retention(-1))
	if err != nil {
		return nil, err
	}
	return &target{Client: hub.Engine(), manage: hub.Manage(), close: hub.Close}, nil
}
