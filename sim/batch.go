package sim

import (
	"context"
	"runtime"
	"sync"
)

// Batch runs the seeds first, first+1... on all processors and calls done with
// their results, in order. It ends early with ctx.
func Batch(ctx context.Context, first uint64, seeds int, o Options, done func(Result)) {
	results := make([]chan Result, seeds)
	for i := range results {
		results[i] = make(chan Result, 1)
	}
	next := make(chan int)
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for i := range next {
				results[i] <- Run(first+uint64(i), o)
			}
		})
	}
	go func() {
		defer close(next)
		for i := range seeds {
			select {
			case next <- i:
			case <-ctx.Done():
				return
			}
		}
	}()
	for _, r := range results {
		select {
		case result := <-r:
			done(result)
		case <-ctx.Done():
			wg.Wait()
			return
		}
	}
	wg.Wait()
}
