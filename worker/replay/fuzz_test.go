package replay

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// The programs that histories are replayed on. Together they use all that an
// Execution offers.
var programs = []code{
	func(x *Execution, in []byte) Outcome { // one after the other, and a custom status
		n := 0
		for i := range 3 {
			op := task(x, fmt.Sprint("t", i))
			if !op.Wait() {
				return Outcome{}
			}
			if op.Failure != nil {
				return Outcome{Failure: op.Failure}
			}
			n += len(op.TakePayload())
			x.SetStatus(fmt.Append(nil, n))
		}
		return Outcome{Payload: append(in, byte(n))}
	},
	func(x *Execution, _ []byte) Outcome { // side by side, in the order of completion
		var ops []*Op
		for i := range 4 {
			ops = append(ops, task(x, fmt.Sprint("t", i)))
		}
		q := NewQueue(x, ops)
		defer q.Close()
		var out []byte
		for range ops {
			op := q.Next()
			if op == nil {
				return Outcome{}
			}
			out = append(out, op.TakePayload()...)
		}
		return Outcome{Payload: out}
	},
	func(x *Execution, _ []byte) Outcome { // a timer against an event, markers, cancelling
		timer, event := &Op{}, &Op{}
		timer.Init(x, "timer")
		event.Init(x, "event")
		patched := x.Marked("patch")
		x.Ask(timer, model.Event{Kind: model.TimerCreated, FireAt: x.Now() + 10})
		x.Expect(event, "Go")
		if WaitFirst(x, []*Op{timer, event}) == 0 {
			event.Cancel(errGivenUp)
		} else {
			timer.Cancel(errGivenUp)
		}
		if patched && x.Marked("second") {
			task(x, "patched").Wait()
		}
		x.Terminate(engine.TerminateRequest{Instance: "other"})
		return Outcome{Payload: event.TakePayload()}
	},
	func(x *Execution, _ []byte) Outcome { // branches, children, entities, a lock
		done := &Op{}
		done.Init(x, "branch")
		x.Go(func() {
			child := &Op{}
			child.Init(x, "child")
			x.Ask(child, model.Event{Kind: model.ChildCreated, Name: "C", Instance: "c"})
			child.Wait()
			done.Failure = child.Failure
			done.Finish()
		})
		lock := &Op{}
		lock.Init(x, "lock")
		id := SectionID(x.Config.Execution, x.NextID())
		x.Ask(lock, model.Event{Kind: model.EntityLockRequested, RequestID: id, Ext: &model.Ext{LockSet: []string{"@e@1"}}})
		lock.Wait()
		call := &Op{}
		call.Init(x, "call")
		x.Ask(call, model.Event{Kind: model.EntityCalled, Instance: "@e@1", Name: "op", RequestID: RequestID(x.NextID())})
		call.Wait()
		x.Act(model.Event{Kind: model.EntityUnlockSent, Instance: "@e@1", RequestID: id})
		done.Wait()
		return Outcome{Failure: done.Failure, Payload: []byte("done")}
	},
	func(x *Execution, in []byte) Outcome { // on and on, with the events that nobody took
		event := &Op{}
		event.Init(x, "event")
		x.Expect(event, "next")
		event.Wait()
		version := "2"
		return Outcome{Payload: in, Again: &Again{Version: &version, DropEvents: len(in) > 3}}
	},
	func(x *Execution, _ []byte) Outcome { // an operation that is tried again, and a panic
		op := task(x, "flaky")
		op.SetHook(&retried{x: x})
		op.Wait()
		if op.Failure != nil {
			panic(op.Failure.Message)
		}
		return Outcome{Payload: op.TakePayload()}
	},
}

var errGivenUp = errors.New("given up")

// retried asks again, twice.
type retried struct {
	x     *Execution
	times int
}

func (r *retried) Asked(model.Event) {}

func (r *retried) Answered(op *Op, ev *model.Event) bool {
	if ev.Failure == nil || r.times == 2 {
		return false
	}
	r.times++
	r.x.AskAgain(op, model.Event{Kind: model.TaskScheduled, Name: "flaky"})
	return true
}

