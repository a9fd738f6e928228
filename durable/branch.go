package durable

import "github.com/netherite-go/netherite/worker/replay"

// Go runs fn as a branch: beside the code that calls Go, but never at the same
// time. One branch runs until it waits for something durable, then the next;
// the order is the same in every replay. Its result is a future. A panic in a
// branch fails the orchestration. Branches that have not ended when the
// orchestration does are given up.
func Go[T any](ctx *Context, fn func(*Context) (T, error)) *Future[T] {
	f := &Future[T]{}
	f.op.Init(ctx.x, "branch")
	ctx.x.Go(func() {
		value, err := fn(ctx)
		if f.op.Done() { // it was cancelled, which somebody may have seen
			return
		}
		f.value, f.op.Err = value, err
		f.op.Finish()
	})
	return f
}

// operations lists what is under awaitables.
func operations(as []Awaitable) []*replay.Op {
	ops := make([]*replay.Op, len(as))
	for i, a := range as {
		ops[i] = a.operation()
	}
	return ops
}
