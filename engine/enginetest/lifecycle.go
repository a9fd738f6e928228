package enginetest

import (
	"context"
	"errors"
	"sync"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

var lifecycle = []scenario{
	{name: "T56_CreateDeleteCreate", run: createDeleteCreate, opens: true},
	{name: "T57_StopAsync_IsIdempotent", run: closeTwice, opens: true},
	{name: "T58_UnstartedService_CanBeSafelyStopped", run: closeUnstarted, opens: true},
	{name: "CallsAfterCloseAreErrClosed", run: callsAfterClose, opens: true},
	{name: "CloseGivesRunningActivitiesTheTimeItHas", run: closeWithActivity},
}

func createDeleteCreate(s *scene) {
	for range 2 {
		s.open()
		s.serve()
		want(s, "instances", len(s.list(engine.Query{})), 0)
		s.helloMany(1, 1)
		s.close()
		s.ok(s.storage.Delete())
		s.ok(s.storage.Delete())
	}
	s.open()
	want(s, "instances", len(s.list(engine.Query{})), 0)
	_, err := s.engine.Get(s.ctx, s.id("hello-0"), engine.GetOptions{})
	want(s, "error is ErrNotFound", errors.Is(err, engine.ErrNotFound), true)
}

func closeTwice(s *scene) {
	s.open()
	s.serve()
	s.helloMany(1, 1)
	e := s.engine
	s.close()
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			if err := e.Close(s.ctx); err != nil {
				s.Errorf("close again: %v", err)
			}
		})
	}
	wg.Wait()
}

func closeUnstarted(s *scene) {
	w, err := worker.New(worker.Options{Handlers: s.code.handlers(), Clock: s.storage.Clock()})
	s.ok(err)
	s.ok(w.Close(s.ctx)) // a worker that never ran
	for range 2 {
		s.open() // an engine that nothing was asked of
		s.close()
	}
	s.open()
	s.serve()
	s.helloMany(1, 1)
}

func callsAfterClose(s *scene) {
	s.open()
	s.serve()
	s.helloMany(1, 1)
	e := s.engine
	s.close()
	id := s.id("hello-0")
	calls := map[string]func() error{
		"start": func() error { _, err := e.Start(s.ctx, engine.StartRequest{Name: hello5.Name()}); return err },
		"raise": func() error { return e.Raise(s.ctx, engine.RaiseRequest{Instance: id, Event: "x"}) },
		"get":   func() error { _, err := e.Get(s.ctx, id, engine.GetOptions{}); return err },
		"wait":  func() error { _, err := e.Wait(s.ctx, id, engine.UntilEnded, engine.GetOptions{}); return err },
		"query": func() error { _, err := e.Query(s.ctx, engine.Query{}); return err },
		"history": func() error {
			_, err := e.History(s.ctx, id)
			return err
		},
		"purge":     func() error { _, err := e.Purge(s.ctx, id, false); return err },
		"terminate": func() error { return e.Terminate(s.ctx, engine.TerminateRequest{Instance: id}) },
		"signal":    func() error { return e.Signal(s.ctx, engine.SignalRequest{Entity: "@a@b", Operation: "x"}) },
	}
	for name, call := range calls { // order-free: each stands for itself
		if err := call(); !errors.Is(err, engine.ErrClosed) {
			s.Errorf("%s after close: %v, want ErrClosed", name, err)
		}
	}
}

// closeWithActivity closes while an activity runs: with time, its result counts;
// without, it runs again.
func closeWithActivity(s *scene) {
	run := start(s, waiting, "waiting", "gate")
	<-s.code.at("gate").began
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	w, e := s.worker, s.engine
	s.worker, s.engine = nil, nil
	if err := w.Close(ctx); !errors.Is(err, context.Canceled) {
		s.Errorf("close worker: %v", err)
	}
	s.ok(e.Close(ctx))
	s.open()
	s.serve()
	<-s.code.at("gate").began
	s.code.release()
	result(s, run, "gate is over")
	want(s, "runs of the activity", s.code.written("gate"), 2)
}

// waiting calls an activity that stops until it is let go.
var waiting = durable.Orchestration("Waiting", func(ctx *durable.Context, name string) (string, error) {
	return wait.Call(ctx, name).Await()
})
