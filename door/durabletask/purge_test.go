package durabletask_test

import (
	"testing"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// TestTheTimeOfAPurgeIsOverWithinAFamilyToo: a family can be large.
func TestTheTimeOfAPurgeIsOverWithinAFamilyToo(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("p", "Tour")
	w.answer(w.step("p"), child(0, "c", "Tour"))
	w.answer(w.step("c"), child(0, "g", "Child"))
	w.answer(w.step("g"), end(0, ""))
	w.answer(w.step("c"), end(1, ""))
	w.answer(w.step("p"), end(1, ""))
	r.ended("p", completed)
	deleted := int32(0)
	for calls := 0; ; calls++ {
		got := must(r.PurgeInstances(r.ctx, &wire.PurgeInstancesRequest{Recursive: true, Request: &wire.PurgeInstancesRequest_PurgeInstanceFilter{
			PurgeInstanceFilter: &wire.PurgeInstanceFilter{Timeout: durationpb.New(0)},
		}}))(t)
		deleted += got.GetDeletedInstanceCount()
		if got.GetDeletedInstanceCount() > 1 {
			t.Errorf("without any time %d instances are deleted at once", got.GetDeletedInstanceCount())
		}
		if got.GetIsComplete().GetValue() {
			break
		}
		if got.GetDeletedInstanceCount() == 0 || calls > 3 {
			t.Fatalf("call %d deletes %d and is not complete", calls, got.GetDeletedInstanceCount())
		}
	}
	if left, _ := r.query(&wire.InstanceQuery{}); deleted != 3 || len(left) > 0 {
		t.Errorf("%d were deleted, left are %v", deleted, ids(left))
	}
}
