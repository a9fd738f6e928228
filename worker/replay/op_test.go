package replay

import "testing"

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
