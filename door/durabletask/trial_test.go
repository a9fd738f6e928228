package durabletask_test

import (
	"fmt"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

const trialTime = 10 * time.Second

// noHandler waits until the entity is said to wait for a worker that has its code.
func (r *rig) noHandler(id, want string) {
	r.t.Helper()
	for begun := time.Now(); r.waits(id).NoHandler != want; {
		if time.Since(begun) > patience {
			r.t.Fatalf("%s waits for %+v, want that nobody has %q", id, r.waits(id), want)
		}
	}
}

func TestWhoDropsOperationsHoldsUpNobodyElse(t *testing.T) {
	r := openVirtual(t)
	deaf := r.work(everything())
	r.signal("@e@1", "add", "")
	lost := deaf.batch("@e@1")
	for i := range 5 {
		r.signal(fmt.Sprint("@f@", i), "add", "")
	}
	if w := r.waits("@e@1"); w.NoHandler != "" {
		t.Errorf("waits for %+v", w)
	}
	r.clock.Advance(trialTime)
	r.noHandler("@e@1", "entity e")
	r.noHandler("@f@4", "entity f")
	r.start("x", "Tour") // all else goes on
	deaf.answer(deaf.step("x"), end(0, ""))
	deaf.nothing()
	able := r.work(everything())
	seen := map[string]bool{}
	for range 6 {
		b := able.next()
		seen[b.GetEntityRequestV2().GetInstanceId()] = true
		able.applied(b, "1", "")
	}
	if len(seen) != 6 {
		t.Errorf("operations on %v", seen)
	}
	_, err := r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: lost.GetCompletionToken(), EntityState: text("late"), Results: []*wire.OperationResult{succeeded("")}})
	wantCode(t, codes.FailedPrecondition, err)
	if got := r.entity("@e@1").GetEntity().GetSerializedState().GetValue(); got != "1" {
		t.Errorf("state %q", got)
	}
}

// Whoever is merely slow keeps its first batch, as long as there is nobody else.
func TestASlowWorkerWithoutOthersLosesNothing(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.signal("@e@1", "add", "")
	r.signal("@f@1", "add", "")
	b := w.next()
	slow, other := b.GetEntityRequestV2().GetInstanceId(), "@f@1"
	if slow == other {
		other = "@e@1"
	}
	w.nothing() // one to try with
	for range 5 {
		r.clock.Advance(trialTime)
		r.noHandler(slow, "entity "+slow[1:2])
	}
	w.applied(b, "1", "")
	w.applied(w.batch(other), "1", "")
	if got := r.entity(slow).GetEntity().GetSerializedState().GetValue(); got != "1" {
		t.Errorf("state %q", got)
	}
	for _, id := range []string{"@e@1", "@f@1"} { // from now on as many as come, for as long as it takes
		r.signal(id, "add", "")
		w.batch(id)
	}
	r.clock.Advance(10 * trialTime)
	if waits := r.waits("@e@1"); waits.NoHandler != "" {
		t.Errorf("waits for %+v", waits)
	}
}

func TestAnAnswerThatIsTooLateHasNoEffectAndShowsWhoHasEntities(t *testing.T) {
	r := openVirtual(t)
	slow := r.work(everything())
	r.signal("@e@1", "add", "")
	b := slow.batch("@e@1")
	r.clock.Advance(trialTime)
	r.noHandler("@e@1", "entity e")
	other := r.work(&wire.GetWorkItemsRequest{MaxConcurrentEntityWorkItems: 1})
	again := other.batch("@e@1")
	_, err := r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), EntityState: text("late"), Results: []*wire.OperationResult{succeeded("")}})
	wantCode(t, codes.FailedPrecondition, err)
	r.signal("@g@1", "add", "") // the other one has as many as it takes
	slow.applied(slow.batch("@g@1"), "2", "")
	other.applied(again, "1", "")
	if got := r.entity("@e@1").GetEntity().GetSerializedState().GetValue(); got != "1" {
		t.Errorf("state %q", got)
	}
}

func TestWorkersThatListTheirEntitiesAreNotPutToTheTest(t *testing.T) {
	r := openVirtual(t)
	w := r.work(&wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{Entities: []*wire.EntityFilter{{Name: "E"}}}})
	for i := range 3 {
		r.signal(fmt.Sprint("@e@", i), "add", "")
		w.batch(fmt.Sprint("@e@", i))
	}
	r.clock.Advance(10 * trialTime)
	if waits := r.waits("@e@0"); waits.NoHandler != "" {
		t.Errorf("waits for %+v", waits)
	}
}

// The SDK for Java says how many entities it takes if it has any: others of it get
// none, from the first moment on.
func TestJavaWorkersWithoutEntitiesGetNone(t *testing.T) {
	for agent, entities := range map[string]int32{"grpc-java-netty/1.59.0": 0, "my-program grpc-java-okhttp/1.70.0": 0, "grpc-java-netty/1.71.0": 1} {
		r := openVirtual(t)
		java := r.dial(grpc.WithUserAgent(agent)).work(&wire.GetWorkItemsRequest{MaxConcurrentEntityWorkItems: entities})
		r.signal("@e@1", "add", "")
		if entities > 0 {
			java.applied(java.batch("@e@1"), "1", "")
			continue
		}
		r.noHandler("@e@1", "entity e")
		java.nothing()
		w := r.work(everything())
		w.applied(w.batch("@e@1"), "1", "")
		r.start("x", "Tour")
		select {
		case i := <-java.items:
			java.answer(i, end(0, ""))
		case i := <-w.items:
			w.answer(i, end(0, ""))
		}
		r.ended("x", completed)
	}
}
