package enginetest

import (
	"context"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

var versions = []scenario{
	{name: "VersionedOrchestrators", run: versionedOrchestrators},
	{name: "VersionWithoutCodeWaits", run: versionWaits},
	{name: "ActivityWithoutCodeWaits", run: activityWaits},
	{name: "ContinueAsNewCanChangeVersion", run: versionChanges},
}

var (
	versioned = durable.DeclareOrchestration[int, string]("Versioned")
	absent    = durable.DeclareActivity[string, string]("Absent")
	usesIt    = durable.Orchestration("UsesAbsent", func(ctx *durable.Context, in string) (string, error) {
		return absent.Call(ctx, in).Await()
	})
)

// version makes code that says which one it is. The first one, asked to, goes
// on as the second.
func version(v string) durable.Handler {
	return versioned.By(func(ctx *durable.Context, n int) (string, error) {
		if n > 0 {
			return versioned.Again(n-1, durable.Version("2"))
		}
		return "code " + v + " of version " + ctx.Version(), nil
	}, durable.Version(v))
}

func versionedOrchestrators(s *scene) {
	s.dismiss()
	s.serve(version("1"), version("2"), version(""))
	result(s, start(s, versioned, "one", 0, durable.Version("1")), "code 1 of version 1")
	result(s, start(s, versioned, "two", 0, durable.Version("2")), "code 2 of version 2")
	result(s, start(s, versioned, "three", 0, durable.Version("3")), "code  of version 3")
	result(s, start(s, versioned, "none", 0), "code  of version ")
	want(s, "version", s.get(s.id("two")).Version, "2")
}

func versionWaits(s *scene) {
	s.dismiss()
	s.serve(version("1"))
	run := start(s, versioned, "two", 0, durable.Version("2"))
	result(s, start(s, versioned, "one", 0, durable.Version("1")), "code 1 of version 1")
	want(s, "what is missing", s.get(run.ID()).Waits.NoHandler, "orchestration Versioned version 2")
	want(s, "status", s.get(run.ID()).Status, model.Pending)
	s.dismiss()
	s.serve(version("2"))
	result(s, run, "code 2 of version 2")
}

func activityWaits(s *scene) {
	s.dismiss()
	s.serve(usesIt)
	run := start(s, usesIt, "uses", "x")
	s.until("it is told that code is missing", func() bool {
		tasks := s.get(run.ID()).Waits.Tasks
		return len(tasks) == 1 && tasks[0].NoHandler
	})
	s.crash()
	s.dismiss()
	s.serve(usesIt, absent.By(func(_ context.Context, in string) (string, error) { return in + "!", nil }))
	result(s, run, "x!")
}

func versionChanges(s *scene) {
	s.dismiss()
	s.serve(version("1"), version("2"))
	run := start(s, versioned, "again", 1, durable.Version("1"))
	result(s, run, "code 2 of version 2")
	want(s, "version", s.get(run.ID()).Version, "2")
}
