package enginetest

import (
	"fmt"
	"sync"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// never is for Options.CheckpointRecords.
const never = -1

var recovery = []scenario{
	{name: "T39_CreateThenRestore", run: createThenRestore},
	{name: "T40_LimitedMemory", run: func(s *scene) { s.helloMany(100, 20) }, opts: Options{Memory: 512 << 10, CheckpointRecords: never}},
	{name: "T41_CheckSizeTrackerOnRecovery", run: limitedRestart, opts: Options{Memory: 512 << 10, CheckpointRecords: never}},
	{name: "T42_PipelinedStart", run: pipelinedStart, opts: Options{Memory: 2 << 20, CheckpointRecords: 100}, heavy: true},
	{name: "T43_CheckMemorySize", run: memorySize, memory: true, opts: Options{CheckpointRecords: never}},
	{name: "T45_CheckMemoryControl_Small", run: func(s *scene) { memoryControl(s, 2_000, 10) }, memory: true, heavy: true, opts: Options{Memory: 8 << 20, CheckpointRecords: 2_000}},
	{name: "T45_CheckMemoryControl_50KB", run: func(s *scene) { memoryControl(s, 300, 50<<10) }, memory: true, heavy: true, opts: Options{Memory: 8 << 20, CheckpointRecords: 2_000}},
	{name: "T48_CompactThenFail", run: compactThenFail},
	{name: "CrashKeepsWhatWasAcknowledged", run: crashKeeps},
	{name: "RestartFiresTimersThatCameDueMeanwhile", run: timersOverRestart},
}

// helloMany runs n Hello5 from several clients, who come again when they are
// turned away for lack of memory.
func (s *scene) helloMany(n, clients int) {
	s.Helper()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for i := c; i < n; i += clients {
				if err := s.helloOnce(fmt.Sprint("hello-", i)); err != nil {
					s.Errorf("hello-%d: %v", i, err)
					return
				}
			}
		})
	}
	wg.Wait()
	if s.Failed() {
		s.FailNow()
	}
}

func (s *scene) helloOnce(name string) error {
	var run *durable.Run[string]
	err := patiently(func() (err error) {
		run, err = hello5.Start(s.ctx, s, durable.None{}, s.named(name))
		return err
	})
	if err != nil {
		return err
	}
	got, err := run.Wait(s.ctx)
	if err == nil && got != hello5Result {
		err = fmt.Errorf("result is %q", got)
	}
	return err
}

// completed checks that n Hello5 have completed, with their results and histories.
func (s *scene) completed(n int) {
	s.Helper()
	for i := range n {
		id := s.id(fmt.Sprint("hello-", i))
		inst := s.get(id)
		want(s, "status of "+id, inst.Status, model.Completed)
		want(s, "output of "+id, string(inst.Output), `"`+hello5Result+`"`)
		history, err := s.engine.History(s.ctx, id)
		s.ok(err)
		want(s, "history of "+id+" is as long as its status says", int64(len(history)), inst.HistoryEvents)
	}
}

func createThenRestore(s *scene) {
	s.helloMany(1, 1)
	s.restart()
	s.completed(1)
}

func limitedRestart(s *scene) {
	s.helloMany(100, 20)
	s.restart()
	s.completed(100)
	want(s, "instances", len(s.list(engine.Query{})), 100)
}

func pipelinedStart(s *scene) {
	s.helloMany(500, 200)
	s.completed(500)
	s.crash()
	s.completed(500)
}

func compactThenFail(s *scene) {
	s.helloMany(20, 10)
	s.ok(s.storage.Checkpoint(s.ctx))
	run := start(s, counter, "actor", 5)
	s.raise(run.ID(), "incr")
	s.ok(s.storage.Checkpoint(s.ctx))
	s.raise(run.ID(), "incr")
	s.crash()
	s.completed(20)
	s.raise(run.ID(), "end")
	result(s, run, 7)
	s.ok(s.storage.Checkpoint(s.ctx))
	s.crash()
	s.completed(20)
	want(s, "output", string(s.get(run.ID()).Output), "7")
}

func crashKeeps(s *scene) {
	for round := range 3 {
		run := start(s, counter, fmt.Sprint("actor-", round), 0)
		for range 4 {
			s.raise(run.ID(), "incr")
		}
		s.crash()
	}
	for round := range 3 {
		id := s.id(fmt.Sprint("actor-", round))
		s.raise(id, "end")
		result(s, counter.Attach(s, id), 4)
	}
}
