package remote

import (
	"sync"
	"testing"
	"time"
)

func outboxOf(deliver func(*result)) *outbox {
	o := &outbox{deliver: deliver, cut: func() {}, after: func(time.Duration, func()) func() { return func() {} }}
	o.cond.L = &o.mu
	return o
}

// A result waits for no other while there may be more senders: that other may wait for
// room in the server for minutes.
func TestNoResultWaitsForAnother(t *testing.T) {
	var both sync.WaitGroup
	o := outboxOf(func(r *result) {
		if r.after > 0 {
			both.Done()
			both.Wait()
		}
	})
	o.add(result{})
	for idle := 0; idle == 0; { // its sender waits for more
		o.mu.Lock()
		idle = o.idle
		o.mu.Unlock()
	}
	both.Add(2)
	o.mu.Lock()
	o.push(result{after: 1})
	o.push(result{after: 1})
	o.mu.Unlock()
	both.Wait()
	o.close()
}

// However long results come as fast as they are sent, they take no more memory than those
// that wait.
func TestTheQueueOfResultsDoesNotGrowWithTime(t *testing.T) {
	o := outboxOf(nil)
	o.senders = maxSenders
	o.mu.Lock()
	defer o.mu.Unlock()
	o.push(result{})
	for range 100_000 {
		o.push(result{})
		o.pop()
	}
	if n := cap(o.queue); n > 10_000 {
		t.Errorf("room for %d results, and one waits", n)
	}
}
