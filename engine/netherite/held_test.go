package netherite_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// stalling is a memory whose syncs a test can hold up.
type stalling struct {
	*memory
	armed atomic.Bool   // the next sync is held up, whether or not the test listens yet
	held  chan struct{} // a sync that is held up sends
	end   chan struct{} // closed to let it, and all that come, pass
}

type stallingLog struct {
	substrate.Log
	m *stalling
}

func (m *stalling) OpenLog() (substrate.Log, error) {
	l, err := m.memory.OpenLog()
	return &stallingLog{l, m}, err
}

func (l *stallingLog) Sync() error {
	if l.m.armed.Load() {
		select {
		case l.m.held <- struct{}{}:
			<-l.m.end
		case <-l.m.end:
		}
	}
	return l.Log.Sync()
}

// held starts an orchestration that schedules an activity, and returns while the
// record of that is being synced; the function ends the sync.
func held(t *testing.T, release netherite.Release, afterCommit bool, hook func(int, partition.Event)) (*netherite.Engine, *hoarder, func()) {
	t.Helper()
	m := &stalling{memory: newMemory(1), held: make(chan struct{}), end: make(chan struct{})}
	e := openHub(t, m, func(o *netherite.Options) { o.Release = release; o.BeforeStep(hook) })
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	t.Cleanup(c.Close)
	free := sync.OnceFunc(func() { close(m.end) })
	t.Cleanup(free) // the hub cannot close before
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	m.armed.Store(true)
	if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{
		{Kind: model.TaskScheduled, Name: "A", Ext: &model.Ext{AfterCommit: afterCommit}},
	}}); err != nil {
		t.Fatal(err)
	}
	<-m.held
	return e, w, free
}

var heldForms = map[string]struct {
	release     netherite.Release
	afterCommit bool
}{
	"after commit": {netherite.ReleaseNode, true},
	"conservative": {netherite.ReleaseConservative, false},
	"both":         {netherite.ReleaseConservative, true},
}

func TestHeldActivityIsHandedOutOnceAlsoAfterARebuild(t *testing.T) {
	for name, form := range heldForms {
		t.Run(name, func(t *testing.T) {
			began := make(chan struct{})
			e, w, release := held(t, form.release, form.afterCommit, func(_ int, ev partition.Event) {
				if c, ok := ev.(*partition.Command); ok && c.Name == "poison" {
					close(began)
					panic("poisonous request")
				}
			})
			poisoned := make(chan error, 1)
			go func() {
				poisoned <- e.Signal(t.Context(), engine.SignalRequest{Entity: "@e@a", Operation: "poison"})
			}()
			<-began
			release()
			if err := <-poisoned; !errors.Is(err, engine.ErrUnavailable) {
				t.Fatal(err)
			}
			w.await(t, "the activity", func() bool { return len(w.tasks) > 0 })
			if _, err := e.Get(t.Context(), "X-0", engine.GetOptions{}); err != nil {
				t.Fatal(err)
			}
			e.Waiting("X-0")
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.tasks) != 1 {
				t.Errorf("handed out %d times", len(w.tasks))
			}
		})
	}
}

func TestHeldActivityOfATerminatedInstanceIsNotBegun(t *testing.T) {
	for name, form := range heldForms {
		t.Run(name, func(t *testing.T) {
			e, w, release := held(t, form.release, form.afterCommit, func(int, partition.Event) {})
			done := make(chan error, 1)
			e.Together("X-0", func() {
				go func() { done <- e.Terminate(t.Context(), engine.TerminateRequest{Instance: "X-0"}) }()
				e.Arrived("X-0", 1)
			})
			e.Waiting("X-0")
			release()
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			e.Waiting("X-0")
			w.mu.Lock()
			defer w.mu.Unlock()
			if len(w.tasks) != 0 {
				t.Errorf("an activity of a terminated instance was begun")
			}
		})
	}
}

// The store knows nothing of the activity yet: what there is to run lies in memory.
func TestHeldActivityIsHandedOutToAWorkerThatComesAfterARestart(t *testing.T) {
	m := newMemory(1)
	never := func(o *netherite.Options) {
		o.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	}
	e := openHub(t, m, never)
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	t.Cleanup(c.Close)
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{
		{Kind: model.TaskScheduled, Name: "A", Ext: &model.Ext{AfterCommit: true}},
	}}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
	e.Kill(false)
	m.log.Crash(mem.KeepNone)
	m.store.Crash(mem.KeepNone, mem.KeepNone)

	e = openHub(t, m, never)
	for range 3 { // by then it has been let go, as nobody has code for it
		if _, err := e.Get(t.Context(), "X-0", engine.GetOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	w = newHoarder("", engine.Limits{})
	c = w.connect(t, e)
	t.Cleanup(c.Close)
	w.await(t, "the activity after the restart", func() bool { return len(w.tasks) == 1 })
}
