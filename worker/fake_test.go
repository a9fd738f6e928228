package worker

import (
	"context"
	"log/slog"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// desk is an engine's side of a connection: it collects results.
type desk struct {
	mu             sync.Mutex
	orchestrations chan engine.OrchestrationResult
	activities     chan engine.ActivityResult
	entities       chan *engine.EntityResult
	abandoned      chan engine.Token
	delays         chan time.Duration // of those abandoned
	past           map[string][]model.Event
	closed         bool
}

func newDesk() *desk {
	return &desk{
		orchestrations: make(chan engine.OrchestrationResult, 1000),
		activities:     make(chan engine.ActivityResult, 10_000),
		entities:       make(chan *engine.EntityResult, 1000),
		abandoned:      make(chan engine.Token, 1000),
		delays:         make(chan time.Duration, 1000),
		past:           map[string][]model.Event{},
	}
}

func (d *desk) Connect(engine.Worker) (engine.Connection, error) { return d, nil }

func (d *desk) CompleteOrchestration(r *engine.OrchestrationResult) error {
	d.orchestrations <- *r
	return nil
}

func (d *desk) CompleteActivity(r *engine.ActivityResult) error {
	d.activities <- *r
	return nil
}

func (d *desk) CompleteEntity(r *engine.EntityResult) error {
	d.entities <- r
	return nil
}

func (d *desk) Changed() {}

func (d *desk) Abandon(_ engine.ItemKind, t engine.Token, delay time.Duration) error {
	d.delays <- delay
	d.abandoned <- t
	return nil
}

func (d *desk) History(_ context.Context, item *engine.OrchestrationItem) ([]model.Event, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past[item.Instance], nil
}

func (d *desk) Close() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.closed = true
}

// coded is a handler for tests.
type coded Code

func (c coded) Bind(*Env) (Code, error) { return Code(c), nil }

// serve runs a worker against a desk.
func serve(t testing.TB, change func(*Options), handlers ...Handler) (*Worker, *desk) {
	t.Helper()
	o := Options{Handlers: handlers, Clock: sysclock.New(), Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&o)
	}
	w, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	d := newDesk()
	if err := w.Run(d); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return w, d
}

// receive takes one value, or fails the test when it takes too long.
func receive[T any](t testing.TB, c <-chan T) T {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	select {
	case v := <-c:
		return v
	case <-ctx.Done():
		t.Fatal("nothing came")
	}
	panic("unreachable")
}

func activity(name string, f Activity) Handler {
	return coded{Kind: engine.ActivityKind, Name: name, Activity: f}
}

func activityItem(name string, n int) *engine.ActivityItem {
	return &engine.ActivityItem{Name: name, Task: int32(n), Token: engine.Token{Task: int32(n)}}
}
