package durabletask_test

import (
	"fmt"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// called makes a request for work that of a worker of this project, which calls its
// streams so.
func called(q *wire.GetWorkItemsRequest, stream string) *wire.GetWorkItemsRequest {
	extra.Put(q, &extra.Worker{Revision: 1, Stream: stream})
	return q
}

func leaving(stream string) *wire.AbandonActivityTaskRequest {
	q := &wire.AbandonActivityTaskRequest{}
	extra.Put(q, &extra.Leave{Stream: stream})
	return q
}

// A worker that connects again when its connection is lost has another session, until the
// server notices, which it cannot do at once.
func TestAWorkerLeavesWithAllOfItsSessions(t *testing.T) {
	r := openDoor(t, durabletask.Options{Clock: sysclock.New()})
	sessions := []*wire.GetWorkItemsRequest{called(everything(), "s"), called(everything(), "s"), called(everything(), "s")}
	for _, q := range sessions {
		r.work(q)
	}
	other := r.work(called(everything(), "t"))
	if _, err := r.AbandonTaskActivityWorkItem(r.ctx, leaving("s")); err != nil {
		t.Fatal(err)
	}
	for n := range 30 {
		id := fmt.Sprint("x", n)
		r.start(id, "Tour")
		other.answer(other.step(id), end(0, ""))
		r.ended(id, completed)
	}
}

func TestAWorkerThatNobodyKnowsCannotLeave(t *testing.T) {
	r := openDoor(t, durabletask.Options{Clock: sysclock.New()})
	r.work(called(everything(), "s"))
	for _, stream := range []string{"", "t"} {
		if _, err := r.AbandonTaskActivityWorkItem(r.ctx, leaving(stream)); status.Code(err) != codes.FailedPrecondition {
			t.Errorf("stream %q: %v", stream, err)
		}
	}
}

// While a worker leaves that makes HTTP calls they wait for it, or for another one. When
// it has gone nobody makes them.
func TestAnHTTPCallIsRefusedWhenTheWorkerThatWouldMakeItHasLeft(t *testing.T) {
	r := openDoor(t, durabletask.Options{Clock: sysclock.New(), NoCalls: "set calls.hosts"})
	w := r.work(everything())
	other := r.work(called(lister(), "s"))
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, httpActivity, `{}`))
	running := other.task(httpActivity)
	if _, err := r.AbandonTaskActivityWorkItem(r.ctx, leaving("s")); err != nil {
		t.Fatal(err)
	}
	r.start("y", "Tour")
	w.answer(w.step("y"), schedule(0, httpActivity, `{}`))
	other.did(running, "1")
	w.answer(w.step("x"), end(1, ""))
	r.ended("x", completed)
	other.end()
	step := w.step("y")
	if f := failure(t, step); f.GetErrorMessage() != "set calls.hosts" {
		t.Errorf("it has failed with %v", f)
	}
	w.answer(step, end(1, ""))
	r.ended("y", completed)
}
