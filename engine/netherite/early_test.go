package netherite_test

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

func TestHeldActivityIsHandedOutWhenItsScheduleIsDurableAndNotBefore(t *testing.T) {
	for name, form := range heldForms {
		t.Run(name, func(t *testing.T) {
			e, w, release := held(t, form.release, form.afterCommit, func(int, partition.Event) {})
			e.Waiting("X-0") // what the record leads to has been done
			w.mu.Lock()
			early := len(w.tasks)
			w.mu.Unlock()
			if early != 0 {
				t.Error("it is with the worker before the sync")
			}
			release()
			w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
		})
	}
}

// Where partitions do not trust each other's memory, a message leaves its own when what
// it was decided by is durable.
func TestHeldMessageLeavesWhenItsStepIsDurableAndNotBefore(t *testing.T) {
	for _, release := range []netherite.Release{netherite.ReleasePartition, netherite.ReleaseConservative} {
		t.Run(release.String(), func(t *testing.T) {
			m := &stalling{memory: newMemory(2), held: make(chan struct{}), end: make(chan struct{})}
			var left atomic.Int64
			sent := make(chan struct{}, 100)
			transport := func(deliver func([]netherite.Frame)) netherite.Transport {
				return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
					if f.Kind == netherite.FrameMessages {
						left.Add(1)
						sent <- struct{}{}
					}
					pass(f)
				}}
			}
			e := openHub(t, m, func(o *netherite.Options) { o.Release, o.Transport = release, transport })
			w := newHoarder("X", engine.Limits{})
			c := w.connect(t, e)
			t.Cleanup(c.Close)
			free := sync.OnceFunc(func() { close(m.end) })
			t.Cleanup(free) // the hub cannot close before
			id := inPartition(0, "i")
			if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "X"}); err != nil {
				t.Fatal(err)
			}
			w.await(t, "the step", func() bool { return len(w.steps) == 1 })
			m.armed.Store(true)
			if err := c.CompleteOrchestration(&engine.OrchestrationResult{Token: w.step(0).Token, Events: []model.Event{
				{Kind: model.EntitySignaled, Instance: inPartition(1, "@e@x"), Name: "op", Ext: &model.Ext{}},
			}}); err != nil {
				t.Fatal(err)
			}
			<-m.held
			e.Waiting(id) // what the record leads to has been done
			if left.Load() != 0 {
				t.Error("it has left before the sync")
			}
			free()
			select {
			case <-sent:
			case <-time.After(patience):
				t.Error("it has not left after the sync")
			}
		})
	}
}
