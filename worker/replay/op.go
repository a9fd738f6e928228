package replay

import (
	"github.com/netherite-go/netherite/model"
)

// Op is something an orchestration may wait for: an activity, a child, a timer,
// an external event, an entity's answer, a lock, a branch. Futures embed it. It
// is done once, with a payload, a failure or an error.
type Op struct {
	x *Execution

	// Name says whose failure this is, for error messages: "activity Charge".
	Name string
	// Payload is the result, until somebody has taken it.
	Payload []byte
	// Failure is set if the work failed.
	Failure *model.Failure
	// Err is set if the outcome was decided here: cancelled, refused, a branch's error.
	Err error

	hook    Hook
	instead *Op // outstanding in its place: the delay before a retry
	watcher watcher
	more    []watcher
	order   uint32 // 1, 2, 3... in the order of completion; 0 not done
	id      int32  // of the outstanding action, NoID if none
	kind    opKind
}

type opKind uint8

const (
	opOther opKind = iota
	opTask
	opTimer
	opEvent
)

// Hook sees the answers to an operation first, to retry it.
type Hook interface {
	// Asked is called in a replay, with what had been asked for then. What that refers to
	// is the history's: it must not be changed, and is to be copied if it is kept.
	Asked(ev model.Event)
	// Answered is called while the answer is delivered, outside of any
	// coroutine. True means that the operation goes on: the answer is dropped.
	Answered(op *Op, ev *model.Event) bool
}

// watcher is told when an operation is done.
type watcher interface{ completed(op *Op) }

// completed implements watcher: the coroutine can go on.
func (c *coroutine) completed(*Op) { c.x.wake(c) }

// Init prepares an operation of x before anything else is done with it.
func (op *Op) Init(x *Execution, name string) { op.x, op.Name, op.id = x, name, model.NoID }

// Execution returns the execution that the operation belongs to.
func (op *Op) Execution() *Execution { return op.x }

// Done reports whether the outcome is known.
func (op *Op) Done() bool { return op.order != 0 }

// SetHook installs a hook.
func (op *Op) SetHook(h Hook) { op.hook = h }

// Delegate says that another operation is outstanding in this one's place, so
// that cancelling this one cancels the other.
func (op *Op) Delegate(to *Op) { op.instead = to }

// Finish makes the operation done with what its fields hold.
func (op *Op) Finish() {
	if op.order != 0 {
		return
	}
	op.id, op.hook, op.instead = model.NoID, nil, nil
	op.x.completions++
	op.order = op.x.completions
	if w := op.watcher; w != nil {
		op.watcher = nil
		w.completed(op)
	}
	for _, w := range op.more {
		w.completed(op)
	}
	op.more = nil
}

// Waits reports whether the operation is nothing but a wait, so that ending it
// loses nothing: a timer, or an external event that has not come.
func (op *Op) Waits() bool { return op.order == 0 && (op.kind == opTimer || op.kind == opEvent) }

// Wait blocks the calling coroutine until the operation is done. It reports
// false, at once, while the execution is being unwound.
func (op *Op) Wait() bool {
	c := op.x.enter()
	for op.order == 0 {
		if op.x.inert() {
			return false
		}
		op.watch(c)
		c.park()
	}
	return true
}

// TakePayload returns the payload and forgets it.
func (op *Op) TakePayload() []byte {
	p := op.Payload
	op.Payload = nil
	op.x.held -= int64(len(p))
	return p
}

// watch has w told once, though it may have been here before.
func (op *Op) watch(w watcher) {
	if op.watcher != w {
		op.tell(w)
	}
}

// tell has w told once more. Of an operation of nobody there is nothing to tell.
func (op *Op) tell(w watcher) {
	if op.x == nil {
		return // without a trace: several executions may have it
	}
	if op.watcher == nil {
		op.watcher = w
	} else {
		op.more = append(op.more, w)
	}
}

func (op *Op) unwatch(w watcher) {
	if op.watcher == w {
		op.watcher = nil
	}
	for i, other := range op.more {
		if other == w {
			op.more = append(op.more[:i], op.more[i+1:]...)
			return
		}
	}
}

// WaitFirst blocks the calling coroutine until one of the operations is done
// and returns which was first, or -1 while the execution is being unwound.
func WaitFirst(x *Execution, ops []*Op) int {
	c := x.enter()
	x.owns(ops)
	for {
		first := -1
		for i, op := range ops {
			if op.order != 0 && (first < 0 || op.order < ops[first].order) {
				first = i
			}
		}
		if first >= 0 || x.inert() {
			return first
		}
		for _, op := range ops {
			op.watch(c)
		}
		c.park()
		for _, op := range ops {
			op.unwatch(c)
		}
	}
}

// owns refuses operations of others: whoever makes them done would resume this
// execution's code, which may be running. Those of nobody are never done.
func (x *Execution) owns(ops []*Op) {
	for _, op := range ops {
		if op.x != x && op.x != nil {
			misuse(op.x)
		}
	}
}

// Queue yields operations in the order of their completion.
type Queue struct {
	x       *Execution
	done    []*Op
	waiting *coroutine
	open    []*Op
}

// NewQueue watches the operations until Close. One that is given several times is
// yielded as often.
func NewQueue(x *Execution, ops []*Op) *Queue {
	x.enter()
	x.owns(ops)
	q := &Queue{x: x, open: ops}
	for _, op := range ops {
		if op.order != 0 {
			q.done = append(q.done, op)
		} else {
			op.tell(q)
		}
	}
	sortByOrder(q.done)
	return q
}

// Next blocks the calling coroutine until one more operation is done; nil while
// the execution is being unwound. It must not be called more often than there
// are operations.
func (q *Queue) Next() *Op {
	c := q.x.enter()
	for len(q.done) == 0 {
		if q.x.inert() {
			return nil
		}
		q.waiting = c
		c.park()
		q.waiting = nil
	}
	op := q.done[0]
	q.done = q.done[1:]
	return op
}

// Close stops watching.
func (q *Queue) Close() {
	for _, op := range q.open {
		op.unwatch(q)
	}
	q.open = nil
}

func (q *Queue) completed(op *Op) {
	q.done = append(q.done, op)
	if q.waiting != nil {
		q.x.wake(q.waiting)
	}
}