// FuzzReplay holds that any history is replayed or refused as one that diverges,
// within bounds: on any program, cut into a past and a new step anywhere. What
// comes of it comes again when the same is replayed anew, and an execution that
// has gone on from a history goes on from the one that it has added to as well.
//
// Histories are events in their own encoding, as in the log; so the fuzzer can
// change whatever an event says, and seeds are what the programs really do.
func FuzzReplay(f *testing.F) {
	for i := range programs {
		for _, history := range lives(f, programs[i]) {
			f.Add(model.AppendEvents(nil, history, 0), byte(i), byte(len(history)/2), false)
			f.Add(model.AppendEvents(nil, history, 0), byte(i+1), byte(len(history)), true)
		}
	}
	for _, ev := range []model.Event{ // IDs as high as they can be, and beyond the numbers of 32 bits that follow them
		{Kind: model.MarkerRecorded, ID: 1 << 30, Name: "patch"},
		{Kind: model.MarkerRecorded, ID: 1<<31 - 1, Name: "gone"},
		{Kind: model.MarkerRecorded, ID: -1 << 31, Name: "patch"},
		{Kind: model.TaskScheduled, ID: 1<<31 - 1, Name: "t0"},
	} {
		f.Add(model.AppendEvents(nil, []model.Event{{Kind: model.OrchestratorStarted, ID: model.NoID, Time: 1}, started(), ev, completed(0, "x")}, 0), byte(2), byte(4), false)
	}
	far := []model.Event{ // and with an operation that waits before the gap
		{Kind: model.TaskScheduled, ID: 0, Name: "t0"}, {Kind: model.MarkerRecorded, ID: 1 << 30, Name: "gone"},
		{Kind: model.TaskScheduled, ID: 1<<30 + 1, Name: "t1"},
	}
	f.Add(model.AppendEvents(nil, append([]model.Event{started()}, far...), 0), byte(1), byte(9), true)
	pool := &Pool{}
	f.Cleanup(pool.Close)
	f.Fuzz(func(t *testing.T, in []byte, program, cut byte, more bool) {
		events, err := model.DecodeEvents(model.NewReader(in), 0)
		if err != nil || len(events) > 300 {
			return
		}
		past := min(int(cut), len(events))
		config := Config{Program: programs[int(program)%len(programs)], Pool: pool, Instance: "i", Execution: model.ExecutionID{1}, MaxEvents: 3}
		var first, second []byte
		fuzztest.Bounded(t, len(in), 4000, func() { first = outcome(t, config, events[:past], events[past:], more) })
		second = outcome(t, config, events[:past], events[past:], more)
		if !slices.Equal(first, second) {
			t.Fatalf("the same history comes to\n%q and then to\n%q", first, second)
		}
	})
}

// outcome replays a history, goes on with new events, and returns what that came
// to, encoded.
func outcome(t *testing.T, config Config, past, news []model.Event, more bool) []byte {
	t.Helper()
	x := New(config)
	defer x.Unwind()
	x.Replay(slices.Clone(past), more)
	x.Step(99, slices.Clone(news))
	var all []byte
	for i := 0; ; i++ {
		var r engine.OrchestrationResult
		x.Result(&r)
		all = fmt.Appendf(model.AppendEvents(all, withoutStacks(r.Events), 0), "%v %v %q %v %v", r.CancelTimers, r.CancelTasks, r.CustomStatus, r.Awaits, r.Terminate)
		if !r.More {
			break
		}
		if i > 100 {
			t.Fatal("the step does not end")
		}
	}
	ends := 0
	for i := range past {
		if past[i].Kind == model.ExecutionCompleted {
			ends++
		}
	}
	if x.Ended() && ends == 0 && len(x.coroutines) > 0 {
		t.Fatalf("an execution that has ended has %d coroutines", len(x.coroutines))
	}
	if x.Cost() < 0 {
		t.Fatalf("it holds %d bytes", x.Cost())
	}
	return all
}

// withoutStacks leaves out what differs from run to run: addresses in stacks.
func withoutStacks(events []model.Event) []model.Event {
	for i := range events {
		if f := events[i].Failure; f != nil && f.Stack != "" {
			copied := *f
			copied.Stack = ""
			events[i].Failure = &copied
		}
	}
	return events
}

// lives are histories of a program as they come about: everything is answered at
// once, in the order in which it was asked for and in the other one.
func lives(t testing.TB, program code) (histories [][]model.Event) {
	for _, backwards := range []bool{false, true} {
		h := newHost(t, program)
		r := h.step(started())
		for range 20 {
			var answers []model.Event
			for i := range r.Events {
				answers = append(answers, answerTo(&r.Events[i], backwards)...)
			}
			if backwards {
				slices.Reverse(answers)
			}
			if len(r.Awaits) > 0 {
				answers = append(answers, model.Event{Kind: model.EventRaised, ID: model.NoID, Name: r.Awaits[0], Payload: []byte("p")})
			}
			if len(answers) == 0 && !r.More || h.x.Ended() {
				break
			}
			r = h.step(answers...)
		}
		histories = append(histories, h.history)
	}
	return histories
}

// answerTo is what comes of an outgoing event.
func answerTo(ev *model.Event, fails bool) []model.Event {
	answer := model.Event{ID: model.NoID, Ref: ev.ID, Payload: []byte("r")}
	switch ev.Kind {
	case model.TaskScheduled:
		answer.Kind = model.TaskCompleted
		if fails {
			answer.Kind, answer.Payload, answer.Failure = model.TaskFailed, nil, &model.Failure{Type: "T", Message: "m"}
		}
	case model.ChildCreated:
		answer.Kind = model.ChildCompleted
	case model.TimerCreated:
		answer.Kind = model.TimerFired
	case model.EntityCalled:
		answer.Kind, answer.RequestID = model.EntityResponded, ev.RequestID
	case model.EntityLockRequested:
		answer.Kind, answer.RequestID = model.EntityLockGranted, ev.RequestID
	default:
		return nil
	}
	return []model.Event{answer}
}

// FuzzRequestID holds that a request ID leads back to its action, and that others
// lead to none or are that of the action as well.
func FuzzRequestID(f *testing.F) {
	f.Add("7", int32(7))
	f.Add(SectionID(model.ExecutionID{1, 2}, 9), int32(-1))
	f.Add("-00000000000000000000000000000000000", int32(1<<31-1))
	f.Fuzz(func(t *testing.T, request string, id int32) {
		if got := actionOf(RequestID(id)); got != id {
			t.Fatalf("the request of action %d is that of %d", id, got)
		}
		if got := actionOf(SectionID(model.ExecutionID{1}, id)); id >= 0 && got != id {
			t.Fatalf("the section of action %d is that of %d", id, got)
		}
		_ = actionOf(request)
	})
}
