package bench

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// refusedPause is how long a client waits after the hub has refused a request
// for back-pressure.
const refusedPause = 5 * time.Millisecond

// refusedLimit is how long an operation may be refused before it has failed: a
// hub that is overloaded has room again long before.
const refusedLimit = time.Minute

// isRefusal reports whether the hub has turned a request away and may take it
// later.
func isRefusal(err error) bool {
	return errors.Is(err, engine.ErrBusy) || errors.Is(err, engine.ErrDiskFull)
}

// spread calls do for 0 to n-1, several at a time, until one fails. What the hub
// refuses for back-pressure is tried again.
func spread(ctx context.Context, clients, n int, do func(i int) error) error {
	var next atomic.Int64
	var failed atomic.Bool
	errs := make([]error, min(clients, n))
	var wg sync.WaitGroup
	for c := range errs {
		wg.Go(func() {
			for !failed.Load() {
				i := int(next.Add(1) - 1)
				if i >= n {
					return
				}
				if errs[c] = admitted(ctx, func() error { return do(i) }); errs[c] != nil {
					failed.Store(true)
				}
			}
		})
	}
	wg.Wait()
	return errors.Join(errs...)
}

// admitted makes a request until the hub does not refuse it for back-pressure.
func admitted(ctx context.Context, request func() error) error {
	for {
		err := request()
		if err == nil || !errors.Is(err, engine.ErrBusy) {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		pause(ctx, refusedPause)
	}
}
