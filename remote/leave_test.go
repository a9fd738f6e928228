package remote_test

import (
	"context"
	"fmt"
	"math"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc/codes"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/remote"
)

// longing is a program with an activity that takes as long as it is let to.
type longing struct {
	began   chan struct{}
	release chan struct{}
	runs    atomic.Int32
	order   *durable.OrchestrationOf[string, string]
	waits   *durable.OrchestrationOf[string, int]
	serve   netherite.Option
}

func newLonging() *longing {
	l := &longing{began: make(chan struct{}), release: make(chan struct{})}
	long := durable.Activity("Long", func(ctx context.Context, _ string) (string, error) {
		if l.runs.Add(1) == 1 {
			close(l.began)
		}
		select {
		case <-l.release:
			return "of the old one", nil
		case <-ctx.Done():
			return "", ctx.Err()
		}
	})
	l.order = durable.Orchestration("Order", func(ctx *durable.Context, _ string) (string, error) {
		return long.Call(ctx, "").Await()
	})
	l.waits = durable.Orchestration("Waits", func(ctx *durable.Context, _ string) (int, error) {
		return goOn2.Wait(ctx, durable.Forever)
	})
	l.serve = netherite.Serve(append(code(), long, l.order, l.waits)...)
	return l
}

// busy connects a worker, which has begun the long activity of an orchestration.
func (l *longing) busy(t *testing.T, address string, opts ...netherite.Option) *remote.Hub {
	t.Helper()
	hub := dialed(t, address, opts...)
	if _, err := l.order.Start(timely(t), hub, "", durable.ID("long")); err != nil {
		t.Fatal(err)
	}
	<-l.began
	return hub
}

// judge ends the long activity, which has to have run once, and the worker.
func (l *longing) judge(t *testing.T, run *durable.Run[string], closed <-chan error) {
	t.Helper()
	select {
	case err := <-closed:
		t.Fatalf("the old one closed with %v before its activity had ended", err)
	default:
	}
	close(l.release)
	if err := <-closed; err != nil {
		t.Error(err)
	}
	if got, err := run.Wait(timely(t)); err != nil || got != "of the old one" || l.runs.Load() != 1 {
		t.Errorf("%q, %v, in %d runs", got, err, l.runs.Load())
	}
}

// As in a deployment that replaces one program by another: the old one has an activity
// to end that takes long, and whatever else there is to do is the new one's.
func TestWorkGoesToOthersWhileAWorkerEndsWhatItHas(t *testing.T) {
	address, l := sdktest.Start(t).GRPC, newLonging()
	before := l.busy(t, address, l.serve)
	alive, err := l.waits.Start(timely(t), before, "") // what it has alive goes on elsewhere, too
	if err != nil {
		t.Fatal(err)
	}
	after := dialed(t, address, l.serve)
	closed := make(chan error, 1)
	go func() { closed <- before.Close(timely(t)) }()
	for i := range 20 {
		ran(t, after, sequence, fmt.Sprint(i), fmt.Sprint(i, "!!!"))
	}
	ran(t, after, move, 7, 0)
	if err := goOn2.Raise(timely(t), after, alive.ID(), 7); err != nil {
		t.Fatal(err)
	}
	if got, err := l.waits.Attach(after, alive.ID()).Wait(timely(t)); err != nil || got != 7 {
		t.Errorf("what the old one had alive came to %v, %v", got, err)
	}
	l.judge(t, l.order.Attach(after, "long"), closed)
}

// Servers of other makes do not know that a worker leaves, and some take nothing back:
// they have what it was given last when it has closed.
func TestAWorkerThatClosesEndsWhatItHasAtAnyServer(t *testing.T) {
	for name, opts := range map[string][]netherite.Option{"with extras": nil, "without": {remote.Standard()}} {
		t.Run(name, func(t *testing.T) {
			unforgiving := &refusing{code: codes.Unimplemented, left: map[string]int{"Abandon": math.MaxInt}, said: make(chan struct{}, 1)}
			address := refusingServer(t, unforgiving)
			l := newLonging()
			before := l.busy(t, address, append(opts, l.serve)...)
			client := dialed(t, address, netherite.Logger(nil))
			closed := make(chan error, 1)
			go func() { closed <- before.Close(timely(t)) }()
			if opts == nil {
				<-unforgiving.said // it has said that it leaves
			}
			var runs []*durable.Run[string]
			for i := range 3 {
				run, err := sequence.Start(timely(t), client, fmt.Sprint(i))
				if err != nil {
					t.Fatal(err)
				}
				runs = append(runs, run)
			}
			l.judge(t, l.order.Attach(dialed(t, address, l.serve), "long"), closed)
			for i, run := range runs {
				if got, err := run.Wait(timely(t)); err != nil || got != fmt.Sprint(i, "!!!") {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
}

// A server that has too many calls for a moment is told again.
func TestAWorkerLeavesABusyServer(t *testing.T) {
	busy := &refusing{code: codes.ResourceExhausted, left: map[string]int{"AbandonTaskActivityWorkItem": 1}, said: make(chan struct{}, 1)}
	address := refusingServer(t, busy)
	l := newLonging()
	before := l.busy(t, address, l.serve)
	after := dialed(t, address, l.serve)
	closed := make(chan error, 1)
	go func() { closed <- before.Close(timely(t)) }()
	for i := range 20 {
		ran(t, after, sequence, fmt.Sprint(i), fmt.Sprint(i, "!!!"))
	}
	select {
	case <-busy.said:
	default:
		t.Error("nothing was refused")
	}
	l.judge(t, l.order.Attach(after, "long"), closed)
}
