package replay

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"sync/atomic"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/spans"
)

// Limits of one step's outgoing events, see engine.OrchestrationResult.More.
const (
	MaxStepEvents = 2000
	MaxStepBytes  = 16 << 20
)

// Program is the code of an orchestration.
type Program interface {
	// Run is called once, in a coroutine. Its outcome ends the execution.
	Run(x *Execution, input []byte) Outcome
}

// Outcome is how an orchestration's code ended: with a result, a failure, or
// the wish to go on as a new execution.
type Outcome struct {
	Payload []byte
	Failure *model.Failure
	Again   *Again
}

// Again is continue-as-new. The input is the outcome's payload.
type Again struct {
	Version    *string // nil keeps the version
	DropEvents bool    // forget external events that nobody asked for
}

// Config says what an Execution is of.
type Config struct {
	Program   Program
	Pool      *Pool
	Instance  string
	Execution model.ExecutionID
	// MaxEvents and MaxBytes bound one step's outgoing events; zero is
	// MaxStepEvents and MaxStepBytes.
	MaxEvents int
	MaxBytes  int
}

// Execution is one live execution of an orchestration. See the package comment.
type Execution struct {
	Config
	// AtEnd, if set, is called when the code has ended in any way but unwinding,
	// before the last event; it may still Act.
	AtEnd func()
	// Span, if set, is the execution's in a trace.
	Span *spans.Execution

	started model.Event // ExecutionStarted
	now     model.Time
	nextID  int32

	running    atomic.Pointer[coroutine] // while its code runs, else nil
	unwinding  atomic.Bool
	swallowed  int        // calls since it is unwound
	current    *coroutine // that run resumed
	coroutines []*coroutine
	ready      []*coroutine

	ops         slots
	inboxes     map[string]*inbox
	suspended   bool
	deferred    []model.Event // came while suspended
	completions uint32
	arrivals    uint64
	held        int64 // bytes of payloads that wait to be used
	input       int64 // bytes of the input, which the code is taken to keep

	out          []model.Event // not yet taken
	cancelTimers []int32
	cancelTasks  []int32
	status       *[]byte       // new custom status
	terminate    []termination // not yet taken

	past    bool // replaying history
	history []model.Event
	cursor  int  // in history: outgoing events before it are matched
	tail    bool // what the past asks for beyond history is what a split step still owes
	rewound bool

	exited   *model.Failure // the code ended its goroutine
	diverged *model.Failure
	ending   bool // AtEnd is being called
	done     bool
}

// New makes an execution that has not begun.
func New(c Config) *Execution {
	if c.MaxEvents == 0 {
		c.MaxEvents = MaxStepEvents
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = MaxStepBytes
	}
	return &Execution{Config: c}
}

// Started returns the execution's ExecutionStarted event.
func (x *Execution) Started() *model.Event { return &x.started }

// Trace returns the trace context that what the execution asks for carries on.
func (x *Execution) Trace() *model.Trace {
	if x.Span != nil {
		return x.Span.Trace()
	}
	return x.started.Extra().Trace
}

// Now returns when the current step began, the same in every replay.
func (x *Execution) Now() model.Time {
	x.enter()
	return x.now
}

// StepTime is Now for callers that are not the execution's code.
func (x *Execution) StepTime() model.Time { return x.now }

// Replaying reports whether the code runs again what it has done before.
func (x *Execution) Replaying() bool { return x.past }

// Unwinding reports whether the execution is being given up: calls have no effect.
func (x *Execution) Unwinding() bool { return x.unwinding.Load() }

// Ended reports whether the code has ended; no further step changes anything.
func (x *Execution) Ended() bool { return x.done }

// Replay rebuilds the execution from its committed history. With more, the last
// step is known to have events left (see engine.OrchestrationItem.More).
func (x *Execution) Replay(history []model.Event, more bool) {
	x.past, x.history, x.cursor = true, history, 0
	x.scan(more)
	for i := range history {
		if x.exited != nil || x.diverged != nil {
			break
		}
		if ev := &history[i]; !ev.Kind.Outgoing() {
			x.deliver(ev)
		}
	}
	if ev := x.skipMarkers(); ev != nil && x.exited == nil && x.diverged == nil {
		x.diverge("history has " + describe(ev) + ", which the code did not ask for")
	}
	x.leavePast()
	x.finishDiverged()
}

// Step runs the code on new messages. It may end the calling goroutine, if the
// code does so: see Exited.
func (x *Execution) Step(now model.Time, events []model.Event) {
	x.now = now
	for i := range events {
		x.deliver(&events[i])
	}
}

// Exit notes that the code ends the goroutine that runs it, which nothing can
// stop. A Hook that calls the user's code must call it, deferred, when that does
// not return; Exited goes on from there.
func (x *Execution) Exit() { x.exited = ExitFailure(debug.Stack()) }

