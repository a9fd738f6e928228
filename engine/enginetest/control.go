package enginetest

import (
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var control = []scenario{
	{name: "SuspendAndResume", run: suspendResume},
	{name: "SuspendHoldsBackTimers", run: suspendOverTimer},
	{name: "SuspendOfEndedIsRefused", run: suspendEnded},
	{name: "TerminateWhileSuspended", run: terminateSuspended},
	{name: "TerminateWhilePending", run: terminatePending},
	{name: "TerminateWithoutWorker", run: terminateUnserved},
	{name: "TerminateRecursive", run: terminateRecursive},
	{name: "TerminatedChildFailsItsParent", run: terminatedChild},
	{name: "CustomStatus", run: customStatus},
	{name: "Restart", run: restartInstance},
	{name: "SessionTimeout_LiveCopyIsEvicted", run: evictedCopy},
	{name: "RequestKeyMakesRepetitionsOne", run: repeatedRequest},
}

var (
	stages = durable.Orchestration("Stages", func(ctx *durable.Context, n int) (durable.None, error) {
		for i := range n {
			if err := ctx.SetStatus(fmt.Sprint("stage ", i)); err != nil {
				return durable.None{}, err
			}
			if _, err := operation.Wait(ctx, durable.Forever); err != nil {
				return durable.None{}, err
			}
		}
		return durable.None{}, nil
	})
	families = durable.DeclareOrchestration[int, durable.None]("Family")
)

// familiesCode has a child that has a child, n deep, and the last one waits.
func familiesCode(ctx *durable.Context, n int) (durable.None, error) {
	if n == 0 {
		_, err := operation.Wait(ctx, durable.Forever)
		return durable.None{}, err
	}
	return families.Call(ctx, n-1, durable.ID(ctx.ID()+"-child")).Await()
}

func suspendResume(s *scene) {
	run := start(s, collector, "collector", 2)
	s.awaits(run.ID())
	s.ok(run.Suspend(s.ctx, "sleep, 寝る"))
	s.ok(run.Suspend(s.ctx, "once more"))
	s.until("it is suspended", func() bool { return s.get(run.ID()).Status == model.Suspended })
	s.raise(run.ID(), "a")
	s.raise(run.ID(), "b")
	want(s, "status", s.get(run.ID()).Status, model.Suspended)
	s.crash()
	want(s, "status after a crash", s.get(run.ID()).Status, model.Suspended)
	s.ok(run.Resume(s.ctx, "wake up"))
	result(s, run, "ab")
}

func suspendOverTimer(s *scene) {
	run := start(s, approve, "approval", time.Hour)
	s.sleeps(run.ID())
	s.ok(run.Suspend(s.ctx, ""))
	s.until("it is suspended", func() bool { return s.get(run.ID()).Status == model.Suspended })
	s.advance(2 * time.Hour)
	want(s, "status", s.get(run.ID()).Status, model.Suspended)
	s.ok(run.Resume(s.ctx, ""))
	result(s, run, "Expired")
	s.ok(s.engine.Raise(s.ctx, engine.RaiseRequest{Instance: run.ID(), Event: "Approval"}))
}

func suspendEnded(s *scene) {
	run := start(s, helloOnly, "hello", "World")
	result(s, run, "Hello, World!")
	want(s, "suspend is ErrEnded", errors.Is(run.Suspend(s.ctx, ""), engine.ErrEnded), true)
	want(s, "resume is ErrEnded", errors.Is(run.Resume(s.ctx, ""), engine.ErrEnded), true)
	nobody := helloOnly.Attach(s, s.id("nobody"))
	want(s, "suspend of nobody is ErrNotFound", errors.Is(nobody.Suspend(s.ctx, ""), engine.ErrNotFound), true)
}

func terminateSuspended(s *scene) {
	run := start(s, counter, "actor", 0)
	s.awaits(run.ID())
	s.ok(run.Suspend(s.ctx, "pause"))
	s.ok(run.Terminate(s.ctx, "enough", false))
	inst := s.ends(run.ID(), model.Terminated)
	want(s, "output", string(inst.Output), `"enough"`)
}

func terminatePending(s *scene) {
	run := start(s, helloOnly, "hello", "World", durable.At(s.now().Add(10*time.Hour)))
	want(s, "status", s.get(run.ID()).Status, model.Pending)
	s.ok(run.Terminate(s.ctx, "not needed", false))
	inst := s.ends(run.ID(), model.Terminated)
	want(s, "output", string(inst.Output), `"not needed"`)
	s.advance(20 * time.Hour)
	want(s, "status later", s.get(run.ID()).Status, model.Terminated)
}

func terminateUnserved(s *scene) {
	s.dismiss()
	run := start(s, helloOnly, "hello", "World")
	s.ok(run.Terminate(s.ctx, "nobody comes", false))
	s.ends(run.ID(), model.Terminated)
	s.serve()
}

func terminateRecursive(s *scene) {
	run := start(s, families, "family", 3)
	last := run.ID() + "-child-child-child"
	s.until("the last child exists", func() bool {
		_, err := s.engine.Get(s.ctx, last, engine.GetOptions{})
		return err == nil
	})
	s.ok(run.Terminate(s.ctx, "all of you", true))
	for _, id := range []string{run.ID(), run.ID() + "-child", run.ID() + "-child-child", last} {
		s.ends(id, model.Terminated)
	}
}

func terminatedChild(s *scene) {
	run := start(s, families, "family", 1)
	child := run.ID() + "-child"
	s.until("the child exists", func() bool {
		_, err := s.engine.Get(s.ctx, child, engine.GetOptions{})
		return err == nil
	})
	s.ok(s.engine.Terminate(s.ctx, engine.TerminateRequest{Instance: child}))
	s.ends(run.ID(), model.Failed)
	_, err := run.Wait(s.ctx)
	want(s, "error is ErrTerminated", errors.Is(err, durable.ErrTerminated), true)
}

func customStatus(s *scene) {
	run := start(s, stages, "stages", 3)
	for i := range 3 {
		expected := fmt.Sprintf(`"stage %d"`, i)
		s.until("the status is "+expected, func() bool { return string(s.get(run.ID()).CustomStatus) == expected })
		s.raise(run.ID(), "go")
	}
	s.ends(run.ID(), model.Completed)
	want(s, "custom status at the end", string(s.get(run.ID()).CustomStatus), `"stage 2"`)
}

func restartInstance(s *scene) {
	first := start(s, factorial, "factorial", 5, durable.Tags{"kind": "math"})
	result(s, first, 120)
	second, err := first.Restart(s.ctx, durable.ID(first.ID()))
	s.ok(err)
	result(s, second, 120)
	want(s, "execution is the first one", second.Execution() == first.Execution(), false)
	third, err := second.Restart(s.ctx)
	s.ok(err)
	result(s, third, 120)
	want(s, "ID is the first one", third.ID() == first.ID(), false)
	want(s, "tag", s.get(third.ID()).Tags["kind"], "math")
	living := start(s, counter, "actor", 0)
	_, err = living.Restart(s.ctx, durable.ID(living.ID()))
	want(s, "restart of a living one is ErrExists", errors.Is(err, engine.ErrExists), true)
}

// evictedCopy takes the live copy of an orchestration away between its steps.
func evictedCopy(s *scene) {
	run := start(s, collector, "collector", 8)
	for i := range 8 {
		s.worker.LimitCache(int64(i%2) << 20)
		s.awaits(run.ID())
		s.raise(run.ID(), fmt.Sprint(i))
	}
	result(s, run, "01234567")
}

func repeatedRequest(s *scene) {
	first := start(s, collector, "collector", 3, durable.RequestKey("start"))
	for range 3 {
		again := start(s, collector, "collector", 3, durable.RequestKey("start"))
		want(s, "execution", again.Execution(), first.Execution())
	}
	for _, v := range []string{"a", "a", "b", "a", "b", "c"} {
		s.ok(operation.Raise(s.ctx, s, first.ID(), v, durable.RequestKey("event "+v)))
	}
	result(s, first, "abc")
	again := start(s, collector, "collector", 3, durable.RequestKey("start"))
	want(s, "execution", again.Execution(), first.Execution())
}
