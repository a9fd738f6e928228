package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/server/config"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/spf13/cobra"
)

// hubFlags are the flags of all commands that work with a hub.
type hubFlags struct {
	dir     string
	timeout time.Duration
	servers
	remote bool   // there are flags of servers
	how    string // to name another directory
}

func (f *hubFlags) add(cmd *cobra.Command) {
	f.how = "name the directory of a hub, or of a server's hubs, with --dir, or a server with --server"
	cmd.PersistentFlags().StringVar(&f.dir, "dir", ".netherite", "data directory of the hub, or of a server on this machine, of whose task hubs --hub names one")
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

// locate finds the directory of the hub: a server's data directory has those of its
// hubs below it, of which --hub names one, or else there is a single one, or the one
// that callers get who name none.
func (f *hubFlags) locate() error {
	there, err := netherite.Exists(f.dir)
	if err != nil {
		return err
	}
	if there || netherite.IsBackup(f.dir) {
		if f.at.Hub != "" {
			return usagef("--hub %s: in %s is one task hub, without a name: leave it out, or name a server with --server", f.at.Hub, f.dir)
		}
		return nil
	}
	hubs, err := server.FindHubs(f.dir)
	switch name := f.at.Hub; {
	case err != nil || len(hubs) == 0 && name == "":
		return err // connecting says that there is no hub
	case name == "" && len(hubs) == 1:
		f.dir, err = server.HubDir(f.dir, hubs[0])
	case name == "" && slices.Contains(hubs, config.DefaultHub):
		f.dir, err = server.HubDir(f.dir, config.DefaultHub)
	case name == "":
		return usagef("%s has the task hubs %s: name one with --hub", f.dir, strings.Join(hubs, ", "))
	case len(hubs) == 0:
		return notFoundf("--hub %s: there are no task hubs in %s: %s", name, f.dir, f.how)
	case !slices.Contains(hubs, name):
		return notFoundf("there is no task hub %q in %s: it has %s", name, f.dir, strings.Join(hubs, ", "))
	default:
		f.dir, err = server.HubDir(f.dir, name)
	}
	return err
}

// unfinished says what an interrupted backup has left.
func unfinished(dir string) string {
	return fmt.Sprintf("%q is what a backup has left that was interrupted, of which nothing can be restored: run netherite backup again, or remove it", dir)
}

// noHubAt says what there is in place of a hub in a directory. how says how to name
// another one.
func noHubAt(dir, how string) error {
	if netherite.IsBackup(dir) {
		return notFoundf("%q is a backup and no task hub: netherite inspect says what is in it, netherite restore makes a hub of it", dir)
	}
	if netherite.IsUnfinishedBackup(dir) {
		return notFoundf("%s", unfinished(dir))
	}
	if hubs, err := server.FindHubs(dir); err == nil && len(hubs) > 0 {
		at, _ := server.HubDir(dir, hubs[0]) // one that was found has a name
		return notFoundf("%q is the data directory of a server, each of whose task hubs has a directory of its own: %s; it has %s", dir, at, strings.Join(hubs, ", "))
	}
	if _, err := os.Stat(dir); err != nil {
		return fmt.Errorf("no task hub in %q: %w; %s", dir, err, how)
	}
	return notFoundf("no task hub in %q: %s", dir, how)
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
	if err == nil {
		err = errors.Join(run(ctx, t), t.close(ctx))
	}
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
		if err := f.locate(); err != nil {
			return nil, err
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
// socket, as another run of this program does: it gets a moment. One that has a
// socket and does not answer on it is stopped, or on a machine with too much to do.
const (
	heldPatience   = time.Second
	heldRetry      = 50 * time.Millisecond
	answerPatience = 5 * time.Second
)

func (f *hubFlags) connect(ctx context.Context, stderr io.Writer) (*target, error) {
	held, cancel := context.WithTimeout(ctx, heldPatience)
	defer cancel()
	for {
		t, err := f.tryConnect(ctx, stderr)
		if !errors.Is(err, engine.ErrHeld) {
			return t, err
		}
		select {
		case <-held.Done():
			if h, ok := errors.AsType[*dirlock.HeldError](err); ok {
				err = h // it says the directory, as what is around it does
			}
			return nil, fmt.Errorf("a hub does not answer on its socket: %w", err)
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
		if err := f.locate(); err != nil {
			return nil, err
		}
	}
	return f.connectServed(ctx)
}

// connectServed connects to the process that has the directory open, and waits until
// it answers.
func (f *hubFlags) connectServed(ctx context.Context) (*target, error) {
	c, err := owner.Dial(f.dir)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, answerPatience)
	defer cancel()
	if err := c.Ping(ctx); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	return &target{Client: c, manage: c, served: true, close: func(context.Context) error { return c.Close() }}, nil
}

func (f *hubFlags) tryConnect(ctx context.Context, stderr io.Writer) (*target, error) {
	there, err := netherite.Exists(f.dir)
	if err != nil {
		return nil, err
	}
	if !there {
		return nil, noHubAt(f.dir, f.how)
	}
	t, err := f.connectServed(ctx)
	switch {
	case err == nil:
		return t, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("the hub in %q did not answer in time: %w", f.dir, context.Cause(ctx))
	}
	if err := notOthers(ctx, f.dir); errors.Is(err, dirlock.ErrHeld) {
		return nil, errors.Join(engine.ErrHeld, err)
	} else if err != nil {
		return nil, err
	}
	quietly := slog.New(slog.NewTextHandler(stderr, &slog.HandlerOptions{Level: slog.LevelError}))
	// How long ended instances are kept is up to the program that runs the hub.
	hub, err := netherite.Open(f.dir, netherite.Logger(quietly), netherite.Retention(-1))
	if err != nil {
		return nil, err
	}
	return &target{Client: hub.Engine(), manage: hub.Manage(), close: hub.Close}, nil
}
