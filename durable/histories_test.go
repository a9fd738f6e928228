package durable_test

import (
	"context"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

var record = flag.Bool("record", false, "record the histories that testdata/histories lacks")

// A recorded history is what an instance had at its end: its ID and execution, the encoding, and for people its events.
type recorded struct {
	name string
	code durable.Handler
	run  func(ctx context.Context, h *testHub) (instance string, err error)
	// replayed, if not nil, is the code of today, which is not that of then.
	replayed durable.Handler
	// diverges is part of the failure if the replay must be refused.
	diverges string
}

// started starts an orchestration and returns its ID; steps are events raised.
func started[In, Out any](o *durable.OrchestrationOf[In, Out], in In, steps ...string) func(context.Context, *testHub) (string, error) {
	return func(ctx context.Context, h *testHub) (string, error) {
		run, err := o.Start(ctx, h, in, durable.ID("recorded-"+o.Name()))
		for _, s := range steps {
			err = errors.Join(err, recordedStep.Raise(ctx, h, run.ID(), s))
		}
		return "recorded-" + o.Name(), err
	}
}

func recordings() []recorded {
	return []recorded{
		{name: "tour", code: recordedTour, run: started(recordedTour, []string{"Tokyo", "Seattle", "London"})},
		{name: "retries", code: recordedRetries, run: started(recordedRetries, durable.None{})},
		{name: "race-won", code: recordedRace, run: started(recordedRace, durable.Forever, "in time")},
		{name: "race-lost", code: recordedRace, run: started(recordedRace, 1)},
		{name: "transfer", code: recordedTransfer, run: started(recordedTransfer, 30)},
		{name: "family", code: recordedFamily, run: started(recordedFamily, 2)},
		{name: "loop", code: recordedLoop.By(loop), run: started(recordedLoop, 0, "a", "b", "c")},
		{name: "unpatched", code: recordedPatch.By(unpatched), run: started(recordedPatch, "x"), replayed: recordedPatch.By(patched)},
		{name: "patched", code: recordedPatch.By(patched), run: started(recordedPatch, "x")},
		{name: "changed", code: recordedPatch.By(unpatched), run: started(recordedPatch, "x"), replayed: recordedPatch.By(recordedChanged),
			diverges: `history has TaskScheduled #0 "RecordedGreet" where the code asked for TimerCreated #0`},
		{name: "suspended", code: recordedRace, run: func(ctx context.Context, h *testHub) (string, error) {
			run, err := recordedRace.Start(ctx, h, durable.Forever, durable.ID("recorded-suspended"))
			if err != nil {
				return "", err
			}
			_, err = run.WaitStarted(ctx)
			return run.ID(), errors.Join(err, run.Suspend(ctx, "wait"), recordedStep.Raise(ctx, h, run.ID(), "kept"), run.Resume(ctx, "go on"))
		}},
		{name: "rewound", code: recordedRetries, run: func(ctx context.Context, h *testHub) (string, error) {
			run, err := recordedRetries.Start(ctx, h, durable.None{}, durable.ID("recorded-rewound"))
			if err != nil {
				return "", err
			}
			if _, err := run.Wait(ctx); err == nil {
				return "", errors.New("it did not fail")
			}
			return run.ID(), run.Rewind(ctx, "once more")
		}},
	}
}

// TestRecordedHistoriesAreReplayedForEver replays each history up to each of its
// steps, and makes that step: it must come to what was recorded. With -record it
// records those that are missing.
func TestRecordedHistoriesAreReplayedForEver(t *testing.T) {
	for _, r := range recordings() {
		t.Run(r.name, func(t *testing.T) {
			file := filepath.Join("testdata", "histories", r.name+".history")
			if _, err := os.Stat(file); *record && errors.Is(err, os.ErrNotExist) {
				r.record(t, file)
			}
			instance, execution, history := readHistory(t, file)
			then := r.replayed == nil // the code is still that of then
			if then {
				r.replayed = r.code
			}
			code, err := r.replayed.Bind(&worker.Env{})
			if err != nil {
				t.Fatal(err)
			}
			pool := &replay.Pool{}
			defer pool.Close()
			config := replay.Config{Program: code.Orchestration, Pool: pool, Instance: instance, Execution: execution}
			for i := range history {
				if then && history[i].Kind == model.OrchestratorStarted {
					replayStep(t, config, history[:i], history[i:])
				}
			}
			replayAll(t, config, history, r.diverges)
		})
	}
}

// replayAll replays a whole history: nothing comes of that, or a divergence.
func replayAll(t *testing.T, config replay.Config, history []model.Event, diverges string) {
	t.Helper()
	x := replay.New(config)
	defer x.Unwind()
	x.Replay(history, false)
	var r engine.OrchestrationResult
	x.Result(&r)
	switch {
	case diverges == "" && (len(r.Events) > 0 || !x.Ended()):
		t.Errorf("the whole history comes to %v, ended: %t", comparable(r.Events), x.Ended())
	case diverges == "":
	case len(r.Events) != 1 || r.Events[0].Failure == nil || r.Events[0].Failure.Type != model.FailureNonDeterminism ||
		!strings.Contains(r.Events[0].Failure.Message, diverges) || !strings.Contains(r.Events[0].Failure.Message, "histories_code_test.go:"):
		t.Errorf("it comes to %v, want a divergence", comparable(r.Events))
	}
}

// replayStep replays a past and makes the step that follows it.
func replayStep(t *testing.T, config replay.Config, past, rest []model.Event) {
	t.Helper()
	n := 1
	for n < len(rest) && rest[n].Kind != model.OrchestratorStarted {
		n++
	}
	at, events := rest[0].Time, rest[1:n]
	split := slices.IndexFunc(events, func(e model.Event) bool { return e.Kind.Outgoing() })
	if split < 0 {
		split = len(events)
	}
	x := replay.New(config)
	defer x.Unwind()
	x.Replay(slices.Clone(past), split == 0)
	x.Step(at, slices.Clone(events[:split]))
	var r engine.OrchestrationResult
	x.Result(&r)
	if d := cmp.Diff(comparable(events[split:]), comparable(r.Events)); d != "" {
		t.Errorf("after %d events the step comes to something else than was recorded:\n%s", len(past), d)
	}
}

// comparable leaves out what the engine adds, as the times of timers, and stacks.
func comparable(events []model.Event) []string {
	list := make([]string, len(events))
	for i, e := range events {
		if e.Time = 0; e.Extra().Timeout > 0 {
			e.FireAt = 0
		}
		failure := ""
		if e.Failure != nil {
			failure = fmt.Sprintf("%s: %s", e.Failure.Type, e.Failure.Message)
		}
		e.Failure = nil
		list[i] = fmt.Sprintf("%x %s", model.AppendEvent(nil, &e, 0), failure)
	}
	return list
}

// record runs the code and writes its history.
func (r *recorded) record(t *testing.T, file string) {
	t.Helper()
	served := []durable.Handler{r.code, recordedGreet, recordedFlaky, recordedNever, recordedAccts}
	if r.name == "family" {
		served = append(served, recordedTour, recordedRetries)
	}
	hub := open(t, served)
	ctx := within(t)
	instance, err := r.run(ctx, hub)
	if err != nil {
		t.Fatal(err)
	}
	inst, err := hub.Engine().Wait(ctx, instance, engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil {
		t.Fatal(err)
	}
	events, err := hub.Engine().History(ctx, instance)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	fmt.Fprintln(&b, instance, inst.Execution)
	fmt.Fprintln(&b, base64.StdEncoding.EncodeToString(model.AppendEvents(nil, events, 0)))
	for _, e := range events {
		fmt.Fprintf(&b, "# %v #%d ->%d %s %s %s %.60s\n", e.Kind, e.ID, e.Ref, e.Name, e.Instance, e.RequestID, e.Payload)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, []byte(b.String()), 0o644)); err != nil {
		t.Fatal(err)
	}
}

func readHistory(t testing.TB, file string) (instance string, execution model.ExecutionID, events []model.Event) {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: record it with -record", err)
	}
	lines := strings.SplitN(string(data), "\n", 3)
	instance, id, _ := strings.Cut(lines[0], " ")
	if execution, err = model.ParseExecutionID(id); err != nil {
		t.Fatal(err)
	}
	encoded, err := base64.StdEncoding.DecodeString(lines[1])
	if err != nil {
		t.Fatal(err)
	}
	r := model.NewReader(encoded)
	events, err = model.DecodeEvents(r, 0)
	if err = errors.Join(err, r.Done()); err != nil || len(events) < 4 {
		t.Fatalf("%d events, %v", len(events), err)
	}
	return instance, execution, events
}
