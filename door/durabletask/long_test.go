package durabletask_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestRepliesMayComeInChunks(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	chunk := func(i int32, partial bool, actions ...*wire.OrchestratorAction) error {
		q := r.response(step, actions...)
		q.IsPartial, q.ChunkIndex, q.CustomStatus = partial, wrapperspb.Int32(i), text("chunked")
		_, err := r.CompleteOrchestratorTask(r.ctx, q)
		return err
	}
	if err := chunk(0, true, schedule(0, "A", "")); err != nil {
		t.Fatal(err)
	}
	if err := chunk(0, true, schedule(0, "A", "")); err != nil { // sent again, for the answer was lost
		t.Fatal(err)
	}
	wantCode(t, codes.InvalidArgument, chunk(2, true, schedule(2, "C", ""))) // out of turn
	w.nothing()
	if err := chunk(1, true, schedule(1, "B", "")); err != nil {
		t.Fatal(err)
	}
	if err := chunk(2, false, schedule(2, "C", "")); err != nil {
		t.Fatal(err)
	}
	wantCode(t, codes.FailedPrecondition, chunk(3, false))
	var names []string
	for range 3 {
		names = append(names, w.next().GetActivityRequest().GetName())
	}
	if slices.Sort(names); !slices.Equal(names, []string{"A", "B", "C"}) {
		t.Errorf("activities %v", names)
	}
	if s := r.state("x"); s.GetCustomStatus().GetValue() != "chunked" {
		t.Errorf("custom status %q", s.GetCustomStatus().GetValue())
	}
	r.check("x")
}

// Chunks of a worker that is lost are forgotten with it.
func TestChunksOfALostWorkerHaveNoEffect(t *testing.T) {
	r := open(t)
	first := r.work(everything())
	r.start("x", "Tour")
	q := r.response(first.step("x"), schedule(0, "A", ""))
	q.IsPartial, q.ChunkIndex = true, wrapperspb.Int32(0)
	if _, err := r.CompleteOrchestratorTask(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	second := r.work(everything())
	first.end()
	second.answer(second.step("x"), end(0, ""))
	r.ended("x", completed)
	second.nothing()
}

func TestLongHistoriesAreStreamedToWorkersThatRead(t *testing.T) {
	r := open(t)
	w := r.work(&wire.GetWorkItemsRequest{Capabilities: []wire.WorkerCapability{wire.WorkerCapability_WORKER_CAPABILITY_HISTORY_STREAMING}})
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Large", ""))
	large := strings.Repeat("r", 700_000)
	for i := int32(1); i <= 8; i++ { // 5.6 MB: more than anybody takes at once
		w.did(w.task("Large"), large)
		step := w.step("x")
		q := step.GetOrchestratorRequest()
		if i > 3 && (!q.GetRequiresHistoryStreaming() || len(q.GetPastEvents()) > 0) {
			t.Fatalf("step %d comes with its history of %d events", i, len(q.GetPastEvents()))
		}
		if i == 8 {
			past, chunks, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x", ExecutionId: q.GetExecutionId(), ForWorkItemProcessing: true})
			if err != nil {
				t.Fatal(err)
			}
			// Each step: its begin, what it was told, and what it asked for.
			if len(past) != 3*8 || chunks < 8 || kinds(past)[len(past)-1] != "TaskScheduled" {
				t.Errorf("%d events in %d chunks: %v", len(past), chunks, kinds(past))
			}
			w.answer(step, end(i, "done"))
			break
		}
		w.answer(step, schedule(i, "Large", ""))
	}
	if got := r.ended("x", completed).GetOutput().GetValue(); got != "done" {
		t.Errorf("output %q", got)
	}
	_, _, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x", ForWorkItemProcessing: true})
	wantCode(t, codes.NotFound, err)
	_, _, err = r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "none"})
	wantCode(t, codes.NotFound, err)
	_, _, err = r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x", ExecutionId: text("00112233445566778899aabbccddeeff")})
	wantCode(t, codes.NotFound, err)
}

