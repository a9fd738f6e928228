package bench

import (
	"cmp"
	"context"
	"errors"
	"math"
	"sync"
	"sync/atomic"
	"time"
)

// maxOpen is the default of load.atOnce.
const maxOpen = 10_000

// drainLimit is how long operations of an open loop may go on after its end. A
// rate that the hub cannot keep up with leaves up to maxOpen of them, of which
// each may be the work of seconds.
const drainLimit = 30 * time.Second

// errOverdue fails the operations that had not ended by then.
var errOverdue = errors.New("not ended " + drainLimit.String() + " after the last operation was to start: the hub cannot keep up, offer less with --rate")

// open starts operations at the configured rate, total of them or, if that is 0,
// for the duration; each has a goroutine, and its latency counts from the moment at
// which it was meant to start. What could not be started in time, because too many
// were under way, counts as refused: in time is before the end of the duration,
// and with a total until drainLimit after the last was due. Then open waits, until
// drainLimit at most.
func (l *load) open(ctx context.Context, total int64, duration time.Duration) {
	grace := drainLimit
	if total == 0 {
		total, grace = int64(math.Ceil(duration.Seconds()*l.cfg.Rate)), 0
	} else {
		duration = l.due(total)
	}
	begin := time.Now()
	under, giveUp := context.WithCancelCause(ctx) // not cancelled otherwise: what operations leave behind may go on
	overdue := time.AfterFunc(duration+drainLimit, func() { giveUp(errOverdue) })
	defer overdue.Stop()
	late := time.NewTimer(duration + grace)
	defer late.Stop()
	slots := make(chan struct{}, cmp.Or(l.atOnce, maxOpen))
	var exhausted atomic.Bool
	var wg sync.WaitGroup
	for i := int64(0); i < total && under.Err() == nil && !exhausted.Load(); i++ {
		due := begin.Add(l.due(i))
		if wait := time.Until(due); wait > 0 {
			pause(under, wait)
		}
		if !take(under, slots, late.C) {
			if l.counting.Load() {
				l.refused.Add(total - i)
			}
			break
		}
		n := l.next.Add(1) - 1
		wg.Go(func() {
			defer func() { <-slots }()
			if l.call(under, int(n)%l.cfg.Clients, int(n), due) {
				exhausted.Store(true)
			}
		})
	}
	wg.Wait()
}

// due is when operation i is to start, after the beginning.
func (l *load) due(i int64) time.Duration {
	return time.Duration(float64(i) / l.cfg.Rate * float64(time.Second))
}

// take takes a slot, now if there is one, else before it is late.
func take(ctx context.Context, slots chan<- struct{}, late <-chan time.Time) bool {
	select {
	case slots <- struct{}{}:
		return true
	default:
	}
	select {
	case slots <- struct{}{}:
		return true
	case <-late:
	case <-ctx.Done():
	}
	return false
}
