package netherite_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Code that waits for an instance hears that the hub is closed, and fails. After a
// crash it would not have: a hub that is killed takes no outcome of that.
func TestWhatFailsBecauseTheHubIsKilledHasNoOutcome(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{})
	c, task := taskWith(t, e, w)
	outcome := make(chan error, 1)
	go func() {
		_, err := e.Wait(t.Context(), task.Instance, engine.UntilEnded, engine.GetOptions{})
		if errors.Is(err, engine.ErrClosed) {
			err = c.CompleteActivity(&engine.ActivityResult{Token: task.Token, Failure: &model.Failure{Type: "Error", Message: err.Error()}})
		}
		outcome <- err
	}()
	for e.Waiting(task.Instance) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
	}
	e.Kill(false)
	if err := <-outcome; !errors.Is(err, engine.ErrStale) {
		t.Error(err)
	}
}
