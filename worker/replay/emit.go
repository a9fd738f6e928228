package replay

import (
	"fmt"
	"strconv"

	"github.com/netherite-go/netherite/model"
)

// Act asks for something that has no answer. It reports false, with no effect,
// while the execution is being unwound.
func (x *Execution) Act(ev model.Event) bool {
	if !x.ending { // AtEnd may be called from outside of the code
		x.enter()
	}
	if x.inert() {
		return false
	}
	return x.emitOrPark(&ev)
}

// Ask asks for something whose answer makes op done. It reports false, with no
// effect, while the execution is being unwound.
func (x *Execution) Ask(op *Op, ev model.Event) bool {
	x.enter()
	if x.inert() {
		return false
	}
	if !x.emitOrPark(&ev) {
		return false
	}
	if x.past && op.hook != nil {
		op.hook.Asked(ev)
	}
	x.track(op, ev.ID, ev.Kind)
	return true
}

// AskAgain is Ask for a Hook, while it handles an answer.
func (x *Execution) AskAgain(op *Op, ev model.Event) {
	if !x.inert() && x.emit(&ev) {
		x.track(op, ev.ID, ev.Kind)
	}
}

// NextID returns the ID that the next action, other than a marker, will get.
func (x *Execution) NextID() int32 {
	x.enter()
	if x.past {
		x.skipMarkers()
	}
	return x.nextID
}

// Recorded returns the input that the next action had if it is asked for in a replay, and
// is an activity's of that name; otherwise the given one, which it has now. The action
// must be asked for then.
func (x *Execution) Recorded(name string, input []byte) []byte {
	if !x.past {
		return input
	}
	id := x.NextID()
	if ev := x.expected(); ev != nil && ev.Kind == model.TaskScheduled && ev.ID == id && ev.Name == name {
		return ev.Payload
	}
	return input
}

// skipMarkers passes markers that the code no longer asks for.
func (x *Execution) skipMarkers() (next *model.Event) {
	next = x.expected()
	for next != nil && next.Kind == model.MarkerRecorded {
		x.skip(next)
		next = x.expected()
	}
	return next
}

func (x *Execution) track(op *Op, id int32, k model.Kind) {
	op.id, op.kind = id, opOther
	switch k {
	case model.TaskScheduled:
		op.kind = opTask
	case model.TimerCreated:
		op.kind = opTimer
	}
	x.ops.put(id, op)
}

// emitOrPark stops the calling coroutine for good if the code has diverged: the
// execution is failed and unwound by whoever runs it.
func (x *Execution) emitOrPark(ev *model.Event) bool {
	if x.emit(ev) {
		return true
	}
	if c := x.running.Load(); x.diverged != nil && c != nil && !x.unwinding.Load() {
		c.park()
	}
	return false
}

// emit gives an outgoing event its ID and either matches it with the history or
// adds it to what is to be taken.
func (x *Execution) emit(ev *model.Event) bool {
	if x.diverged != nil {
		return false
	}
	ev.ID = x.nextID
	if !x.past {
		x.out = append(x.out, *ev)
	} else if !x.match(ev) {
		return false
	}
	x.nextID = ev.ID + 1
	return true
}

// match compares an event that replayed code asks for with the history. What is there
// takes its place: it is what was done.
func (x *Execution) match(ev *model.Event) bool {
	want := x.expected()
	if ev.Kind != model.MarkerRecorded {
		want = x.skipMarkers()
		ev.ID = x.nextID
	}
	switch {
	case want == nil && (x.rewound || x.tailAdmits(ev)):
	case want == nil:
		return x.diverge("history ends before " + describe(ev) + ", which the code asked for")
	case x.rewound && ev.ID < want.ID:
	case same(want, ev):
		x.cursor++
		*ev = *want
		return true
	default:
		return x.diverge("history has " + describe(want) + " where the code asked for " + describe(ev))
	}
	x.out = append(x.out, *ev)
	return true
}

// same reports whether the code asked for what the history says it did.
func same(want, got *model.Event) bool {
	return want.Kind == got.Kind && want.ID == got.ID && want.Name == got.Name && want.Instance == got.Instance
}

// expected returns the next outgoing event of the history that is not matched yet.
func (x *Execution) expected() *model.Event {
	for x.cursor < len(x.history) {
		if ev := &x.history[x.cursor]; ev.Kind.Outgoing() {
			return ev
		}
		x.cursor++
	}
	return nil
}

// skip passes a marker of the history.
func (x *Execution) skip(marker *model.Event) {
	x.cursor++
	x.nextID = max(x.nextID, marker.ID+1)
}