// Exited must be called when Replay or Step did not return because the code
// ended its goroutine with runtime.Goexit, from another goroutine. It fails the
// execution and reports true; false if it was not the code that did so.
func (x *Execution) Exited() bool {
	if x.exited == nil {
		return false
	}
	x.forget(x.current)
	x.current = nil
	x.leavePast()
	x.fail(x.exited)
	x.exited = nil
	return true
}

// leavePast ends a replay, wherever it has come to. New actions get IDs above
// all of the history's.
func (x *Execution) leavePast() {
	for ev := x.expected(); ev != nil; ev = x.expected() {
		x.skip(ev)
	}
	x.past, x.history = false, nil
}

// deliver takes one incoming event and lets the code go on.
func (x *Execution) deliver(ev *model.Event) {
	if x.done {
		x.leave(ev)
		return
	}
	if x.suspended && ev.Kind != model.ExecutionResumed && ev.Kind != model.ExecutionTerminated && ev.Kind != model.OrchestratorStarted {
		x.deferred = append(x.deferred, *ev)
		return
	}
	switch ev.Kind {
	case model.OrchestratorStarted:
		x.now = ev.Time
		return
	case model.ExecutionStarted:
		x.begin(ev)
	case model.TaskCompleted, model.ChildCompleted, model.TimerFired:
		x.answer(ev.Ref, ev)
	case model.TaskFailed, model.ChildFailed:
		x.answer(ev.Ref, ev)
	case model.EntityResponded, model.EntityOperationFailed, model.EntityLockGranted:
		x.answer(actionOf(ev.RequestID), ev)
	case model.EventRaised:
		x.raised(ev)
	case model.ExecutionSuspended:
		x.suspended = true
	case model.ExecutionResumed:
		x.resumed()
	case model.ExecutionTerminated:
		x.end(&model.Event{Kind: model.ExecutionCompleted, Payload: ev.Payload, Ext: &model.Ext{Status: model.Terminated}})
		return
	}
	x.run()
}

func (x *Execution) begin(ev *model.Event) {
	if x.started.Kind != 0 {
		return
	}
	x.started = *ev
	x.input = int64(len(ev.Payload))
	c := x.Pool.get()
	c.x = x
	x.coroutines = append(x.coroutines, c)
	x.wake(c)
}

// answer hands an answer to the operation that waits for it. Nobody may: the
// wait was cancelled.
func (x *Execution) answer(id int32, ev *model.Event) {
	op := x.ops.take(id)
	if op == nil {
		return
	}
	op.id = model.NoID
	if ev.Failure == nil && failed(ev.Kind) {
		copied := *ev
		copied.Failure = &model.Failure{Message: "failed without a reason given"}
		ev = &copied
	}
	if op.hook != nil && op.hook.Answered(op, ev) {
		return
	}
	op.Payload, op.Failure = ev.Payload, ev.Failure
	x.held += int64(len(op.Payload))
	op.Finish()
}

func failed(k model.Kind) bool {
	return k == model.TaskFailed || k == model.ChildFailed || k == model.EntityOperationFailed
}

func (x *Execution) resumed() {
	x.suspended = false
	held := x.deferred
	x.deferred = nil
	for i := range held {
		x.deliver(&held[i])
	}
}

// leave takes an event that came too late for this execution. The next one, if
// there is one, gets the external events.
func (x *Execution) leave(ev *model.Event) {
	n := len(x.out)
	if ev.Kind != model.EventRaised || n == 0 {
		return
	}
	if ext := x.out[n-1].Ext; x.out[n-1].Kind == model.ExecutionCompleted && ext.Status == model.ContinuedAsNew {
		ext.CarryOver = append(ext.CarryOver, *ev)
	}
}

// wake notes that a coroutine can go on.
func (x *Execution) wake(c *coroutine) {
	if !c.queued && !x.unwinding.Load() {
		c.queued = true
		x.ready = append(x.ready, c)
	}
}

// run resumes coroutines, first come first served, until all wait.
func (x *Execution) run() {
	for i := 0; i < len(x.ready) && !x.done && x.diverged == nil; i++ {
		c := x.ready[i]
		c.queued = false
		x.current = c
		if !c.idle && c.self != 0 {
			x.running.Store(c)
		} // else work does so, once the coroutine knows itself
		c.idle = false
		c.next()
		x.running.Store(nil)
		x.current = nil
		if c.idle {
			x.forget(c)
			x.Pool.put(c)
		}
	}
	x.ready = x.ready[:0]
	if x.done {
		x.Unwind()
	}
}

