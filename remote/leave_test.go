package remote_test

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
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
			address, refused := unforgiving(t)
			l := newLonging()
			before := l.busy(t, address, append(opts, l.serve)...)
			client := dialed(t, address, netherite.Logger(nil))
			closed := make(chan error, 1)
			go func() { closed <- before.Close(timely(t)) }()
			if opts == nil {
				<-refused // it has said that it leaves
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
	var refused atomic.Int32
	address := guarded(t, func(method string) error {
		if strings.HasSuffix(method, "/AbandonTaskActivityWorkItem") && refused.Add(1) == 1 {
			return status.Error(codes.ResourceExhausted, "too many calls a second")
		}
		return nil
	})
	l := newLonging()
	before := l.busy(t, address, l.serve)
	after := dialed(t, address, l.serve)
	closed := make(chan error, 1)
	go func() { closed <- before.Close(timely(t)) }()
	for i := range 20 {
		ran(t, after, sequence, fmt.Sprint(i), fmt.Sprint(i, "!!!"))
	}
	if refused.Load() == 0 {
		t.Error("nothing was refused")
	}
	l.judge(t, l.order.Attach(after, "long"), closed)
}

// unforgiving starts a server that takes no work back. Who tries is noted.
func unforgiving(t *testing.T) (address string, refused chan struct{}) {
	t.Helper()
	refused = make(chan struct{}, 1)
	return guarded(t, func(method string) error {
		if !strings.Contains(method, "Abandon") {
			return nil
		}
		select {
		case refused <- struct{}{}:
		default:
		}
		return status.Error(codes.Unimplemented, "unknown method")
	}), refused
}

// guarded starts a server that refuses what it is told to.
func guarded(t *testing.T, refuses func(method string) error) (address string) {
	t.Helper()
	hub, err := netherite.Open("", netherite.InMemory())
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(func(ctx context.Context, q any, i *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := refuses(i.FullMethod); err != nil {
			return nil, err
		}
		return next(ctx, q)
	}))
	service := durabletask.Register(s, hub)
	l := listen(t)
	go func() { _ = s.Serve(l) }()
	t.Cleanup(func() {
		service.Close()
		s.Stop()
		_ = hub.Close(context.Background())
	})
	return l.Addr().String()
}
