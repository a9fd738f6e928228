package enginetest

import (
	"errors"
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var recreations = []scenario{
	{name: "T14_RecreateCompletedInstance", run: recreateCompleted},
	{name: "T15_RecreateCompletedInstanceWithSuborchestration", run: recreateWithChild},
	{name: "T16_DeduplicateCompletedInstance", run: func(s *scene) { s.deduplicate(model.Completed) }},
	{name: "T17_RecreateFailedInstance", run: func(s *scene) { s.recreate(model.Failed) }},
	{name: "T18_DeduplicateFailedInstance", run: func(s *scene) { s.deduplicate(model.Failed) }},
	{name: "T19_RecreateTerminatedInstance", run: func(s *scene) { s.recreate(model.Terminated) }},
	{name: "T20_DeduplicateTerminatedInstance", run: func(s *scene) { s.deduplicate(model.Terminated) }},
	{name: "T21_RecreateRunningInstance", run: recreateRunning},
	{name: "T22_DeduplicateRunningInstance", run: deduplicateRunning},
	{name: "AttachToRunningInstance", run: attachToRunning},
}

var failures = []scenario{
	{name: "T27_HandledActivityException", run: func(s *scene) { result(s, start(s, handled, "handled", 5), 5) }},
	{name: "T28_UnhandledOrchestrationException", run: unhandledInOrchestration},
	{name: "T29_UnhandledActivityException", run: unhandledInActivity},
}

var (
	errNull = durable.NewError("ArgumentNull")

	handled = durable.Orchestration("HandledFailure", func(ctx *durable.Context, n int) (int, error) {
		caught := 0
		for range n {
			if _, err := fail.Call(ctx, "expected").Await(); err != nil {
				caught++
			}
		}
		return caught, nil
	})
	throw = durable.Orchestration("Throw", func(_ *durable.Context, message string) (string, error) {
		if message == "" {
			return "", fmt.Errorf("message: value cannot be null: %w", errNull)
		}
		return message, nil
	})
	throwInActivity = durable.Orchestration("ThrowInActivity", func(ctx *durable.Context, message string) (durable.None, error) {
		return fail.Call(ctx, message).Await()
	})

	failureCode = []durable.Handler{handled, throw, throwInActivity}
)

func recreateCompleted(s *scene) {
	first := start(s, helloOnly, "hello", "World")
	result(s, first, "Hello, World!")
	second := start(s, helloOnly, "hello", "Mars")
	result(s, second, "Hello, Mars!")
	inst := s.get(second.ID())
	want(s, "input", string(inst.Input), `"Mars"`)
	want(s, "output", string(inst.Output), `"Hello, Mars!"`)
	want(s, "execution is the first one", inst.Execution == first.Execution(), false)
}

func recreateWithChild(s *scene) {
	result(s, start(s, factorialByChild, "factorial", 5), 120)
	run := start(s, factorialByChild, "factorial", 6)
	result(s, run, 720)
	inst := s.get(run.ID())
	want(s, "input", string(inst.Input), "6")
	want(s, "output", string(inst.Output), "720")
}

// endedAs makes an instance that has ended in the given way.
func (s *scene) endedAs(status model.Status) (id string) {
	s.Helper()
	switch status {
	case model.Completed:
		id = start(s, throw, "ended", "fine").ID()
	case model.Failed:
		id = start(s, throw, "ended", "").ID()
	case model.Terminated:
		run := start(s, counter, "ended", 0)
		s.ok(run.Terminate(s.ctx, "enough", false))
		id = run.ID()
	}
	s.ends(id, status)
	return id
}

// recreate replaces an ended instance.
func (s *scene) recreate(status model.Status) {
	id := s.endedAs(status)
	before := s.get(id)
	run := start(s, throw, "ended", "again")
	result(s, run, "again")
	after := s.get(id)
	want(s, "execution is the first one", after.Execution == before.Execution, false)
	want(s, "input", string(after.Input), `"again"`)
	want(s, "failure is left", after.Failure != nil, false)
}

// deduplicate starts over an ended instance, and is refused if that has ended in
// the given way.
func (s *scene) deduplicate(status model.Status) {
	id := s.endedAs(status)
	before := s.get(id)
	replaceable := []model.Status{}
	for _, other := range []model.Status{model.Completed, model.Failed, model.Canceled, model.Terminated} {
		if other != status {
			replaceable = append(replaceable, other)
		}
	}
	_, err := s.engine.Start(s.ctx, engine.StartRequest{Instance: id, Name: throw.Name(), Replaceable: replaceable})
	want(s, "start is refused with ErrExists", errors.Is(err, engine.ErrExists), true)
	after := s.get(id)
	want(s, "execution", after.Execution, before.Execution)
	want(s, "status", after.Status, status)
}

func recreateRunning(s *scene) {
	first := start(s, counter, "actor", 0)
	s.awaits(first.ID())
	second := start(s, counter, "actor", 99, durable.Replace)
	s.awaits(second.ID())
	inst := s.get(second.ID())
	want(s, "input", string(inst.Input), "99")
	want(s, "status", inst.Status, model.Running)
	want(s, "execution is the first one", inst.Execution == first.Execution(), false)
	s.raise(second.ID(), "incr")
	s.raise(second.ID(), "end")
	result(s, second, 100)
}

func deduplicateRunning(s *scene) {
	first := start(s, counter, "actor", 0)
	s.awaits(first.ID())
	for _, opts := range [][]durable.StartOption{nil, {durable.Fail}} {
		_, err := counter.Start(s.ctx, s, 99, append(opts, s.named("actor"))...)
		want(s, "start is refused with ErrExists", errors.Is(err, engine.ErrExists), true)
	}
	inst := s.get(first.ID())
	want(s, "execution", inst.Execution, first.Execution())
	want(s, "input", string(inst.Input), "0")
	want(s, "status", inst.Status, model.Running)
	s.raise(first.ID(), "end")
	result(s, first, 0)
}

func attachToRunning(s *scene) {
	first := start(s, counter, "actor", 7)
	second := start(s, counter, "actor", 99, durable.Attach)
	want(s, "attached", second.Attached(), true)
	want(s, "execution", second.Execution(), first.Execution())
	s.raise(first.ID(), "end")
	result(s, second, 7)
}

func unhandledInOrchestration(s *scene) {
	run := start(s, throw, "throw", "")
	inst := s.ends(run.ID(), model.Failed)
	want(s, "message", inst.Failure.Message, "message: value cannot be null: ArgumentNull")
	_, err := run.Wait(s.ctx)
	want(s, "error is found by name", errors.Is(err, errNull), true)
}

func unhandledInActivity(s *scene) {
	const message = "Kaboom! 爆発"
	run := start(s, throwInActivity, "throw", message)
	inst := s.ends(run.ID(), model.Failed)
	want(s, "the failure tells the activity's message", inst.Failure != nil && contains(inst.Failure, message), true)
}

// contains reports whether a failure or one of its causes has the text.
func contains(f *model.Failure, text string) bool {
	for ; f != nil; f = f.Cause {
		if strings.Contains(f.Message, text) {
			return true
		}
	}
	return false
}
