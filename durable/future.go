package durable

import (
	"fmt"

	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

// Awaitable is what an orchestration can wait for: every Future.
type Awaitable interface {
	operation() *replay.Op
	outcome() error
}

// Future is the result of something that an orchestration has asked for. To First and
// Completed, the zero Future is one that is never done.
type Future[T any] struct {
	op      replay.Op
	env     *worker.Env
	settled bool
	value   T
	err     error
}

// Await blocks until the outcome is known and returns it. What failed elsewhere
// is a *TaskError. Awaiting twice gives the same outcome.
func (f *Future[T]) Await() (T, error) {
	if !f.settled {
		if !f.op.Wait() {
			return f.value, ErrUnwinding
		}
		f.settle()
	}
	if f.err == errUndecodable {
		f.err = taskError(f.op.Name, FailureOf(f.err))
	}
	return f.value, f.err
}

// Done reports whether the outcome is known, so that Await would not block.
func (f *Future[T]) Done() bool { return f.op.Done() }

// Cancel gives up waiting: the future is done with ErrCanceled. A timer is taken
// back; an activity that has not begun will not begin, and one that runs has its
// context cancelled; for anything else only the answer is ignored. Without
// effect if the outcome is known.
func (f *Future[T]) Cancel() { f.op.Cancel(ErrCanceled) }

func (f *Future[T]) operation() *replay.Op { return &f.op }

func (f *Future[T]) outcome() error {
	_, err := f.Await()
	return err
}

// settle turns what was answered into a value or an error, once.
func (f *Future[T]) settle() {
	f.settled = true
	switch {
	case f.op.Err != nil:
		f.err = f.op.Err
	case f.op.Failure != nil:
		f.err = taskError(f.op.Name, f.op.Failure)
	case f.env != nil:
		f.err = errUndecodable // until it is known, as decoding may panic and be awaited again
		f.value, f.err = decode[T](f.env, "result", f.op.TakePayload())
		if f.err != nil {
			f.err = taskError(f.op.Name, FailureOf(f.err))
		}
	}
}

// errUndecodable is the outcome if decoding the result panicked, before somebody awaits
// it again.
var errUndecodable = NonRetriable(fmt.Errorf("%w: decoding the result panicked", ErrPayload))

// newFuture makes a future whose answer is a payload.
func newFuture[T any](ctx *Context, name string) *Future[T] {
	ctx.x.Now() // checks the caller, before anything is counted
	f := &Future[T]{env: ctx.env}
	f.op.Init(ctx.x, name)
	return f
}

// refuse makes the future done with an error, in the form that it would have
// had if it had failed elsewhere.
func (f *Future[T]) refuse(err error) *Future[T] {
	f.op.Failure = FailureOf(err)
	f.op.Finish()
	return f
}
