package durabletask_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestWorkOfALostWorkerIsOfferedAtOnceAndItsAnswerIsStale(t *testing.T) {
	r := openVirtual(t) // no time passes: what is offered again is not after a delay
	first := r.work(everything())
	r.start("x", "Tour")
	lost := first.step("x")
	second := r.work(everything())
	first.end()
	again := second.step("x")
	if lost.GetCompletionToken() == again.GetCompletionToken() {
		t.Error("the token is that of the lost item")
	}
	_, err := r.CompleteOrchestratorTask(r.ctx, r.response(lost, end(0, "lost")))
	wantCode(t, codes.FailedPrecondition, err)
	second.answer(again, schedule(0, "Hello", "1"))
	a := second.task("Hello")
	third := r.work(everything())
	second.end()
	b := third.task("Hello")
	_, err = r.CompleteActivityTask(r.ctx, r.result(a, "lost"))
	wantCode(t, codes.FailedPrecondition, err)
	third.did(b, "1")
	third.answer(third.step("x"), end(1, "done"))
	if got := r.ended("x", completed).GetOutput().GetValue(); got != "done" {
		t.Errorf("output %q", got)
	}
}

func TestARepeatedCompletionIsRefusedAndChangesNothing(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	w.answer(step, schedule(0, "Hello", "1"))
	_, err := r.CompleteOrchestratorTask(r.ctx, r.response(step, end(0, "twice")))
	wantCode(t, codes.FailedPrecondition, err)
	a := w.task("Hello")
	w.did(a, "1")
	for range 3 {
		_, err = r.CompleteActivityTask(r.ctx, r.result(a, "twice"))
		wantCode(t, codes.FailedPrecondition, err)
	}
	w.answer(w.step("x"), end(1, "once"))
	r.ended("x", completed)
	r.hub.Engine()
	_, err = r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add"})
	if err != nil {
		t.Fatal(err)
	}
	b := w.batch("@e@1")
	w.applied(b, "1", "ok")
	_, err = r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), EntityState: text("2"), Results: []*wire.OperationResult{succeeded("")}})
	wantCode(t, codes.FailedPrecondition, err)
}

// Of those who complete the same item at the same time, one does.
func TestOneOfManyCompletionsAtOnceIsTaken(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	const many = 16
	errs := make(chan error, many)
	for i := range many {
		go func() {
			_, err := r.CompleteOrchestratorTask(r.ctx, r.response(step, end(0, fmt.Sprint(i))))
			errs <- err
		}()
	}
	taken := 0
	for range many {
		if err := <-errs; err == nil {
			taken++
		} else {
			wantCode(t, codes.FailedPrecondition, err)
		}
	}
	if taken != 1 {
		t.Errorf("%d completions were taken", taken)
	}
	r.ended("x", completed)
}

func TestForgedAndMisplacedTokensAreRefused(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	token := step.GetCompletionToken()
	for _, forged := range []string{"x", token + "0", token[1:], strings.ToUpper(token), "\x00", strings.Repeat("f", 1<<20)} {
		_, err := r.CompleteOrchestratorTask(r.ctx, &wire.OrchestratorResponse{InstanceId: "x", CompletionToken: forged, Actions: []*wire.OrchestratorAction{end(0, "")}})
		wantCode(t, codes.FailedPrecondition, err)
	}
	// That of a step completes neither an activity nor an entity, and gives nothing back but a step.
	_, err := r.CompleteActivityTask(r.ctx, &wire.ActivityResponse{InstanceId: "x", CompletionToken: token})
	wantCode(t, codes.FailedPrecondition, err)
	_, err = r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: token, Results: []*wire.OperationResult{succeeded("")}})
	wantCode(t, codes.FailedPrecondition, err)
	_, err = r.AbandonTaskActivityWorkItem(r.ctx, &wire.AbandonActivityTaskRequest{CompletionToken: token})
	wantCode(t, codes.FailedPrecondition, err)
	_, err = r.AbandonTaskEntityWorkItem(r.ctx, &wire.AbandonEntityTaskRequest{})
	wantCode(t, codes.FailedPrecondition, err)
	w.answer(step, end(0, "ok"))
	r.ended("x", completed)
}

