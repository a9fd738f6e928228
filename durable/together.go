package durable

import (
	"errors"
	"iter"

	"github.com/netherite-go/netherite/worker/replay"
)

// All waits for every future and returns their values by position. If any
// failed, the error joins all errors, the first by position first.
func All[T any](_ *Context, fs ...*Future[T]) ([]T, error) {
	values := make([]T, len(fs))
	var errs []error
	for i, f := range fs {
		v, err := f.Await()
		values[i] = v
		if err != nil {
			errs = append(errs, err)
		}
	}
	return values, join(errs)
}

// All2 is All for two futures of different types.
func All2[A, B any](_ *Context, a *Future[A], b *Future[B]) (A, B, error) {
	va, erra := a.Await()
	vb, errb := b.Await()
	return va, vb, join([]error{erra, errb})
}

// All3 is All for three futures of different types.
func All3[A, B, C any](_ *Context, a *Future[A], b *Future[B], c *Future[C]) (A, B, C, error) {
	va, erra := a.Await()
	vb, errb := b.Await()
	vc, errc := c.Await()
	return va, vb, vc, join([]error{erra, errb, errc})
}

// WaitAll waits for futures of any types. The values are theirs to give; the
// error is as that of All.
func WaitAll(_ *Context, as ...Awaitable) error {
	var errs []error
	for _, a := range as {
		if err := a.outcome(); err != nil {
			errs = append(errs, err)
		}
	}
	return join(errs)
}

// join is errors.Join, but leaves a single error as it is.
func join(errs []error) error {
	var one error
	n := 0
	for _, err := range errs {
		if err != nil {
			one = err
			n++
		}
	}
	if n <= 1 {
		return one
	}
	return errors.Join(errs...)
}

// First waits until one of the futures is done and returns its position, and
// its error. If several are done, it is the one that was first. The waits of the
// others end: a timer is taken back, a future of an external event no longer
// takes one (both are then done with ErrCanceled); activities and
// sub-orchestrations run on, and can still be awaited.
func First(ctx *Context, as ...Awaitable) (int, error) {
	if len(as) == 0 {
		return -1, errors.New("durable.First: there is nothing to wait for")
	}
	ops := operations(as)
	first := replay.WaitFirst(ctx.x, ops)
	if first < 0 {
		return -1, ErrUnwinding
	}
	for i, op := range ops {
		if i != first && op.Waits() {
			op.Cancel(ErrCanceled)
		}
	}
	return first, as[first].outcome()
}

// Completed yields the futures with their positions in the order in which they
// are done, waiting for the next one each time. Stopping early leaves the rest alone.
// A future that is given several times is yielded as often.
func Completed[T any](ctx *Context, fs ...*Future[T]) iter.Seq2[int, *Future[T]] {
	return func(yield func(int, *Future[T]) bool) {
		ops := make([]*replay.Op, len(fs))
		for i, f := range fs {
			ops[i] = &f.op
		}
		next := positions(ops)
		q := replay.NewQueue(ctx.x, ops)
		defer q.Close()
		for range fs {
			op := q.Next()
			if op == nil {
				return
			}
			if i := next(op); !yield(i, fs[i]) {
				return
			}
		}
	}
}

// positions returns a function that tells where an operation is in a list: each time
// it is asked for the same one the next such place.
func positions(ops []*replay.Op) func(*replay.Op) int {
	first := make(map[*replay.Op]int, len(ops))
	var later []int // by position, that of the same operation after it; nil if there are no such
	for i := len(ops) - 1; i >= 0; i-- {
		if p, again := first[ops[i]]; again {
			if later == nil {
				later = make([]int, len(ops))
			}
			later[i] = p
		}
		first[ops[i]] = i
	}
	return func(op *replay.Op) int {
		i := first[op]
		if later != nil {
			first[op] = later[i]
		}
		return i
	}
}
