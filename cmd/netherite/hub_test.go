package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/rogpeppe/go-internal/testscript"
)

var quietLogger = slog.New(slog.DiscardHandler)

// Account is the state of an entity of the test hubs.
type Account struct {
	Balance int `json:"balance"`
}

// Add pays in.
func (a *Account) Add(_ *durable.EntityContext, n int) (int, error) {
	a.Balance += n
	return a.Balance, nil
}

// The code of the test hubs: one orchestration for each thing to wait for.
var (
	accounts  = durable.Entity[Account]("Account")
	_         = durable.Operation(accounts, "Add", (*Account).Add)
	strangers = durable.Entity[Account]("Stranger") // without code
	strange   = durable.Operation(strangers, "Add", (*Account).Add)

	release = durable.Event[string]("Release")
	stuck   = durable.Activity("Stuck", func(ctx context.Context, _ string) (string, error) {
		<-ctx.Done()
		return "", ctx.Err()
	})
	fails   = durable.Activity("Fails", func(context.Context, string) (string, error) { return "", errors.New("no luck") })
	nowhere = durable.DeclareActivity[string, string]("Nowhere")
	say     = durable.Activity("Say", func(_ context.Context, name string) (string, error) { return "Hello " + name + "!", nil })

	asks = durable.Orchestration("Asks", func(ctx *durable.Context, _ string) (string, error) {
		return release.Wait(ctx, durable.Forever)
	})

	handlers = []durable.Handler{
		accounts, stuck, fails, say, asks,
		durable.Orchestration("Greets", func(ctx *durable.Context, name string) (string, error) { return say.Call(ctx, name).Await() }),
		durable.Orchestration("Naps", func(ctx *durable.Context, _ string) (string, error) {
			return "", durable.SleepUntil(ctx, time.Date(2999, 1, 1, 0, 0, 0, 0, time.UTC))
		}),
		durable.Orchestration("Hangs", func(ctx *durable.Context, _ string) (string, error) { return stuck.Call(ctx, "").Await() }),
		durable.Orchestration("Misses", func(ctx *durable.Context, _ string) (string, error) { return nowhere.Call(ctx, "").Await() }),
		durable.Orchestration("Retries", func(ctx *durable.Context, _ string) (string, error) {
			return fails.Call(ctx, "", durable.Retry{Attempts: 3, First: 1000 * time.Hour}).Await()
		}),
		durable.Orchestration("Breaks", func(ctx *durable.Context, _ string) (string, error) { return fails.Call(ctx, "").Await() }),
		durable.Orchestration("Parent", func(ctx *durable.Context, _ string) (string, error) {
			return asks.Call(ctx, "", durable.ID("child-of-"+ctx.ID())).Await()
		}),
		durable.Orchestration("Calls", func(ctx *durable.Context, _ string) (int, error) {
			return strange.Call(ctx, strangers.Key("s"), 1).Await()
		}),
		durable.Orchestration("Locks", func(ctx *durable.Context, _ string) (string, error) {
			unlock, err := durable.Lock(ctx, accounts.Key("a"), accounts.Key("b"))
			if err != nil {
				return "", err
			}
			defer unlock()
			return release.Wait(ctx, durable.Forever)
		}),
	}
)

// hubs are the hubs that a script has opened, by directory.
type hubs struct {
	here  map[string]*netherite.Hub
	other map[string]*otherHub
}

type hubsKey struct{}

// otherHub is a process that runs a hub.
type otherHub struct {
	cmd   *exec.Cmd
	stdin io.Closer
}

func scriptHub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: hub open|other|close|kill DIR")
	}
	h, dir := ts.Value(hubsKey{}).(*hubs), args[1]
	if h.here == nil {
		h.here, h.other = map[string]*netherite.Hub{}, map[string]*otherHub{}
	}
	switch args[0] {
	case "open":
		hub, err := netherite.Open(dir, netherite.Serve(handlers...), netherite.Partitions(4), netherite.Logger(quietLogger))
		ts.Check(err)
		h.here[dir] = hub
		ts.Defer(func() { ts.Check(closeHub(hub)) })
	case "other":
		o, err := startOther(dir)
		ts.Check(err)
		h.other[dir] = o
		ts.Defer(func() { _ = o.end(true) }) // unless the script has ended it
	case "close", "kill":
		kill := args[0] == "kill"
		switch {
		case h.other[dir] != nil:
			ts.Check(h.other[dir].end(kill))
			delete(h.other, dir)
		case kill:
			h.here[dir].Kill()
		default:
			ts.Check(closeHub(h.here[dir]))
		}
	default:
		ts.Fatalf("unknown: hub %s", args[0])
	}
}

// closeHub closes a hub without waiting for activities.
func closeHub(hub *netherite.Hub) error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return hub.Close(ctx)
}

func startOther(dir string) (*otherHub, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	return startOtherBy(exec.Command(self), dir)
}

// startOtherBy starts the other process by a command that becomes this test program.
func startOtherBy(cmd *exec.Cmd, dir string) (*otherHub, error) {
	cmd.Env = append(os.Environ(), role+"="+roleHub+":"+dir)
	cmd.Stderr = os.Stderr
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	o := &otherHub{cmd: cmd, stdin: stdin}
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "open\n" {
		return nil, errors.Join(fmt.Errorf("the other process says %q: %w", line, err), o.end(true))
	}
	return o, nil
}

// end makes the process close its hub and exit, or kills it.
func (o *otherHub) end(kill bool) error {
	if o.cmd.ProcessState != nil {
		return nil
	}
	if !kill {
		return errors.Join(o.stdin.Close(), o.cmd.Wait())
	}
	err := o.cmd.Process.Kill()
	_ = o.cmd.Wait() // says that it was killed
	return err
}
