package durable

import (
	"bytes"
	"fmt"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// Retry repeats a failed activity or sub-orchestration.
//
// After the k-th failure (k = 1, 2, 3...) the next attempt begins
// First * Factor^(k-1) later, at most Max. There is none if k has reached
// Attempts, if Within has passed (in the orchestration's time, which moves from
// step to step) since the first attempt was scheduled, if the failure is
// NonRetriable, or if If says no. The delay is a durable timer; a delay of zero
// needs none. A call with a negative Attempts, Factor, Max or Within fails.
//
// All attempts are of one call: they have the input and the Version that the first
// one was asked for with, also if changed code, deployed meanwhile, would ask for
// others, and also after a rewind. How they are run follows the code of now: this
// policy, Timeout, Tags and AfterCommit. An attempt that is asked for already, or
// that a rewind runs again, stays as it was asked for.
type Retry struct {
	Attempts int           // 0: not bounded
	First    time.Duration // 0: one second; negative: no delay
	Factor   float64       // 0: 1, that is, always First
	Max      time.Duration // 0: not bounded
	Within   time.Duration // 0: not bounded
	// If, when not nil, decides whether a failure is worth another attempt. It
	// must be deterministic and must not use the orchestration's Context.
	If func(Failed) bool
	// Delay, when not nil, takes the place of the formula: how long to wait, and
	// whether to retry at all. The bounds above still hold. The same rules as for
	// If apply to it.
	Delay func(Failed) (time.Duration, bool)
}

// Failed is what a retry handler is told about a failed attempt.
type Failed struct {
	Attempt int // 1 for the first
	Err     *TaskError
	Elapsed time.Duration // since the first attempt was scheduled
}

func (o Retry) applyActivity(s *callSettings) { s.retry = &o }
func (o Retry) applyChild(s *callSettings)    { s.retry = &o }

// check refuses bounds that cannot be meant: taken as they are, they would bound
// nothing.
func (o *Retry) check() error {
	wrong := func(field string, value any) error {
		return fmt.Errorf("%w: Retry.%s is %v, want a positive one, or zero for the default", engine.ErrInvalid, field, value)
	}
	switch {
	case o == nil:
		return nil
	case o.Attempts < 0:
		return wrong("Attempts", o.Attempts)
	case !(o.Factor >= 0): // also what is no number
		return wrong("Factor", o.Factor)
	case o.Max < 0:
		return wrong("Max", o.Max)
	case o.Within < 0:
		return wrong("Within", o.Within)
	}
	return nil
}

// next decides about another attempt.
func (o *Retry) next(f Failed) (delay time.Duration, again bool) {
	if f.Err.NonRetriable || o.Attempts > 0 && f.Attempt >= o.Attempts || o.Within > 0 && f.Elapsed >= o.Within {
		return 0, false
	}
	if o.If != nil && !o.If(f) {
		return 0, false
	}
	if o.Delay != nil {
		return o.Delay(f)
	}
	return o.delay(f.Attempt), true
}

// delay is the formula.
func (o *Retry) delay(failures int) time.Duration {
	first, factor := o.First, o.Factor
	if first == 0 {
		first = time.Second
	}
	if factor == 0 {
		factor = 1
	}
	d := float64(first) * math.Pow(factor, float64(failures-1))
	limit := o.Max
	if limit <= 0 {
		limit = math.MaxInt64
	}
	switch {
	case math.IsNaN(d) || d <= 0:
		return 0
	case d >= float64(limit):
		return limit
	}
	return time.Duration(d)
}

// retrier repeats one call. Its decisions are made while the failure is being
// delivered, not when somebody awaits the call, so that attempts do not wait for
// the code to look.
type retrier struct {
	policy  *Retry
	op      *replay.Op  // the call
	timer   replay.Op   // the delay
	event   model.Event // asks for an attempt
	attempt int32       // of the outstanding attempt
	first   model.Time
}

// Asked implements replay.Hook. The next attempts are of the same call as the first one:
// they go to the same version, which the input is for, and have its idempotency key, also
// if the code asks for another version, or encodes the input in another way, by now. How
// an attempt is run follows the code, as the policy does, which no history has.
func (r *retrier) Asked(ev model.Event) {
	if !bytes.Equal(r.event.Payload, ev.Payload) {
		r.event.Payload = bytes.Clone(ev.Payload) // which keeps no history in memory
	}
	if r.event.Version != ev.Version {
		r.event.Version = strings.Clone(ev.Version)
	}
	if call := ev.Extra().Call; call != r.event.Extra().Call {
		ext := *r.event.Extra()
		ext.Call, r.event.Ext = call, &ext
	}
}

// Answered implements replay.Hook.
func (r *retrier) Answered(op *replay.Op, ev *model.Event) bool {
	x := r.op.Execution()
	if op == &r.timer {
		r.again(x)
		return true
	}
	if ev.Failure == nil {
		return false
	}
	delay, again, failure := r.decide(x, ev.Failure)
	switch {
	case failure != nil:
		x.Fail(failure)
		return true
	case !again:
		return false
	case delay <= 0:
		r.again(x)
		return true
	}
	r.timer.Init(x, r.op.Name)
	r.timer.SetHook(r)
	wait := timerEvent(x.StepTime(), delay)
	if wait.Ext == nil {
		wait.Ext = &model.Ext{}
	}
	wait.Name, wait.Ext.Call, wait.Ext.Attempt = r.event.Name, r.event.Extra().Call, r.attempt+1
	x.AskAgain(&r.timer, wait)
	r.op.Delegate(&r.timer)
	return true
}

// decide calls the user's handlers, which may panic, or end the goroutine: that
// fails the orchestration as well, once another goroutine has taken over.
func (r *retrier) decide(x *replay.Execution, f *model.Failure) (delay time.Duration, again bool, failure *model.Failure) {
	returned := false
	defer func() {
		if returned {
			return
		}
		if p := recover(); p != nil {
			failure = replay.PanicFailure(p, debug.Stack())
		} else {
			x.Exit()
		}
	}()
	delay, again = r.policy.next(Failed{
		Attempt: int(r.attempt), Err: taskError(r.op.Name, f), Elapsed: x.StepTime().Sub(r.first),
	})
	returned = true
	return delay, again, nil
}

// again asks for the next attempt.
func (r *retrier) again(x *replay.Execution) {
	r.attempt++
	ev := r.event
	if ev.Kind == model.TaskScheduled {
		ext := *r.event.Extra()
		ext.Attempt = r.attempt
		ev.Ext = &ext
	}
	r.op.SetHook(r)
	x.AskAgain(r.op, ev)
}

// later adds without wrapping around.
func later(t model.Time, d time.Duration) model.Time {
	if sum := t.Add(d); sum >= t || d < 0 {
		return sum
	}
	return math.MaxInt64
}
