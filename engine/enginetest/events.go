package enginetest

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var events = []scenario{
	{name: "T6_EventConversation", run: conversation},
	{name: "EventForAbsentInstanceIsNotFound", run: eventForNobody},
	{name: "T12_ActorOrchestration", run: actor},
	{name: "T13_TerminateOrchestration", run: terminate},
	{name: "EventsToCompletedInstancesAreDiscarded", run: eventsForEnded},
	{name: "EventsAreFirstInFirstOutAndWithoutCase", run: eventsInOrder},
}

var (
	ping      = durable.Event[int]("Ping")
	pong      = durable.Event[int]("Pong")
	operation = durable.Event[string]("Operation")

	// talker answers each ping with a pong and continues as new, until it gets a
	// negative one.
	talker = durable.DeclareOrchestration[talk, int]("Talker")
	// converse starts a talker and exchanges a number of events with it.
	converse = durable.Orchestration("Conversation", func(ctx *durable.Context, n int) (int, error) {
		child := ctx.ID() + "-talker"
		answer := talker.Call(ctx, talk{With: ctx.ID()}, durable.ID(child))
		for i := range n {
			if err := ping.Send(ctx, child, i); err != nil {
				return 0, err
			}
			if got, err := pong.Wait(ctx, durable.Forever); err != nil || got != 10*i {
				return 0, fmt.Errorf("pong %d is %d, %w", i, got, err)
			}
		}
		if err := ping.Send(ctx, child, -1); err != nil {
			return 0, err
		}
		return answer.Await()
	})
	counter   = durable.DeclareOrchestration[int, int]("Counter")
	collector = durable.Orchestration("Collector", func(ctx *durable.Context, n int) (string, error) {
		all := ""
		for range n {
			v, err := operation.Wait(ctx, durable.Forever)
			if err != nil {
				return "", err
			}
			all += v
		}
		return all, nil
	})

	eventCode = []durable.Handler{talker.By(talkerCode), converse, counter.By(counterCode), collector}
)

type talk struct {
	With  string
	Count int
}

func talkerCode(ctx *durable.Context, t talk) (int, error) {
	n, err := ping.Wait(ctx, durable.Forever)
	if err != nil || n < 0 {
		return t.Count, err
	}
	if err := pong.Send(ctx, t.With, 10*n); err != nil {
		return 0, err
	}
	return talker.Again(talk{t.With, t.Count + 1})
}

func counterCode(ctx *durable.Context, n int) (int, error) {
	op, err := operation.Wait(ctx, durable.Forever)
	switch {
	case err != nil:
		return 0, err
	case op == "incr":
		n++
	case op == "decr":
		n--
	case op == "end":
		return n, nil
	}
	return counter.Again(n)
}

func (s *scene) raise(id, op string) {
	s.Helper()
	s.ok(patiently(func() error { return operation.Raise(s.ctx, s, id, op) }))
}

func conversation(s *scene) {
	run := start(s, converse, "conversation", 4)
	result(s, run, 4)
	want(s, "status of the child", s.get(run.ID()+"-talker").Status, model.Completed)
}

func eventForNobody(s *scene) {
	err := operation.Raise(s.ctx, s, s.id("nobody"), "x")
	want(s, "error is ErrNotFound", errors.Is(err, engine.ErrNotFound), true)
	_, err = s.engine.Get(s.ctx, s.id("nobody"), engine.GetOptions{})
	want(s, "the event has started nothing", errors.Is(err, engine.ErrNotFound), true)
}

func actor(s *scene) {
	run := start(s, counter, "actor", 0)
	for _, op := range []string{"incr", "incr", "incr", "decr", "incr"} {
		s.raise(run.ID(), op)
	}
	s.until("all operations have been applied", func() bool {
		inst := s.get(run.ID())
		want(s, "status before the end", inst.Status == model.Running || inst.Status == model.Pending, true)
		return string(inst.Input) == "3"
	})
	s.raise(run.ID(), "end")
	result(s, run, 3)
	inst := s.get(run.ID())
	want(s, "input", string(inst.Input), "3")
	want(s, "execution is that of the start", inst.Execution == run.Execution(), false)
}

func terminate(s *scene) {
	const reason = "sayōnara, ありがとう"
	run := start(s, counter, "actor", 0)
	_, err := run.WaitStarted(s.ctx)
	s.ok(err)
	s.ok(run.Terminate(s.ctx, reason, false))
	inst := s.ends(run.ID(), model.Terminated)
	want(s, "output", string(inst.Output), `"`+reason+`"`)
	_, err = run.Wait(s.ctx)
	want(s, "error is ErrTerminated", errors.Is(err, durable.ErrTerminated), true)
	s.raise(run.ID(), "incr") // without effect
	want(s, "status", s.get(run.ID()).Status, model.Terminated)
}

func eventsForEnded(s *scene) {
	run := start(s, helloOnly, "hello", "World")
	result(s, run, "Hello, World!")
	before, err := run.History(s.ctx)
	s.ok(err)
	for range 5 {
		s.raise(run.ID(), "late")
	}
	inst := s.get(run.ID())
	want(s, "status", inst.Status, model.Completed)
	want(s, "messages", inst.Waits.Messages, 0)
	after, err := run.History(s.ctx)
	s.ok(err)
	want(s, "events in the history", len(after), len(before))
	again := start(s, collector, "hello", 1)
	s.awaits(again.ID())
	s.raise(again.ID(), "new")
	result(s, again, "new")
}

func eventsInOrder(s *scene) {
	run := start(s, collector, "collector", 6)
	for i, name := range []string{"operation", "OPERATION", "Operation", "oPERATION", "operatioN", "operation"} {
		s.ok(durable.Event[string](name).Raise(s.ctx, s, run.ID(), fmt.Sprint(i)))
	}
	result(s, run, "012345")
}
