package replay

import "github.com/netherite-go/netherite/engine"

// SetStatus replaces the instance's custom status with the step. What a past
// step set is committed already.
func (x *Execution) SetStatus(payload []byte) {
	x.enter()
	if !x.past && !x.inert() {
		x.status = &payload
	}
}

// Terminate asks for another instance to be ended, with the step.
func (x *Execution) Terminate(r engine.TerminateRequest) {
	x.enter()
	if !x.past && !x.inert() {
		x.terminate = append(x.terminate, r)
	}
}

// Result moves what the step came to into r, as much of it as one step may
// commit. After an r.More the rest is for the next.
func (x *Execution) Result(r *engine.OrchestrationResult) {
	r.Events, r.More = x.take(x.statusSize())
	r.CancelTimers, r.CancelTasks = x.takeCancelled()
	if x.status != nil {
		r.SetStatus, r.CustomStatus = true, *x.status
		x.status = nil
	}
	r.Terminate, x.terminate = x.terminate, nil
	r.Awaits = x.Awaits()
}

func (x *Execution) statusSize() int {
	if x.status == nil {
		return 0
	}
	return len(*x.status)
}
