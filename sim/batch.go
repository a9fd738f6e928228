package sim

import (
	"context"
	"runtime"
	"sync"
)

// Batch runs the seeds first, first+1... on all processors and calls done with
// their results, in order. It ends early with ctx, or when done says so.
func Batch(ctx context.Context, first uint64, seeds int, o Options, done func(Result) (more bool)) {
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	next := make(chan chan Result)
	seed := first
	var mu sync.Mutex
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for {
				mu.Lock() // so that results come in the order of seeds
				mine := seed
				seed++
				result := make(chan Result, 1)
				select {
				case next <- result:
				case <-ctx.Done():
					mu.Unlock()
					return
				}
				mu.Unlock()
				result <- Run(mine, o)
			}
		})
	}
	pending := make([]chan Result, 0, seeds)
	for got := 0; got < seeds; {
		var first <-chan Result
		if len(pending) > 0 {
			first = pending[0]
		}
		take := next
		if got+len(pending) == seeds {
			take = nil
		}
		select {
		case r := <-take:
			pending = append(pending, r)
		case r := <-first:
			pending = pending[1:]
			if got++; !done(r) {
				return
			}
		case <-ctx.Done():
			return
		}
	}
}
