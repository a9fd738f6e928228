package netherite_test

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// A fresh read waits for operations only as long as somebody can apply them.
func TestFreshReadEndsWhenTheWorkerItWaitsForGoes(t *testing.T) {
	e := openHub(t, newMemory(1))
	w := newHoarder("", engine.Limits{})
	c := w.connect(t, e)
	ctx := t.Context()
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@counter@a", Operation: "add"}); err != nil {
		t.Fatal(err)
	}
	w.await(t, "the operation", func() bool { return len(w.entities) == 1 })
	type outcome struct {
		i   *model.Instance
		err error
	}
	done := make(chan outcome, 1)
	go func() {
		i, err := e.Get(ctx, "@counter@a", engine.GetOptions{Payloads: true, Fresh: true})
		done <- outcome{i, err}
	}()
	for e.Waiting("@counter@a") == 0 {
		if ctx.Err() != nil {
			t.Fatal("the read does not wait")
		}
	}
	c.Close()
	if o := <-done; o.err != nil || o.i.Entity.Backlog != 1 {
		t.Errorf("%+v, %v", o.i, o.err)
	}
}
