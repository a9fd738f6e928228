package enginetest

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var rewinds = []scenario{
	{name: "RewindOrchestrationsFail", run: rewindOrchestration},
	{name: "RewindActivityFail", run: rewindActivity},
	{name: "RewindMultipleActivityFail", run: rewindMultiple},
	{name: "RewindSubOrchestrationsTest", run: func(s *scene) { rewindChildren(s, 1) }},
	{name: "RewindNestedSubOrchestrationTest", run: func(s *scene) { rewindChildren(s, 3) }},
	{name: "RewindSubOrchestrationActivityTest", run: rewindChildActivity},
	{name: "RewindWithSiblings", run: rewindSiblings},
	{name: "RewindOfOthersIsRefused", run: rewindRefused},
}

var (
	// plan calls the flaky activities of its keys one after another.
	plan = durable.Orchestration("Plan", func(ctx *durable.Context, keys []string) (string, error) {
		all := ""
		for _, k := range keys {
			v, err := flaky.Call(ctx, k).Await()
			if err != nil {
				return "", err
			}
			all += v + "; "
		}
		return all, nil
	})
	// atOnce calls them all together.
	atOnce = durable.Orchestration("AtOnce", func(ctx *durable.Context, keys []string) (int, error) {
		var parts []*durable.Future[string]
		for _, k := range keys {
			parts = append(parts, flaky.Call(ctx, k))
		}
		all, err := durable.All(ctx, parts...)
		return len(all), err
	})
	// nested calls a flaky activity that many sub-orchestrations down.
	nested = durable.DeclareOrchestration[nest, string]("Nested")
	// siblings calls one sub-orchestration for each key.
	siblings = durable.Orchestration("Siblings", func(ctx *durable.Context, keys []string) (int, error) {
		var parts []*durable.Future[string]
		for i, k := range keys {
			parts = append(parts, nested.Call(ctx, nest{Key: k}, durable.ID(fmt.Sprint(ctx.ID(), "-", i))))
		}
		all, err := durable.All(ctx, parts...)
		return len(all), err
	})

	rewindCode = []durable.Handler{plan, atOnce, nested.By(nestedCode), siblings, stages, families.By(familiesCode)}
)

type nest struct {
	Key   string
	Depth int
}

func nestedCode(ctx *durable.Context, n nest) (string, error) {
	if n.Depth == 0 {
		return flaky.Call(ctx, n.Key).Await()
	}
	return nested.Call(ctx, nest{n.Key, n.Depth - 1}, durable.ID(ctx.ID()+"-child")).Await()
}

// mend fails a run, makes its activity work, and rewinds.
func mend[Out any](s *scene, run *durable.Run[Out], key string) {
	s.Helper()
	s.ends(run.ID(), model.Failed)
	s.code.spoil(key, false)
	s.ok(run.Rewind(s.ctx, "mended"))
}

// rewindOrchestration rewinds code that fails by itself: it fails again.
func rewindOrchestration(s *scene) {
	run := start(s, throw, "throw", "")
	before := s.ends(run.ID(), model.Failed)
	s.ok(run.Rewind(s.ctx, "try again"))
	after := s.ends(run.ID(), model.Failed)
	want(s, "message", after.Failure.Message, before.Failure.Message)
	history, err := run.History(s.ctx)
	s.ok(err)
	rewound := 0
	for i := range history {
		if history[i].Kind == model.ExecutionRewound {
			rewound++
		}
	}
	want(s, "rewinds in the history", rewound, 1)
}

func rewindActivity(s *scene) {
	s.code.spoil("b", true)
	run := start(s, plan, "plan", []string{"a", "b", "c"})
	mend(s, run, "b")
	result(s, run, "a works; b works; c works; ")
	want(s, "runs of a", s.code.written("a"), 1)
	want(s, "runs of b", s.code.written("b"), 2)
	want(s, "failure is left", s.get(run.ID()).Failure != nil, false)
}

// rewindMultiple fails and rewinds twice, over a crash.
func rewindMultiple(s *scene) {
	s.code.spoil("a", true)
	s.code.spoil("c", true)
	run := start(s, plan, "plan", []string{"a", "b", "c"})
	mend(s, run, "a")
	s.ends(run.ID(), model.Failed)
	s.crash()
	mend(s, run, "c")
	result(s, run, "a works; b works; c works; ")
	want(s, "runs of b", s.code.written("b"), 1)

	for _, k := range []string{"x", "y", "z"} {
		s.code.spoil(k, k != "y")
	}
	all := start(s, atOnce, "at-once", []string{"x", "y", "z"})
	s.ends(all.ID(), model.Failed)
	s.code.spoil("z", false)
	mend(s, all, "x")
	result(s, all, 3)
	want(s, "runs of y", s.code.written("y"), 1)
	want(s, "runs of x", s.code.written("x"), 2)
}

func rewindChildren(s *scene, depth int) {
	s.code.spoil("deep", true)
	run := start(s, nested, "nested", nest{"deep", depth})
	mend(s, run, "deep")
	result(s, run, "deep works")
	want(s, "runs", s.code.written("deep"), 2)
	for id, d := run.ID(), depth; d > 0; d-- {
		id += "-child"
		want(s, "status of "+id, s.ended(id).Status, model.Completed)
	}
}

// rewindChildActivity fails in the child's activity again before it works.
func rewindChildActivity(s *scene) {
	s.code.spoil("deep", true)
	run := start(s, nested, "nested", nest{"deep", 1})
	s.ends(run.ID(), model.Failed)
	s.ok(run.Rewind(s.ctx, "not mended yet"))
	s.until("it has failed again", func() bool {
		return s.code.written("deep") == 2 && s.get(run.ID()).Status == model.Failed
	})
	mend(s, run, "deep")
	result(s, run, "deep works")
	want(s, "runs", s.code.written("deep"), 3)
}

func rewindSiblings(s *scene) {
	s.code.spoil("bad", true)
	run := start(s, siblings, "parent", []string{"good", "bad", "fine"})
	mend(s, run, "bad")
	result(s, run, 3)
	want(s, "runs of good", s.code.written("good"), 1)
	want(s, "runs of bad", s.code.written("bad"), 2)
}

func rewindRefused(s *scene) {
	run := start(s, helloOnly, "hello", "World")
	result(s, run, "Hello, World!")
	want(s, "rewind of a completed one is ErrNotFailed", errors.Is(run.Rewind(s.ctx, ""), engine.ErrNotFailed), true)
	living := start(s, counter, "actor", 0)
	want(s, "rewind of a living one is ErrNotFailed", errors.Is(living.Rewind(s.ctx, ""), engine.ErrNotFailed), true)
	nobody := helloOnly.Attach(s, s.id("nobody"))
	want(s, "rewind of nobody is ErrNotFound", errors.Is(nobody.Rewind(s.ctx, ""), engine.ErrNotFound), true)
}