// scan prepares for a replay: it finds out whether the last step may have been
// split, so that the code asks for more than history has, and whether failures
// were taken back.
func (x *Execution) scan(more bool) {
	x.tail = more
	for i := range x.history {
		ev := &x.history[i]
		if ev.Kind == model.ExecutionRewound {
			x.rewound = true
		}
		// IDs are dense, but for the ends that rewinds have taken back; and each of
		// those has left an event.
		if ev.Kind.Outgoing() && (ev.ID < 0 || int(ev.ID) > len(x.history)) {
			x.diverge(fmt.Sprintf("history has %s, and not as many events", describe(ev)))
		}
	}
}

// tailAdmits reports whether an event that history lacks is what a split step
// still owes. Engines say so with the work item; servers of an earlier version do not
// if something new has come meanwhile, and then it shows if the step's events were
// what filled it: the last step was full without this one.
func (x *Execution) tailAdmits(ev *model.Event) bool {
	if x.tail {
		return true
	}
	count, bytes := 0, Size(ev)
	for i := len(x.history) - 1; i >= 0 && x.history[i].Kind != model.OrchestratorStarted; i-- {
		if e := &x.history[i]; e.Kind.Outgoing() {
			count++
			bytes += Size(e)
		}
	}
	x.tail = count >= x.MaxEvents || count > 0 && bytes > x.MaxBytes
	return x.tail
}

// Size estimates the bytes that an event takes in a step's record, from above.
func Size(ev *model.Event) int {
	n := 64 + len(ev.Name) + len(ev.Version) + len(ev.Instance) + len(ev.RequestID) + len(ev.Payload)
	if ev.Failure != nil {
		n += 64 + len(ev.Failure.Message) + len(ev.Failure.Stack)
	}
	if e := ev.Ext; e != nil {
		for k, v := range e.Tags { // order-free: a sum
			n += len(k) + len(v) + 4
		}
		for _, s := range e.LockSet {
			n += len(s) + 2
		}
		for i := range e.CarryOver {
			n += Size(&e.CarryOver[i])
		}
	}
	return n
}

// Marked reports whether the code passes the marker with this execution, and
// leaves the marker in the history of one that passes it for the first time.
func (x *Execution) Marked(name string) bool {
	x.enter()
	if x.inert() {
		return false
	}
	ev := model.Event{Kind: model.MarkerRecorded, Name: name}
	if x.past && !x.toMarker(name) {
		if x.expected() != nil || !x.rewound && !x.tailAdmits(&ev) {
			return false // this execution was here before the marker was
		}
	}
	return x.emitOrPark(&ev)
}

// toMarker moves to the marker of that name in the history, past others that
// the code no longer asks for.
func (x *Execution) toMarker(name string) bool {
	x.expected()
	for i := x.cursor; i < len(x.history); i++ {
		ev := &x.history[i]
		switch {
		case !ev.Kind.Outgoing():
		case ev.Kind != model.MarkerRecorded:
			return false
		case ev.Name == name:
			x.cursor, x.nextID = i, ev.ID
			return true
		}
	}
	return false
}

// diverge fails the execution because the code does not do what it did before.
func (x *Execution) diverge(what string) bool {
	if x.diverged != nil {
		return false
	}
	msg := what
	if x.running.Load() != nil { // else it was found out here, and no line of the code is to blame
		if line := callerLine(); line != "" {
			msg += " (at " + line + ")"
		}
	}
	x.diverged = &model.Failure{
		Type: model.FailureNonDeterminism, NonRetriable: true,
		Message: msg + ": the code of a running orchestration must keep asking for the same things in the same order; " +
			"deploy changed code under a new version or behind ctx.Patched",
	}
	return false
}

// finishDiverged ends an execution whose code has diverged. Its last event gets
// an ID above all of the history's.
func (x *Execution) finishDiverged() {
	if x.diverged == nil || x.done {
		return
	}
	x.out = append(x.out[:0:0], model.Event{Kind: model.ExecutionCompleted, ID: x.nextID, Failure: x.diverged, Ext: extFailed})
	x.nextID++
	x.done = true
	x.Unwind()
}

// describe names an outgoing event for an error message.
func describe(ev *model.Event) string {
	s := ev.Kind.String() + " #" + strconv.Itoa(int(ev.ID))
	if ev.Name != "" {
		s += fmt.Sprintf(" %q", ev.Name)
	}
	if ev.Instance != "" {
		s += fmt.Sprintf(" to %q", ev.Instance)
	}
	return s
}
