package netherite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
)

// Who waits for a node to settle, or for its workers, hears when the engine is closed
// meanwhile: nothing that it waits for is going to happen.
func TestWaitForANodeEndsWithTheEngine(t *testing.T) {
	for name, late := range map[string]func(*netherite.Engine) func(context.Context) error{
		"checkpoint": (*netherite.Engine).LateCheckpoint,
		"drain":      (*netherite.Engine).LateDrain,
	} {
		t.Run(name, func(t *testing.T) {
			e := openHub(t, newMemory(2))
			w := newHoarder("", engine.Limits{})
			w.connect(t, e)
			start(t, e, "X", 1)
			w.await(t, "a step", func() bool { return len(w.steps) == 1 })
			wait := late(e)
			e.Kill(true)
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			if err := wait(ctx); !errors.Is(err, engine.ErrClosed) {
				t.Errorf("%v, want that the engine is closed", err)
			}
		})
	}
}
