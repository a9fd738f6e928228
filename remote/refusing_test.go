package remote_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/remote"
)

// refusing refuses the first calls of some methods.
type refusing struct {
	mu   sync.Mutex
	left map[string]int // how many of a method; of those of "Complete" and "Abandon" together
	code codes.Code
	said chan struct{} // if not nil, tells that a call was refused
}

func (r *refusing) unary(ctx context.Context, q any, i *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for part, n := range r.left { // order-free: a method has one of them in its name
		if n > 0 && strings.Contains(i.FullMethod, part) {
			r.left[part]--
			select {
			case r.said <- struct{}{}:
			default:
			}
			return nil, status.Error(r.code, "refused by the test")
		}
	}
	r.mu.Unlock()
	defer r.mu.Lock()
	return next(ctx, q)
}

// refusingServer serves a hub in memory.
func refusingServer(t *testing.T, r *refusing, opts ...grpc.ServerOption) (address string) {
	t.Helper()
	hub, err := netherite.Open("", netherite.InMemory())
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer(append(opts, grpc.UnaryInterceptor(r.unary))...)
	service := durabletask.Register(g, hub)
	l := listen(t)
	go func() { _ = g.Serve(l) }()
	t.Cleanup(func() {
		service.Close()
		g.Stop()
		_ = hub.Close(context.Background())
	})
	return l.Addr().String()
}

// TestWhatAWorkerComesToIsNeverLost: whatever a server refuses, its work goes on.
func TestWhatAWorkerComesToIsNeverLost(t *testing.T) {
	for name, r := range map[string]*refusing{
		"too many calls":           {code: codes.ResourceExhausted, left: map[string]int{"Complete": 6}},
		"not allowed":              {code: codes.PermissionDenied, left: map[string]int{"Complete": 2}},
		"not allowed to give back": {code: codes.PermissionDenied, left: map[string]int{"Complete": 2, "Abandon": 1}},
		"entities":                 {code: codes.InvalidArgument, left: map[string]int{"CompleteEntity": 3}},
		"activities":               {code: codes.InvalidArgument, left: map[string]int{"CompleteActivity": 3}},
		"orchestrations, plain":    {code: codes.InvalidArgument, left: map[string]int{"CompleteOrchestrator": 3}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			opts := []netherite.Option{netherite.Serve(code()...)}
			if strings.Contains(name, "plain") {
				opts = append(opts, remote.Standard())
			}
			hub := dialed(t, refusingServer(t, r), opts...)
			ran(t, hub, sequence, "a", "a!!!")
			ran(t, hub, move, 7, 0)
			r.mu.Lock()
			defer r.mu.Unlock()
			for part, n := range r.left { // order-free: each is checked
				if n != 0 {
					t.Errorf("%d of %s were not refused", n, part)
				}
			}
		})
	}
}

// TestAResultThatIsTooLargeForTheServerFails: one that does not read over it.
func TestAResultThatIsTooLargeForTheServerFails(t *testing.T) {
	const most = 1 << 20
	long := durable.Activity("Long", func(context.Context, int) (string, error) { return strings.Repeat("x", most), nil })
	calls := durable.Orchestration("Calls", func(ctx *durable.Context, _ string) (string, error) { return long.Call(ctx, 0).Await() })
	steps := durable.Orchestration("Steps", func(*durable.Context, string) (string, error) { return strings.Repeat("x", most), nil })
	hub := dialed(t, refusingServer(t, &refusing{}, grpc.MaxRecvMsgSize(most)), netherite.Serve(long, calls, steps))
	for _, o := range []*durable.OrchestrationOf[string, string]{calls, steps} {
		run, err := o.Start(timely(t), hub, "")
		if err != nil {
			t.Fatal(err)
		}
		var failure *durable.TaskError
		if _, err := run.Wait(timely(t)); !errors.As(err, &failure) || failure.Type != model.FailurePayloadTooLarge || !strings.Contains(err.Error(), "1048576") {
			t.Errorf("%s came to %.300v", o.Name(), err)
		}
	}
}

// TestAResultThatIsTooLargeForItsMessageFails: a server reads over it.
func TestAResultThatIsTooLargeForItsMessageFails(t *testing.T) {
	type page struct{ Text string }
	text := strings.Repeat("x", 1_900_000)
	pages := durable.Entity[page]("Page")
	fill := durable.Operation(pages, "Fill", func(p *page, _ *durable.EntityContext, _ int) (string, error) {
		p.Text = text
		return text, nil
	})
	size := durable.Operation(pages, "Size", func(p *page, _ *durable.EntityContext, _ int) (int, error) { return len(p.Text), nil })
	steps := durable.Orchestration("Steps", func(ctx *durable.Context, _ string) (string, error) {
		a, b := echo.Call(ctx, text), echo.Call(ctx, text)
		if _, err := a.Await(); err != nil {
			return "", err
		}
		return b.Await()
	})
	fills := durable.Orchestration("Fills", func(ctx *durable.Context, _ string) (string, error) {
		_, err := fill.Call(ctx, pages.Key("a"), 0).Await()
		if n, failed := size.Call(ctx, pages.Key("a"), 0).Await(); n != 0 || failed != nil {
			return "", fmt.Errorf("the worker goes on from what the server does not have: %d, %w", n, failed)
		}
		return "", err
	})
	hub := dialed(t, sdktest.Start(t, "--limits-message=3MiB").GRPC, netherite.Serve(echo, pages, steps, fills))
	for _, o := range []*durable.OrchestrationOf[string, string]{steps, fills} {
		run, err := o.Start(timely(t), hub, "")
		if err != nil {
			t.Fatal(err)
		}
		var failure *durable.TaskError
		if _, err := run.Wait(timely(t)); !errors.As(err, &failure) || failure.Type != model.FailurePayloadTooLarge || !strings.Contains(err.Error(), "3145728") {
			t.Errorf("%s came to %.300v", o.Name(), err)
		}
	}
}

// TestALimitOfTheServerIsNotTakenForAHubThatIsFull: they are one kind of error, and
// what it says is what the server does.
func TestALimitOfTheServerIsNotTakenForAHubThatIsFull(t *testing.T) {
	r := &refusing{code: codes.ResourceExhausted, left: map[string]int{"GetInstance": 1}}
	hub := dialed(t, refusingServer(t, r), remote.Patience(testTime))
	_, err := hub.Engine().Get(timely(t), "i", engine.GetOptions{})
	if !errors.Is(err, engine.ErrBusy) || strings.Contains(err.Error(), "memory") || !strings.Contains(err.Error(), "refused by the test") {
		t.Error(err)
	}
}
