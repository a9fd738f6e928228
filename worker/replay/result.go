package replay

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// SetStatus replaces the instance's custom status with the step. What a past
// step set is committed already.
func (x *Execution) SetStatus(payload []byte) {
	x.enter()
	if !x.past && !x.inert() {
		x.status = &payload
	}
}

// termination asks for another instance to be ended.
type termination struct {
	engine.TerminateRequest
	next int32 // ID of the event that comes after it
}

// Terminate asks for another instance to be ended, with the step. If that is split, it
// goes with the part that has what was asked for before: that may start the instance.
func (x *Execution) Terminate(r engine.TerminateRequest) {
	x.enter()
	// In the past it went with what came before it, unless that is still owed. Code that is
	// rewound may owe something while history has more: it comes from an ID that a rewind
	// has freed, and does not tell whether the code was here before.
	if x.inert() || x.past && (len(x.out) == 0 || x.expected() != nil) {
		return
	}
	x.terminate = append(x.terminate, termination{r, x.nextID})
}

// Result moves what the step came to into r, as much of it as one step may
// commit. After an r.More the rest is for the next.
func (x *Execution) Result(r *engine.OrchestrationResult) {
	x.take(r)
	r.CancelTimers, r.CancelTasks = x.takeCancelled()
	if x.status != nil {
		r.SetStatus, r.CustomStatus = true, *x.status
		x.status = nil
	}
	r.Awaits = x.Awaits()
}

// take removes the outgoing events and the terminations that one step may commit, besides
// its status; r.More says that some are left.
func (x *Execution) take(r *engine.OrchestrationResult) {
	n := 0 // events taken
	ends, bytes := x.endsAfter(0, 0)
	bytes += x.statusSize()
	for n < len(x.out) {
		more, size := x.endsAfter(n+1, ends)
		size += bytes + Size(&x.out[n])
		if taken := n + ends; taken > 0 && (taken+1+more > x.MaxEvents || size > x.MaxBytes) {
			break
		}
		n, ends, bytes = n+1, ends+more, size
	}
	r.Terminate = nil
	for _, t := range x.terminate[:ends] {
		r.Terminate = append(r.Terminate, t.TerminateRequest)
	}
	r.Events, r.More = x.out[:n:n], n < len(x.out)
	if !r.More {
		x.out, x.terminate = nil, nil
		return
	}
	x.out, x.terminate = x.out[n:], x.terminate[ends:]
}

// endsAfter counts the terminations from the given one on that come before the n-th
// event, and their bytes. They go with the event before, so that a replay knows by that.
func (x *Execution) endsAfter(n, from int) (ends, bytes int) {
	for _, t := range x.terminate[from:] {
		if n < len(x.out) && t.next > x.out[n].ID {
			break
		}
		ends++
		bytes += 64 + len(t.Instance) + len(t.Output)
	}
	return ends, bytes
}

func (x *Execution) statusSize() int {
	if x.status == nil {
		return 0
	}
	return len(*x.status)
}

// owed reports whether the event with an ID is one that has not been taken.
func (x *Execution) owed(id int32) bool {
	_, found := slices.BinarySearchFunc(x.out, id, func(ev model.Event, id int32) int { return int(ev.ID) - int(id) })
	return found
}