func (x *Execution) forget(c *coroutine) {
	for i, other := range x.coroutines {
		if other == c {
			x.coroutines = append(x.coroutines[:i], x.coroutines[i+1:]...)
			return
		}
	}
}

// runProgram runs in the first coroutine.
func (x *Execution) runProgram() {
	input := x.started.Payload
	x.started.Payload = nil // not needed for as long as the execution lives
	x.conclude(x.Program.Run(x, input))
}

// Go runs body in a coroutine of its own as soon as the calling one waits.
func (x *Execution) Go(body func()) {
	x.enter()
	if x.inert() {
		return
	}
	c := x.Pool.get()
	c.x, c.body = x, body
	x.coroutines = append(x.coroutines, c)
	x.wake(c)
}

// conclude ends the execution with the outcome of its code.
func (x *Execution) conclude(out Outcome) {
	ev := model.Event{Kind: model.ExecutionCompleted, Payload: out.Payload, Failure: out.Failure}
	switch {
	case out.Failure != nil:
		ev.Payload, ev.Ext = nil, extFailed
	case out.Again != nil:
		ev.Ext = &model.Ext{Status: model.ContinuedAsNew, NewVersion: out.Again.Version}
		if !out.Again.DropEvents {
			ev.Ext.CarryOver = x.carryOver()
		}
	default:
		ev.Ext = extCompleted
	}
	x.end(&ev)
}

var (
	extCompleted = &model.Ext{Status: model.Completed}
	extFailed    = &model.Ext{Status: model.Failed}
)

// Fail ends the execution from within its code.
func (x *Execution) Fail(f *model.Failure) { x.fail(f) }

func (x *Execution) fail(f *model.Failure) { x.conclude(Outcome{Failure: f}) }

func (x *Execution) end(ev *model.Event) {
	if x.done || x.diverged != nil || x.unwinding.Load() {
		return
	}
	if x.AtEnd != nil {
		end := x.AtEnd
		x.AtEnd, x.ending = nil, true
		end()
		x.ending = false
	}
	if x.emit(ev) {
		x.done = true
	}
	if x.running.Load() == nil {
		x.Unwind() // it was not the code that ended
	}
}

// Unwind gives the execution up: what waits in the middle of its code runs its
// deferred functions and is gone. It must not be called from the code itself.
func (x *Execution) Unwind() {
	if len(x.coroutines) == 0 {
		return
	}
	x.unwinding.Store(true)
	for len(x.coroutines) > 0 {
		c := x.coroutines[len(x.coroutines)-1]
		x.coroutines = x.coroutines[:len(x.coroutines)-1]
		c.unwind()
	}
	x.ready = nil
}

// Cost estimates the memory that the execution holds, in bytes. What the code
// keeps of the results that it was given is not known.
func (x *Execution) Cost() int64 {
	return 3<<10 + 8<<10*int64(len(x.coroutines)) + 350*int64(len(x.ops.at)-x.ops.head) + 200*int64(len(x.out)) + x.held + x.input
}

// CurrentStack returns the stack of the coroutine that is running, for a report
// about a step that takes long; "" if none is. It may be called from any
// goroutine and stops the world for a moment.
func (x *Execution) CurrentStack() string {
	c := x.running.Load()
	if c == nil {
		return ""
	}
	return StackOf(c.label)
}

// enter checks that the caller is the code that is running, and returns its coroutine.
// Every call comes here first, also one that is refused before it would have an effect.
func (x *Execution) enter() *coroutine {
	c := x.running.Load()
	if c == nil || c.self != goroutine() {
		misuse(x)
	}
	if x.unwinding.Load() {
		x.swallow()
	}
	return c
}

// inert reports whether calls must have no effect: while unwinding, and after
// the execution has ended, for what a branch or deferred function still does.
func (x *Execution) inert() bool { return x.unwinding.Load() || x.done }

// maxSwallowed is how many calls without effect an execution makes that is being
// unwound. More is a deferred function that repeats something until it succeeds.
const maxSwallowed = 100_000

// maxSwallowedMore is how many it makes after that until the next function is ended: each
// of many branches may have one.
const maxSwallowedMore = 1_000

// swallow counts a call without effect. Code that does not stop making them would hold
// up whoever unwinds it for good: its function is ended, and those deferred before it run.
func (x *Execution) swallow() {
	if x.swallowed++; x.swallowed > maxSwallowed {
		x.swallowed = maxSwallowed - maxSwallowedMore
		runtime.Goexit()
	}
}

// misuse refuses a call that no replay could repeat.
func misuse(x *Execution) {
	panic(fmt.Sprintf("durable: the context of orchestration %q (%s) was used outside of the code that it runs: by another goroutine "+
		"(use durable.Go or an activity instead), by a retry handler, or after the orchestration had ended", x.started.Name, x.Instance))
}