func TestAHistoryThatNobodyCanBeSentFailsWithBothSizes(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Large", ""))
	large := strings.Repeat("r", 1_500_000)
	for i := int32(1); ; i++ {
		w.did(w.task("Large"), large)
		if i == 3 { // 4.5 MB
			break
		}
		w.answer(w.step("x"), schedule(i, "Large", ""))
	}
	f := r.ended("x", failed).GetFailureDetails()
	if f.GetErrorType() != "PayloadTooLarge" || !f.GetIsNonRetriable() || !strings.Contains(f.GetErrorMessage(), "bytes") || !strings.Contains(f.GetErrorMessage(), "3900000") ||
		!strings.Contains(f.GetErrorMessage(), "45") {
		t.Errorf("failure %v", f)
	}
}

// A worker that reads histories by itself gets what others cannot be sent.
func TestALongHistoryGoesToTheWorkerThatCanReadIt(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "Large", ""))
	reader := r.work(&wire.GetWorkItemsRequest{
		Capabilities:    []wire.WorkerCapability{wire.WorkerCapability_WORKER_CAPABILITY_HISTORY_STREAMING},
		WorkItemFilters: &wire.WorkItemFilters{Orchestrations: []*wire.OrchestrationFilter{{Name: "Tour"}}},
	})
	large := strings.Repeat("r", 1_900_000)
	w.did(w.task("Large"), large)
	for n := int32(1); ; {
		var by *worker
		var step *wire.WorkItem
		select {
		case step = <-w.items:
			by = w
		case step = <-reader.items:
			by = reader
		case <-r.ctx.Done():
			t.Fatal("nothing comes any more")
		}
		if step.GetActivityRequest() != nil {
			by.did(step, large)
			continue
		}
		if n == 4 {
			by.answer(step, end(n, ""))
			break
		}
		by.answer(step, schedule(n, "Large", ""))
		n++
	}
	r.ended("x", completed)
}

// Results of many activities that come together are told in as many steps as it
// takes to stay below what a worker can be sent.
func TestManyLargeResultsAtOnceAreToldInPortions(t *testing.T) {
	r := open(t)
	w := r.work(&wire.GetWorkItemsRequest{Capabilities: []wire.WorkerCapability{wire.WorkerCapability_WORKER_CAPABILITY_HISTORY_STREAMING}})
	r.start("x", "Tour")
	const many = 20
	var actions []*wire.OrchestratorAction
	for i := range int32(many) {
		actions = append(actions, schedule(i, "Large", ""))
	}
	w.answer(w.step("x"), actions...)
	var first *wire.WorkItem // of the steps: held back until all has come
	tasks := make([]*wire.WorkItem, 0, many)
	for range many {
		tasks = append(tasks, w.task("Large"))
	}
	large := strings.Repeat("r", 500_000)
	for _, a := range tasks {
		w.did(a, large)
	}
	for told := 0; ; {
		first = w.step("x")
		for _, e := range first.GetOrchestratorRequest().GetNewEvents() {
			if e.GetTaskCompleted() != nil {
				told++
			}
		}
		if told == many {
			break
		}
		w.answer(first)
	}
	w.answer(first, end(many, ""))
	r.ended("x", completed)
}

// Operations that do not fit into a message together come one after the other, and
// one that does not fit beside the state fails.
func TestLargeOperationsComeInPortions(t *testing.T) {
	r := open(t)
	large := strings.Repeat("a", 1_990_000)
	for range 3 {
		r.signal("@e@1", "add", large)
	}
	w := r.work(everything())
	for left := 3; left > 0; {
		b := w.batch("@e@1")
		n := len(b.GetEntityRequestV2().GetOperationRequests())
		if n == 0 || n > 1 {
			t.Fatalf("%d operations at once", n)
		}
		w.applied(b, "1", "")
		left -= n
	}
	r.signal("@e@1", "fill", "")
	w.applied(w.batch("@e@1"), large, "")
	r.start("x", "Tour")
	w.answer(w.step("x"), call(0, "@e@1", "add", large))
	step := w.step("x")
	f := step.GetOrchestratorRequest().GetNewEvents()[1].GetEntityOperationFailed().GetFailureDetails()
	if f.GetErrorType() != "PayloadTooLarge" || !strings.Contains(f.GetErrorMessage(), "3900000") {
		t.Errorf("told %v", f)
	}
	w.answer(step, end(1, ""))
	r.ended("x", completed)
}
