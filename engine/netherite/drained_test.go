package netherite_test

import (
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// draining is a worker in front of which the hub is drained while a partition looks whom
// to hand its work to.
type draining struct {
	*hoarder
	drain func()
}

func (w *draining) Handles(kind engine.ItemKind, name, version string) bool {
	w.drain()
	return w.hoarder.Handles(kind, name, version)
}

func TestNothingIsHandedOutOnceADrainIsDone(t *testing.T) {
	var e *netherite.Engine
	done := make(chan struct{})
	w := &draining{newHoarder("", engine.Limits{}), sync.OnceFunc(func() {
		if err := e.Drain(t.Context()); err != nil {
			t.Error(err)
		}
		close(done)
	})}
	e = openHub(t, newMemory(2))
	if _, err := e.Connect(w); err != nil {
		t.Fatal(err)
	}
	start(t, e, "X", 1)
	<-done
	e.Waiting("X-0") // the batch that handed it out has ended
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.steps) > 0 {
		t.Error("a step was handed out after the drain")
	}
}
