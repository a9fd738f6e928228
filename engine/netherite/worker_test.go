package netherite_test

import (
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// program is an orchestration for tests: it gets its whole history, the new
// events included, and says what to do next.
type program func(past, fresh []model.Event) []model.Event

// testWorker runs programs, activities and entities in goroutines of its own.
type testWorker struct {
	limits     engine.Limits
	programs   map[string]program
	activities map[string]func(ctx context.Context, input []byte) ([]byte, error)
	entities   map[string]func(state []byte, op *model.Event) (next, out []byte)

	conn engine.Connection
	work chan func()
	wg   sync.WaitGroup

	mu      sync.Mutex
	cancels map[engine.Token]context.CancelFunc
	stale   int
}

func newTestWorker() *testWorker {
	return &testWorker{
		programs:   map[string]program{},
		activities: map[string]func(context.Context, []byte) ([]byte, error){},
		entities:   map[string]func([]byte, *model.Event) ([]byte, []byte){},
		cancels:    map[engine.Token]context.CancelFunc{},
		work:       make(chan func(), 1<<16),
	}
}

// connect attaches the worker and starts it.
func (w *testWorker) connect(t testing.TB, e engine.Feed) {
	t.Helper()
	c, err := e.Connect(w)
	if err != nil {
		t.Fatal(err)
	}
	w.run(c)
}

func (w *testWorker) run(c engine.Connection) {
	w.conn = c
	for range 4 {
		w.wg.Go(func() {
			for f := range w.work {
				f()
			}
		})
	}
}

// close detaches the worker.
func (w *testWorker) close() {
	w.conn.Close()
	w.mu.Lock()
	for _, cancel := range w.cancels {
		cancel()
	}
	w.mu.Unlock()
	close(w.work)
	w.wg.Wait()
}

func (w *testWorker) Limits() engine.Limits { return w.limits }

func (w *testWorker) Handles(kind engine.ItemKind, name, _ string) bool {
	switch kind {
	case engine.OrchestrationKind:
		return w.programs[name] != nil
	case engine.ActivityKind:
		return w.activities[name] != nil
	}
	return w.entities[name] != nil
}

func (w *testWorker) Offer(items engine.Items) {
	for _, i := range items.Orchestrations {
		w.work <- func() { w.orchestration(i) }
	}
	for _, i := range items.Entities {
		w.work <- func() { w.entity(i) }
	}
	for _, i := range items.Activities {
		ctx, cancel := context.WithCancel(context.Background())
		w.mu.Lock()
		w.cancels[i.Token] = cancel
		w.mu.Unlock()
		w.work <- func() { w.activity(ctx, i) }
	}
}

func (w *testWorker) Cancel(t engine.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if cancel := w.cancels[t]; cancel != nil {
		cancel()
	}
}

func (w *testWorker) done(err error) {
	if err != nil {
		w.mu.Lock()
		w.stale++
		w.mu.Unlock()
	}
}

func (w *testWorker) orchestration(i *engine.OrchestrationItem) {
	past, err := w.conn.History(context.Background(), i)
	if err != nil {
		w.done(err)
		return
	}
	out := w.programs[i.Name](past, i.NewEvents)
	w.done(w.conn.CompleteOrchestration(&engine.OrchestrationResult{Token: i.Token, Now: i.Now, Events: out}))
}

func (w *testWorker) activity(ctx context.Context, i *engine.ActivityItem) {
	r := &engine.ActivityResult{Token: i.Token}
	out, err := w.activities[i.Name](ctx, i.Input)
	if err != nil {
		r.Failure = &model.Failure{Type: "test", Message: err.Error()}
	}
	r.Result = out
	w.mu.Lock()
	delete(w.cancels, i.Token)
	w.mu.Unlock()
	w.done(w.conn.CompleteActivity(r))
}

func (w *testWorker) entity(i *engine.EntityItem) {
	r := &engine.EntityResult{Token: i.Token, Now: i.Now, State: i.State}
	id, _ := model.ParseEntityID(i.Instance)
	for n := range i.Operations {
		var out []byte
		r.State, out = w.entities[id.Name](r.State, &i.Operations[n])
		r.Results = append(r.Results, engine.OperationResult{Output: out})
	}
	w.done(w.conn.CompleteEntity(r))
}

// completed ends an orchestration with an output.
func completed(id int32, output string) model.Event {
	return model.Event{Kind: model.ExecutionCompleted, ID: id, Payload: []byte(output), Ext: &model.Ext{Status: model.Completed}}
}

// count counts events of a kind.
func count(k model.Kind, lists ...[]model.Event) (n int) {
	for _, l := range lists {
		for i := range l {
			if l[i].Kind == k {
				n++
			}
		}
	}
	return n
}

// chain is a program of n activities one after the other.
func chain(activity string, n int) program {
	return func(past, fresh []model.Event) []model.Event {
		done := count(model.TaskCompleted, past, fresh)
		if sent := count(model.TaskScheduled, past); sent > done {
			return nil
		}
		if done == n {
			return []model.Event{completed(int32(n), fmt.Sprintf("%d done", n))}
		}
		return []model.Event{{Kind: model.TaskScheduled, ID: int32(done), Name: activity, Payload: []byte(fmt.Sprint(done))}}
	}
}

// helloWorker runs Hello5 with one activity.
func helloWorker() *testWorker {
	w := newTestWorker()
	w.programs["Hello5"] = chain("Hello", 5)
	w.activities["Hello"] = func(_ context.Context, in []byte) ([]byte, error) { return append([]byte("hello "), in...), nil }
	return w
}
