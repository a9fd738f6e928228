package sim

import (
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// onRequest is called with every request that is admitted. One that was answered
// must never be admitted again, however late it comes (G1).
func (w *world) onRequest(ev partition.Event, c *partition.Client, instance string) {
	if w.repeated[ev] {
		w.fail("request: %s of %q has been applied again after it was answered", c.Key, instance)
	}
	if c.Key != "" {
		w.requests[c.Key] = ev
	}
}

// repeatLater has a request that was answered come once more, as if its caller had
// not heard of the answer: soon, or in the morning, when its key is forgotten.
func (w *world) repeatLater(key string) {
	e := w.requests[key]
	delete(w.requests, key)
	if e == nil || !w.chaos || !w.plan.has(Impatience) || w.work.IntN(4) > 0 {
		return
	}
	if w.plan.night > 0 && w.days == 1 {
		w.late = append(w.late, e)
		return
	}
	w.after(time.Duration(w.work.IntN(5000))*time.Millisecond, func() { w.repeat(e) })
}

// repeatLate has the requests of the day before come once more.
func (w *world) repeatLate() {
	for _, e := range w.late {
		w.after(time.Duration(w.work.IntN(20_000))*time.Millisecond, func() { w.repeat(e) })
	}
	w.late = nil
}

func (w *world) repeat(e partition.Event) {
	if p := w.serving(); p != nil && !p.eng.Failed() {
		w.fault(Impatience, "request again", uint64(e.Kind()), 0)
		w.repeated[p.eng.Repeat(e)] = true
	}
}
