package enginetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// Crashes around the moments at which an orchestration or an activity records
// what it has done.
var crashes = []scenario{
	{name: "CrashBeforeOrchestrationCheckpoint", run: crashBeforeStep},
	{name: "CrashAfterOrchestrationCheckpoint", run: crashAfterStep},
	{name: "CrashBeforeActivityCheckpoint", run: crashInActivity},
	{name: "CrashAfterActivityCheckpoint", run: crashAfterActivity},
	{name: "HangBeforeActivityCheckpoint", run: hangingActivity},
	{name: "HangBeforeOrchestrationCheckpoint", run: hangingStep},
	{name: "CrashWithSubOrchestrations", run: crashWithChildren},
}

var (
	// gates calls activities that stop, one after another.
	gates = durable.Orchestration("Gates", func(ctx *durable.Context, names []string) (int, error) {
		for i, n := range names {
			if _, err := wait.Call(ctx, n).Await(); err != nil {
				return i, err
			}
		}
		return len(names), nil
	})
	// patient calls an activity that may hang, and gives it one attempt more.
	patient = durable.Orchestration("Patient", func(ctx *durable.Context, name string) (string, error) {
		return wait.Call(ctx, name, durable.Timeout(time.Hour), durable.Retry{Attempts: 2, First: -1}).Await()
	})
	impatient = durable.Orchestration("Impatient", func(ctx *durable.Context, name string) (string, error) {
		return wait.Call(ctx, name, durable.Timeout(time.Hour)).Await()
	})
	parents = durable.Orchestration("Parents", func(ctx *durable.Context, names []string) (int, error) {
		var parts []*durable.Future[int]
		for _, n := range names {
			parts = append(parts, gates.Call(ctx, []string{n}))
		}
		all, err := durable.All(ctx, parts...)
		return len(all), err
	})

	crashCode = []durable.Handler{gates, patient, impatient, parents}
)

// crashBeforeStep crashes when a start is acknowledged and no step was made.
func crashBeforeStep(s *scene) {
	s.dismiss()
	run := start(s, hello5, "hello", durable.None{})
	for range 3 {
		s.powerOff()
		s.open()
		want(s, "status", s.get(run.ID()).Status, model.Pending)
	}
	s.serve()
	result(s, run, hello5Result)
}

// crashAfterStep crashes when steps are durable.
func crashAfterStep(s *scene) {
	run := start(s, collector, "collector", 5)
	for i := range 5 {
		s.awaits(run.ID())
		s.raise(run.ID(), fmt.Sprint(i))
		s.until("the event has been consumed", func() bool {
			inst := s.get(run.ID())
			return inst.Waits.Messages == 0 && !inst.Waits.InFlight
		})
		s.crash()
	}
	result(s, run, "01234")
}

// crashInActivity crashes while an activity runs: it runs again.
func crashInActivity(s *scene) {
	names := []string{"one", "two", "three"}
	run := start(s, gates, "gates", names)
	for _, n := range names {
		<-s.code.at(n).began
		s.until("the activity is durable", func() bool { return len(s.get(run.ID()).Waits.Tasks) == 1 })
		s.crash()
		<-s.code.at(n).began
		close(s.code.at(n).open)
	}
	result(s, run, 3)
	for _, n := range names {
		want(s, "runs of "+n, s.code.written(n), 2)
	}
	s.once(run.ID(), len(names))
}

// once holds that as many activities have one result each in the history.
func (s *scene) once(id string, activities int) {
	s.Helper()
	history, err := s.engine.History(s.ctx, id)
	s.ok(err)
	results := map[int32]int{}
	for i := range history {
		if k := history[i].Kind; k == model.TaskCompleted || k == model.TaskFailed {
			results[history[i].Ref]++
		}
	}
	want(s, "activities with a result", len(results), activities)
	for id, n := range results { // order-free: each stands for itself
		want(s, fmt.Sprint("results of activity ", id), n, 1)
	}
}

// crashAfterActivity crashes when an activity's result is durable: it does not
// run again.
func crashAfterActivity(s *scene) {
	run := start(s, gates, "gates", []string{"one", "two"})
	<-s.code.at("one").began
	close(s.code.at("one").open)
	<-s.code.at("two").began
	s.until("the second activity is durable", func() bool {
		tasks := s.get(run.ID()).Waits.Tasks
		return len(tasks) == 1 && tasks[0].ID > 0
	})
	s.crash()
	<-s.code.at("two").began
	close(s.code.at("two").open)
	result(s, run, 2)
	want(s, "runs of the first", s.code.written("one"), 1)
	want(s, "runs of the second", s.code.written("two"), 2)
	s.once(run.ID(), 2)
}

// hangingActivity has activities that do not return: their time runs out.
func hangingActivity(s *scene) {
	run := start(s, impatient, "impatient", "hangs")
	<-s.code.at("hangs").began
	s.advance(time.Hour)
	s.ends(run.ID(), model.Failed)
	_, err := run.Wait(s.ctx)
	want(s, "error is ErrTimeout", errors.Is(err, durable.ErrTimeout), true)

	again := start(s, patient, "patient", "hangs-once")
	<-s.code.at("hangs-once").began
	s.advance(time.Hour)
	<-s.code.at("hangs-once").began
	close(s.code.at("hangs-once").open)
	result(s, again, "hangs-once is over")
}

// hangingStep crashes while a step computes and would go on for ever: it is made
// again, and nothing of the first one remains.
func hangingStep(s *scene) {
	s.dismiss()
	began, open := make(chan struct{}, 10), make(chan struct{})
	stuck := durable.Orchestration("Stuck", func(ctx *durable.Context, name string) (string, error) {
		began <- struct{}{}
		<-open
		return hello.Call(ctx, name).Await()
	})
	s.serve(stuck, hello)
	run := start(s, stuck, "stuck", "World")
	<-began
	old := s.worker
	s.worker = nil // it would wait for the step
	s.storage.Crash()
	s.open()
	close(open)
	s.ok(old.Close(s.ctx))
	s.serve(stuck, hello)
	result(s, run, "Hello, World!")
	s.once(run.ID(), 1)
}

func crashWithChildren(s *scene) {
	names := []string{"one", "two", "three", "four"}
	run := start(s, parents, "parents", names)
	for _, n := range names {
		<-s.code.at(n).began
	}
	s.until("the parent has made a step", func() bool { return len(s.get(run.ID()).Waits.Children) == 4 })
	s.crash()
	close(s.code.at("one").open)
	close(s.code.at("three").open)
	s.until("two children have ended", func() bool { return len(s.get(run.ID()).Waits.Children) == 2 })
	s.crash()
	s.code.release()
	result(s, run, 4)
	want(s, "runs of the third", s.code.written("three") <= 2, true)
}
