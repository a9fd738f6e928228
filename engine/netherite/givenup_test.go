package netherite_test

import (
	"context"
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// waitingFor is a call that waits for a change of an instance. What is returned ends
// it, and returns when it has ended.
func waitingFor(t *testing.T, e *netherite.Engine, instance string, call func(context.Context) error) (giveUp func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- call(ctx) }()
	for e.Waiting(instance) == 0 {
		if t.Context().Err() != nil {
			t.Fatal("nobody waits")
		}
	}
	return func() {
		t.Helper()
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the call ended with %v", err)
		}
	}
}

// wantNobodyWaiting asks twice: what the partition tells itself comes in its next batch.
func wantNobodyWaiting(t *testing.T, e *netherite.Engine, instance string) {
	t.Helper()
	e.Waiting(instance)
	if n := e.Waiting(instance); n != 0 {
		t.Errorf("%d wait whom nobody would hear", n)
	}
}

// A fresh read that is given up just as it is to be asked again is not.
func TestFreshReadThatIsGivenUpIsNotAskedAgain(t *testing.T) {
	const id = "@counter@a"
	e := openHub(t, newMemory(1))
	first, second := newHoarder("", engine.Limits{}), newHoarder("", engine.Limits{})
	c := first.connect(t, e)
	if err := e.Signal(t.Context(), engine.SignalRequest{Entity: id, Operation: "add"}); err != nil {
		t.Fatal(err)
	}
	first.await(t, "the operation", func() bool { return len(first.entities) == 1 })
	defer second.connect(t, e).Close() // it could apply the operation
	giveUp := waitingFor(t, e, id, func(ctx context.Context) error {
		_, err := e.Get(ctx, id, engine.GetOptions{Fresh: true})
		return err
	})
	e.Together(id, func() {
		c.Close() // has it asked again
		giveUp()
	})
	wantNobodyWaiting(t, e, id)
}

// So it is with a wait that is given up while its partition is rebuilt.
func TestWaitThatIsGivenUpDuringARebuildWaitsNoMore(t *testing.T) {
	const id = "X-0"
	e := openHub(t, newMemory(1), func(o *netherite.Options) {
		o.BeforeStep(func(_ int, ev partition.Event) {
			if c, ok := ev.(*partition.Command); ok && c.Name == "poison" {
				panic("poisonous request")
			}
		})
	})
	start(t, e, "X", 1)
	giveUp := waitingFor(t, e, id, func(ctx context.Context) error {
		_, err := e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{})
		return err
	})
	poisoned := make(chan error, 1)
	e.Together(id, func() {
		go func() { poisoned <- e.Raise(t.Context(), engine.RaiseRequest{Instance: id, Event: "poison"}) }()
		e.Arrived(id, 1)
		giveUp() // behind what makes the partition panic
	})
	if err := <-poisoned; !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("what panicked: %v", err)
	}
	wantNobodyWaiting(t, e, id)
}
