package durable_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

// FuzzReplayRecorded holds that programs that use every feature replay whatever
// becomes of their histories, or are refused as diverging, within bounds, and come
// to the same when the same is replayed anew. The history is cut into a past and
// one step more. Seeds are the recorded histories, each with its own program and
// with another one.
func FuzzReplayRecorded(f *testing.F) {
	var programs []replay.Program
	seen := map[string]bool{}
	for _, r := range recordings() {
		for _, h := range []durable.Handler{r.code, r.replayed} {
			if h == nil {
				continue
			}
			code, err := h.Bind(&worker.Env{})
			if err != nil {
				f.Fatal(err)
			}
			programs = append(programs, code.Orchestration)
		}
		if seen[r.name] {
			continue
		}
		seen[r.name] = true
		_, _, history := readHistory(f, "testdata/histories/"+r.name+".history")
		encoded := model.AppendEvents(nil, history, 0)
		for _, cut := range []int{0, len(history) / 2, len(history) - 2, len(history)} {
			f.Add(encoded, byte(len(programs)-1), byte(cut), cut%2 == 0)
		}
		f.Add(encoded, byte(len(programs)), byte(len(history)/3), false)
	}
	pool := &replay.Pool{}
	f.Cleanup(pool.Close)
	f.Fuzz(func(t *testing.T, in []byte, program, cut byte, more bool) {
		events, err := model.DecodeEvents(model.NewReader(in), 0)
		if err != nil || len(events) > 200 {
			return
		}
		past := min(int(cut), len(events))
		config := replay.Config{Program: programs[int(program)%len(programs)], Pool: pool, Instance: "i", Execution: model.ExecutionID{1}, MaxEvents: 5}
		var first, second string
		fuzztest.Bounded(t, len(in), 4000, func() { first = comesTo(t, config, events[:past], events[past:], more) })
		if second = comesTo(t, config, events[:past], events[past:], more); first != second {
			t.Fatalf("the same history comes to\n%s\nand then to\n%s", first, second)
		}
	})
}

// comesTo replays a past, makes a step, and says what that comes to.
func comesTo(t *testing.T, config replay.Config, past, news []model.Event, more bool) (text string) {
	t.Helper()
	x := replay.New(config)
	defer x.Unwind()
	x.Replay(slices.Clone(past), more)
	x.Step(99, slices.Clone(news))
	for i := 0; ; i++ {
		var r engine.OrchestrationResult
		x.Result(&r)
		text += fmt.Sprint(comparable(r.Events), r.CancelTimers, r.CancelTasks, string(r.CustomStatus), r.Awaits)
		if !r.More {
			return text
		}
		if i > 100 {
			t.Fatal("the step does not end")
		}
	}
}