// Early SDKs send no token: then it is the item of the instance and the task.
func TestAnswersWithoutATokenAreForWhatTheyName(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	step.CompletionToken = ""
	w.answer(step, schedule(0, "A", ""), schedule(1, "B", ""))
	for range 2 {
		a := w.next()
		a.CompletionToken = ""
		w.did(a, a.GetActivityRequest().GetName())
	}
	_, err := r.CompleteActivityTask(r.ctx, &wire.ActivityResponse{InstanceId: "x", TaskId: 0})
	wantCode(t, codes.FailedPrecondition, err)
	_, err = r.CompleteActivityTask(r.ctx, &wire.ActivityResponse{})
	wantCode(t, codes.FailedPrecondition, err)
	got := map[int32]string{}
	for n := 0; n < 2; {
		step := w.step("x")
		for _, e := range step.GetOrchestratorRequest().GetNewEvents() {
			if c := e.GetTaskCompleted(); c != nil {
				got[c.GetTaskScheduledId()] = c.GetResult().GetValue()
				n++
			}
		}
		if n == 2 {
			w.answer(step, end(2, ""))
		} else {
			w.answer(step)
		}
	}
	if got[0] != "A" || got[1] != "B" {
		t.Errorf("results %v", got)
	}
	r.ended("x", completed)
	if _, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add"}); err != nil {
		t.Fatal(err)
	}
	b := w.batch("@e@1").GetEntityRequestV2()
	request := b.GetOperationRequests()[0].GetEntityOperationSignaled().GetRequestId()
	_, err = r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{Results: []*wire.OperationResult{succeeded("")}})
	wantCode(t, codes.FailedPrecondition, err)
	if _, err := r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{
		EntityState: text("1"), Results: []*wire.OperationResult{succeeded("")}, OperationInfos: []*wire.OperationInfo{{RequestId: request}},
	}); err != nil {
		t.Fatal(err)
	}
	if e := must(r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: "@e@1", IncludeState: true}))(t); e.GetEntity().GetSerializedState().GetValue() != "1" {
		t.Errorf("entity %v", e)
	}
}

func TestWorkersGetNoMoreAtOnceThanTheyAskFor(t *testing.T) {
	r := open(t)
	w := r.work(&wire.GetWorkItemsRequest{MaxConcurrentOrchestrationWorkItems: 2, MaxConcurrentActivityWorkItems: 1, MaxConcurrentEntityWorkItems: 1})
	for i := range 5 {
		r.start(fmt.Sprint("x", i), "Tour")
	}
	have := []*wire.WorkItem{w.next(), w.next()}
	for range 3 {
		// Another item comes only once one is given back.
		w.nothing()
		first := have[0]
		w.answer(first, end(0, ""))
		have = append(have[1:], w.next())
	}
	w.nothing()
	w.answer(have[0], schedule(0, "A", ""), schedule(1, "B", ""))
	w.answer(have[1], end(0, ""))
	a := w.next()
	w.nothing()
	if a.GetActivityRequest() == nil {
		t.Fatalf("%v", a)
	}
}

func TestFiltersSayWhoGetsWhat(t *testing.T) {
	r := open(t)
	old := r.work(&wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{
		Orchestrations: []*wire.OrchestrationFilter{{Name: "Tour", Versions: []string{"", "1"}}},
	}})
	recent := r.work(&wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{
		Orchestrations: []*wire.OrchestrationFilter{{Name: "Tour", Versions: []string{"2"}}},
		Activities:     []*wire.ActivityFilter{{Name: "Hello"}},
		Entities:       []*wire.EntityFilter{{Name: "Counter"}},
	}})
	version := func(v string) func(*wire.CreateInstanceRequest) {
		return func(q *wire.CreateInstanceRequest) { q.Version = text(v) }
	}
	r.start("none", "Tour")
	old.answer(old.step("none"), schedule(0, "Hello", ""))
	recent.did(recent.task("Hello"), "")
	old.answer(old.step("none"), end(1, ""))
	r.start("one", "Tour", version("1"))
	old.answer(old.step("one"), end(0, ""))
	r.start("two", "Tour", version("2"))
	recent.answer(recent.step("two"), end(0, ""))
	if _, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@counter@1", Name: "add"}); err != nil {
		t.Fatal(err)
	}
	recent.applied(recent.batch("@counter@1"), "1", "")

	// What nobody has stays pending, says so, and goes to who comes with it.
	r.start("three", "Tour", version("3"))
	r.start("other", "Other")
	if s := r.state("three"); s.GetOrchestrationStatus() != pending {
		t.Errorf("it is %s", s.GetOrchestrationStatus())
	}
	if w := r.waits("three"); w.NoHandler != "orchestration Tour version 3" {
		t.Errorf("it waits for %+v", w)
	}
	if w := r.waits("other"); w.NoHandler != "orchestration Other" {
		t.Errorf("it waits for %+v", w)
	}
	third := r.work(&wire.GetWorkItemsRequest{WorkItemFilters: &wire.WorkItemFilters{Orchestrations: []*wire.OrchestrationFilter{{Name: "Tour"}}}})
	step := third.step("three")
	third.answer(step, schedule(0, "Missing", ""))
	for deadline := time.Now().Add(patience); ; {
		tasks := r.waits("three").Tasks
		if len(tasks) == 1 && tasks[0].NoHandler && tasks[0].Name == "Missing" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("it waits for %+v", tasks)
		}
	}
	old.nothing()
	recent.nothing()
}

func TestSilentStreamsShowSignsOfLife(t *testing.T) {
	r := openPinging(t, 0)
	w := r.work(everything())
	for range 20 {
		// One within a minute; but time may go on here before the last one is noted as sent.
		for n, alive := 0, false; !alive; n++ {
			for range 2 {
				r.clock.Advance(30 * time.Second)
				for range 5 { // what is being sent goes before time goes on
					if _, err := r.Hello(r.ctx, &emptypb.Empty{}); err != nil {
						t.Fatal(err)
					}
				}
			}
			select {
			case <-w.pings:
				alive = true
			case <-time.After(patience / 10):
				if n > 10 {
					t.Fatal("no sign of life within ten minutes")
				}
			}
		}
	}
	r.start("x", "Tour") // and it still works
	w.answer(w.step("x"), end(0, ""))
	r.ended("x", completed)
}

