package remote

import (
	"sync"
	"time"
)

// outbox sends results, several at a time.
type outbox struct {
	deliver func(*result)
	cut     func() // breaks off what is under way
	after   func(time.Duration, func()) (stop func())
	mu      sync.Mutex
	cond    sync.Cond
	// guarded by mu
	queue   []result
	head    int
	idle    int // senders that wait, and that nobody has woken
	senders int
	closed  bool
	all     sync.WaitGroup
}

const (
	// maxSenders bounds the calls under way. As many results as there are may
	// wait: they are of items, whose number the worker's limits bound.
	maxSenders = 256
	// closeTime is how long results are sent on after the worker is closed.
	closeTime = 5 * time.Second
)

func newOutbox(c *connection) *outbox {
	o := &outbox{deliver: c.deliver, cut: c.cancel, after: c.clock.AfterFunc}
	o.cond.L = &o.mu
	return o
}

func (o *outbox) add(r result) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.push(r)
}

// push queues a result, and wakes or starts a sender for it. The mutex is held.
func (o *outbox) push(r result) {
	o.queue = append(o.queue, r)
	switch {
	case o.idle > 0:
		o.idle-- // now, not when it wakes: the next result is another's
		o.cond.Signal()
	case o.senders < maxSenders && !o.closed:
		o.senders++
		o.all.Go(o.work)
	}
}

// pop takes the result that has waited longest. The mutex is held.
func (o *outbox) pop() result {
	r := o.queue[o.head]
	o.queue[o.head] = result{}
	o.head++
	if o.head == len(o.queue) {
		o.queue, o.head = o.queue[:0], 0
	} else if o.head >= 1024 && o.head >= len(o.queue)/2 { // what never is empty must not grow
		n := copy(o.queue, o.queue[o.head:])
		clear(o.queue[n:])
		o.queue, o.head = o.queue[:n], 0
	}
	return r
}

// work sends results until the outbox is closed and empty.
func (o *outbox) work() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for {
		if len(o.queue) == 0 {
			if o.closed {
				return
			}
			o.idle++
			o.cond.Wait()
			continue
		}
		r := o.pop()
		o.mu.Unlock()
		o.deliver(&r)
		o.mu.Lock()
	}
}

// close waits until all is sent, for a while.
func (o *outbox) close() {
	o.mu.Lock()
	o.closed = true
	o.cond.Broadcast()
	o.mu.Unlock()
	done := make(chan struct{})
	go func() {
		o.all.Wait()
		close(done)
	}()
	late := make(chan struct{})
	stop := o.after(closeTime, func() { close(late) })
	defer stop()
	select {
	case <-done:
		return
	case <-late:
	}
	o.cut()
	<-done
}
