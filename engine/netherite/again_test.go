package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
)

func TestActivitiesThatMayRunTwiceAreCounted(t *testing.T) {
	e := openHub(t, newMemory(2))
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(schedule(w.step(0), 4)); err != nil {
		t.Fatal(err)
	}
	w.await(t, "activities", func() bool { return len(w.tasks) == 4 })
	if n := e.Stats().OfferedAgain; n != 0 {
		t.Errorf("%d activities before anything went wrong", n)
	}
	c.Close()
	if n := e.Stats().OfferedAgain; n != 4 {
		t.Errorf("%d activities of a lost worker were counted, want 4", n)
	}
}
