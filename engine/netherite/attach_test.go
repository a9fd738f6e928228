package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// The partitions of a new node may look for work before anybody else knows of the node.
// What they find then that nobody has code for is offered to who comes later with it.
func TestWorkFoundMissingBeforeTheNodeIsKnownGoesToALaterWorker(t *testing.T) {
	m := newMemory(2)
	e := openHub(t, m)
	start(t, e, "Nobody", 4)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	o := netherite.Options{Storage: m, CheckReplay: true, Logger: testLogger(t)}
	e, err := netherite.OpenHeld(o, func(e *netherite.Engine) { newHoarder("Some", engine.Limits{}).connect(t, e) })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Kill(true) })
	w := newHoarder("Nobody", engine.Limits{})
	w.connect(t, e)
	w.await(t, "the work that nobody had code for", func() bool { return len(w.steps) == 4 })
}
