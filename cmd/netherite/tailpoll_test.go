package main

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
)

// countedReads is a client of a server that does not tell what changes, and counts what
// is read by it. Before each tenth look something happens.
type countedReads struct {
	engine.Client
	looks, whole, histories int
	quiet                   func()
}

func (c *countedReads) Get(ctx context.Context, id string, o engine.GetOptions) (*model.Instance, error) {
	if c.looks++; o.Payloads {
		c.whole++
	}
	if c.looks%10 == 0 {
		c.quiet()
	}
	return c.Client.Get(ctx, id, o)
}

func (c *countedReads) History(ctx context.Context, id string) ([]model.Event, error) {
	c.histories++
	return c.Client.History(ctx, id)
}

func TestToLookForWhatIsNewReadsPayloadsAndHistoryOnlyIfThereIsSomething(t *testing.T) {
	noContexts(t)
	s, hub := serving(t, server.Config{})
	far, err := remote.Dial(s.Place().GRPC[0])
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = far.Close(context.Background()) }()
	ctx := t.Context()
	if _, err := hub.Engine().Start(ctx, engine.StartRequest{Instance: "x", Name: "Asks", Input: []byte(`"` + strings.Repeat("x", 100_000) + `"`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Engine().Wait(ctx, "x", engine.UntilStarted, engine.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	c := &countedReads{Client: far.Engine()}
	changes := []func() error{
		func() error { return nil },
		func() error { return hub.Engine().Suspend(ctx, "x", "wait") },
		func() error { return hub.Engine().Resume(ctx, "x", "") },
		func() error {
			return hub.Engine().Raise(ctx, engine.RaiseRequest{Instance: "x", Event: "Release", Payload: []byte(`"go"`)})
		},
	}
	c.quiet = func() {
		if len(changes) == 0 {
			return
		}
		if err := changes[0](); err != nil {
			t.Error(err)
		}
		changes = changes[1:]
	}
	var out strings.Builder
	f := &tail{t: &target{Client: c, served: true}, id: "x", out: &out, interval: time.Millisecond}
	if err := f.run(ctx); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"ExecutionStarted", "ExecutionSuspended", "  Suspended\n", "ExecutionResumed", "EventRaised", `Completed  "go"`} {
		if strings.Count(out.String(), want) != 1 {
			t.Errorf("%q is there %d times:\n%.3000s", want, strings.Count(out.String(), want), out.String())
		}
	}
	// What was there at first, a suspension, a resumption, an event, and what its step
	// came to, each of which may be seen in two parts.
	if most := 10; c.looks < 30 || c.whole > most || c.histories > most {
		t.Errorf("%d looks read payloads %d times and the history %d times, want at most %d", c.looks, c.whole, c.histories, most)
	}
}
