package remote_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/remote"
)

// As in a deployment that replaces one program by another: the old one has an activity
// to end that takes long, and whatever else there is to do is the new one's.
func TestWorkGoesToOthersWhileAWorkerEndsWhatItHas(t *testing.T) {
	for name, opts := range map[string][]netherite.Option{"with extras": nil, "without": {remote.Standard()}} {
		times := 20
		if opts != nil {
			times = 2 // without extras each of their steps may be offered to the old one first, which gives it back
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address, began, release := sdktest.Start(t).GRPC, make(chan struct{}), make(chan struct{})
			var runs atomic.Int32
			long := durable.Activity("Long", func(context.Context, string) (string, error) {
				runs.Add(1)
				close(began)
				<-release
				return "of the old one", nil
			})
			order := durable.Orchestration("Order", func(ctx *durable.Context, _ string) (string, error) {
				return long.Call(ctx, "").Await()
			})
			waits := durable.Orchestration("Waits", func(ctx *durable.Context, _ string) (int, error) {
				return goOn2.Wait(ctx, durable.Forever)
			})
			serve := append(opts, netherite.Serve(append(code(), long, order, waits)...))
			before := dialed(t, address, serve...)
			run, err := order.Start(timely(t), before, "")
			if err != nil {
				t.Fatal(err)
			}
			alive, err := waits.Start(timely(t), before, "") // what it has alive goes on elsewhere, too
			if err != nil {
				t.Fatal(err)
			}
			<-began
			after := dialed(t, address, serve...)
			closed := make(chan error, 1)
			go func() { closed <- before.Close(timely(t)) }()
			for i := range times {
				ran(t, after, sequence, fmt.Sprint(i), fmt.Sprint(i, "!!!"))
			}
			ran(t, after, move, 7, 0)
			if err := goOn2.Raise(timely(t), after, alive.ID(), 7); err != nil {
				t.Fatal(err)
			}
			if got, err := waits.Attach(after, alive.ID()).Wait(timely(t)); err != nil || got != 7 {
				t.Errorf("what the old one had alive came to %v, %v", got, err)
			}
			select {
			case err := <-closed:
				t.Fatalf("the old one closed with %v before its activity had ended", err)
			default:
			}
			close(release)
			if err := <-closed; err != nil {
				t.Error(err)
			}
			if got, err := order.Attach(after, run.ID()).Wait(timely(t)); err != nil || got != "of the old one" || runs.Load() != 1 {
				t.Errorf("%q, %v, in %d runs", got, err, runs.Load())
			}
		})
	}
}
