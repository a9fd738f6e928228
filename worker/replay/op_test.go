package replay

import (
	"testing"

	"github.com/netherite-go/netherite/model"
)

func TestQueueYieldsAnOperationAsOftenAsItWasGiven(t *testing.T) {
	h := newHost(t, func(x *Execution, _ []byte) Outcome {
		a, b := task(x, "a"), task(x, "b")
		q := NewQueue(x, []*Op{a, b, a, a})
		var seen []byte
		for range 4 {
			op := q.Next()
			if op == nil {
				return Outcome{}
			}
			seen = append(seen, op.Name...)
		}
		q.Close()
		if a.watcher != nil || len(a.more) > 0 {
			t.Error("a closed queue watches on")
		}
		return Outcome{Payload: seen}
	})
	h.step(started())
	h.step(completed(1, ""))
	if ev := last(h.step(completed(0, ""))); string(ev.Payload) != "baaa" {
		t.Errorf("%v %q", ev.Kind, ev.Payload)
	}
}

// TestOperationOfNobodyIsNeverDone: code may have one in the place of something that it
// does not wait for this time, several executions the same one.
func TestOperationOfNobodyIsNeverDone(t *testing.T) {
	never := &Op{}
	for name, wait := range map[string]func(*Execution, *Op) *Op{
		"first": func(x *Execution, op *Op) *Op {
			if WaitFirst(x, []*Op{never, op}) == 1 {
				return op
			}
			return never
		},
		"queue": func(x *Execution, op *Op) *Op {
			q := NewQueue(x, []*Op{never, op})
			defer q.Close()
			return q.Next()
		},
	} {
		h := newHost(t, func(x *Execution, _ []byte) Outcome {
			if done := wait(x, task(x, "a")); done == never {
				return Outcome{Payload: []byte("never")}
			}
			return Outcome{}
		})
		h.step(started())
		if never.watcher != nil || len(never.more) > 0 {
			t.Errorf("%s: an execution has left its own in what others may have, too", name)
		}
		if ev := last(h.step(completed(0, ""))); ev.Kind != model.ExecutionCompleted || ev.Failure != nil || len(ev.Payload) > 0 {
			t.Errorf("%s: it came to %v %s %v", name, ev.Kind, ev.Payload, ev.Failure)
		}
	}
}
