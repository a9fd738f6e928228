package netherite_test

import (
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// taskWith gives a worker an activity, whose schedule is durable and stored.
func taskWith(t *testing.T, e *netherite.Engine, w *hoarder) (engine.Connection, *engine.ActivityItem) {
	t.Helper()
	c := w.connect(t, e)
	t.Cleanup(c.Close)
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	if err := c.CompleteOrchestration(schedule(w.step(0), 1)); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the activity", func() bool { return len(w.tasks) == 1 })
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, w.task(0)
}

// wantRunTwice checks that an activity that has been handed out twice is not handed
// out again, and has the second run complete it.
func wantRunTwice(t *testing.T, c engine.Connection, w *hoarder) {
	t.Helper()
	synctest.Wait()
	w.mu.Lock()
	runs, again := len(w.tasks), w.tasks[len(w.tasks)-1]
	w.mu.Unlock()
	if runs != 2 {
		t.Errorf("it was handed out %d times", runs)
	}
	if err := c.CompleteActivity(&engine.ActivityResult{Token: again.Token}); err != nil {
		t.Errorf("the result of the last run: %v", err)
	}
}

// A node that fails cancels the activities that workers have, and the next one hands
// them out again. What the cancelled run gives back is not the run that goes on.
func TestRunThatANodeHasCancelledDoesNotGiveTheNextOneBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemory(1)
		e := openHub(t, storage)
		w := newHoarder("", engine.Limits{})
		c, first := taskWith(t, e, w)
		storage.failSyncOnce()
		start(t, e, "Y", 1) // by the next node
		w.await(t, "the activity again", func() bool {
			return len(w.tasks) == 2 && slices.Equal(w.cancelled, []engine.Token{first.Token})
		})
		if err := c.Abandon(engine.ActivityKind, first.Token, 0); !errors.Is(err, engine.ErrStale) {
			t.Errorf("the cancelled run was given back: %v", err)
		}
		wantRunTwice(t, c, w)
	})
}

// Nor does what was given back for later, before a rebuild of its partition handed it
// out at once.
func TestActivityThatARebuildHandsOutIsNotHandedOutLaterAsWell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const later = time.Hour
		e := openHub(t, newMemory(1), func(o *netherite.Options) {
			o.BeforeStep(func(_ int, ev partition.Event) {
				if c, ok := ev.(*partition.Command); ok && c.Name == "poison" {
					panic("poisonous request")
				}
			})
		})
		w := newHoarder("", engine.Limits{})
		c, first := taskWith(t, e, w)
		if err := c.Abandon(engine.ActivityKind, first.Token, later); err != nil {
			t.Fatal(err)
		}
		if err := e.Raise(t.Context(), engine.RaiseRequest{Instance: "X-0", Event: "poison"}); !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("what panicked: %v", err)
		}
		w.await(t, "the activity again", func() bool { return len(w.tasks) == 2 })
		<-time.After(2 * later)
		wantRunTwice(t, c, w)
	})
}

// A result of a lost incarnation is refused before its work is handed out again and
// afterwards, when there is a hand-out of the same step that it could be taken for.
func TestResultsOfALostIncarnationAreStale(t *testing.T) {
	storage := newMemory(2)
	e := openHub(t, storage, fastRecovery)
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	defer c.Close()
	start(t, e, "X", 1)
	w.await(t, "the step", func() bool { return len(w.steps) == 1 })
	storage.log.SetFault(failIn("sync", 1))
	start(t, e, "Y", 1) // answered only by the next incarnation
	stale := func() {
		t.Helper()
		if err := c.CompleteOrchestration(schedule(w.step(0), 2)); !errors.Is(err, engine.ErrStale) {
			t.Errorf("result of a hand-out of the lost incarnation: %v", err)
		}
	}
	stale()
	var r *engine.OrchestrationItem
	w.await(t, "the step again", func() bool {
		for _, i := range w.steps {
			if i.Instance == "X-0" && i.Token.Name.Epoch > w.steps[0].Token.Name.Epoch {
				r = i
			}
		}
		return r != nil
	})
	stale()
	if err := c.CompleteOrchestration(schedule(r, 1)); err != nil {
		t.Errorf("result: %v", err)
	}
	h, err := e.History(t.Context(), "X-0") // behind all results
	if err != nil {
		t.Fatal(err)
	}
	if steps, tasks := count(model.OrchestratorStarted, h), count(model.TaskScheduled, h); steps != 1 || tasks != 1 {
		t.Errorf("%d steps with %d activities, want one with one: %+v", steps, tasks, h)
	}
}