func TestAWorkerThatDoesNotReadLosesItsWork(t *testing.T) {
	r := openPinging(t, 0)
	ctx, cancel := context.WithCancel(r.ctx)
	defer cancel()
	stuck, err := r.GetWorkItems(ctx, everything())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stuck.Header(); err != nil {
		t.Fatal(err)
	}
	const many = 12
	for i := range many { // far more than the stream's window
		r.start(fmt.Sprint("x", i), "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text(strings.Repeat("a", 100_000)) })
	}
	for r.waits("x0").NoHandler == "" { // no worker is left
		r.clock.Advance(30 * time.Second)
	}
	other := r.work(everything())
	seen := map[string]bool{}
	for range many {
		i := other.next()
		id := i.GetOrchestratorRequest().GetInstanceId()
		if seen[id] {
			t.Fatalf("%s came twice", id)
		}
		seen[id] = true
		other.answer(i, end(0, id))
	}
	for i := range many {
		r.ended(fmt.Sprint("x", i), completed)
	}
	for { // when it reads at last, it is told
		if _, err := stuck.Recv(); err != nil {
			wantCode(t, codes.Unavailable, err)
			break
		}
	}
}

func TestAbandonedWorkComesAgainLater(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour")
	step := w.step("x")
	if _, err := r.AbandonTaskOrchestratorWorkItem(r.ctx, &wire.AbandonOrchestrationTaskRequest{CompletionToken: step.GetCompletionToken()}); err != nil {
		t.Fatal(err)
	}
	_, err := r.CompleteOrchestratorTask(r.ctx, r.response(step, end(0, "")))
	wantCode(t, codes.FailedPrecondition, err)
	if r.state("x").GetOrchestrationStatus() != pending {
		t.Error("it is not pending")
	}
	w.nothing()
	r.clock.Advance(time.Second)
	w.answer(w.step("x"), schedule(0, "Hello", ""))
	a := w.task("Hello")
	if _, err := r.AbandonTaskActivityWorkItem(r.ctx, &wire.AbandonActivityTaskRequest{CompletionToken: a.GetCompletionToken()}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Second)
	w.did(w.task("Hello"), "")
	w.answer(w.step("x"), end(1, ""))
	r.ended("x", completed)
	if _, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.AbandonTaskEntityWorkItem(r.ctx, &wire.AbandonEntityTaskRequest{CompletionToken: w.batch("@e@1").GetCompletionToken()}); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(time.Second)
	w.applied(w.batch("@e@1"), "1", "")
}

func TestAWorkerWithoutHistoryOrStateGetsTheItemAgain(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), schedule(0, "A", ""))
	w.did(w.task("A"), "")
	step := w.step("x")
	q := r.response(step)
	q.RequiresHistory = true
	if _, err := r.CompleteOrchestratorTask(r.ctx, q); err != nil {
		t.Fatal(err)
	}
	step = w.step("x")
	if n := len(step.GetOrchestratorRequest().GetPastEvents()); n != 3 {
		t.Errorf("%d past events", n)
	}
	w.answer(step, end(1, ""))
	r.ended("x", completed)
	if _, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add"}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: w.batch("@e@1").GetCompletionToken(), RequiresState: true}); err != nil {
		t.Fatal(err)
	}
	w.applied(w.batch("@e@1"), "1", "")
}

func TestStreamsAndWaitsEndWithTheService(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("x", "Tour")
	w.step("x")
	waited := make(chan error, 1)
	go func() {
		_, err := r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"})
		waited <- err
	}()
	if _, err := r.WaitForInstanceStart(r.ctx, &wire.GetInstanceRequest{InstanceId: "none"}); err != nil {
		t.Fatal(err)
	}
	r.svc.Close()
	if err := <-w.failed; err.Error() != "EOF" {
		t.Errorf("the stream ended with %v", err)
	}
	wantCode(t, codes.Unavailable, <-waited)
	r.svc.Close()
}

// A worker of a hub that was deleted or made anew is told so, and asks again.
func TestStreamsOfAHubThatIsNoMoreEnd(t *testing.T) {
	r := openPinging(t, 0)
	other, err := netherite.Open("", netherite.InMemory(), netherite.Partitions(1))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(r.ctx)
	w := r.work(everything())
	r.hubs.swap(durabletask.Single(other))
	r.clock.Advance(30 * time.Second)
	select {
	case err := <-w.failed:
		wantCode(t, codes.Unavailable, err)
	case <-time.After(patience):
		t.Fatal("the stream goes on")
	}
	w = r.work(everything())
	r.start("x", "Tour")
	w.answer(w.step("x"), end(0, ""))
	must(r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"}))(t)
}
