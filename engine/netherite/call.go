package netherite

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

// call is one request of a client to one partition, and its outcome. It is
// posted to the partition of the current node, and again to that of the next
// node if this one fails first: the caller sees nothing of it but the delay.
type call struct {
	done  chan struct{} // one token when the outcome is there
	state atomic.Int32  // callPending until it is answered or given up

	// A write is an event, a read a function that fills in the outcome and
	// releases the call.
	ev    partition.Event
	retry *bool // the event's: it may have been sent before
	began time.Duration
	read  func(*host, *call)
	key   partition.Key // what a read needs loaded

	get     engine.GetOptions
	until   engine.Until
	query   *engine.Query
	bound   partition.Bound // of what is wanted of the query
	live    bool            // the outcome need not be durable
	ord     uint64          // of the instance that a Wait waits for; 0 before it was found
	patient bool            // a read that waits, also for a full disk
	mark    uint64          // what a fresh read waits to be applied; 0 if it need not

	// The outcome.
	ans  partition.Answer
	inst *model.Instance
	past *pastRead // nil but for reads of this kind, so that a call is small
	page *pageRead
}

func newCall() *call { return &call{done: make(chan struct{}, 1)} }

// The states of a call. Who makes it leave callPending decides whose the outcome
// is, with all that it holds open.
const (
	callPending int32 = iota
	callAnswered
	callGivenUp
)

// release hands the outcome to the caller, if it still waits for one.
func (c *call) release() {
	if c.state.CompareAndSwap(callPending, callAnswered) {
		c.done <- struct{}{}
	} else if c.state.Load() == callGivenUp {
		c.closeViews()
	}
}

// fail is release with an error, unless there is an outcome. It is called by the
// partition that has the call.
func (c *call) fail(err error) {
	if c.pending() {
		c.ans.Err = err
	}
	c.release()
}

// pending reports whether somebody waits for an outcome that has not come.
func (c *call) pending() bool { return c.state.Load() == callPending }

// giveUp ends the wait. It returns false if the outcome has come meanwhile.
func (c *call) giveUp() bool { return c.state.CompareAndSwap(callPending, callGivenUp) }

// read has a call answered, unless nobody waits for it any more: forget may have been
// here before it.
func (h *host) read(c *call) {
	if c.pending() {
		c.read(h, c)
		return
	}
	c.release() // what an earlier attempt has opened
}

// answered queues a read's outcome to be released when what it depends on is
// durable.
func (c *call) answered(h *host) {
	if c.live {
		c.release()
		return
	}
	if h.n.commit.full.is() {
		h.answeredOnFullDisk(c)
		return
	}
	h.batch.out = append(h.batch.out, c)
}

// send has a partition handle the call and returns its outcome's error. The
// context bounds the wait.
func (e *Engine) send(ctx context.Context, id int, c *call) error {
	for attempt := 0; ; attempt++ {
		n, err := e.running(ctx, attempt == 0)
		if err != nil {
			if c.giveUp() {
				return err
			}
			return c.ans.Err
		}
		if attempt > 0 {
			mark.Hit(mark.CallSentAgain)
			// The last node's goroutines are gone: the call is nobody else's.
			select {
			case <-c.done:
				return c.ans.Err
			default:
				c.again(e.opts.Clock.Mono())
			}
		}
		h := n.hosts[id]
		if c.ev != nil {
			h.post(input{ev: c.ev})
		} else {
			h.post(input{call: c})
		}
		switch e.await(ctx, c, n) {
		case outcomeCame:
			return c.ans.Err
		case contextEnded:
			if c.giveUp() {
				mark.Hit(mark.CallGivenUp)
				h.forget(c)
				return context.Cause(ctx)
			}
			return c.ans.Err
		case engineClosed:
			if c.giveUp() {
				return engine.ErrClosed
			}
			return c.ans.Err
		}
	}
}

// waited is what ended the wait for a call's outcome.
type waited uint8

const (
	outcomeCame waited = iota
	contextEnded
	engineClosed
	nodeFailed
)

func (e *Engine) await(ctx context.Context, c *call, n *node) waited {
	if e.opts.park != nil {
		return e.parkForOutcome(ctx, c, n)
	}
	select {
	case <-c.done:
		return outcomeCame
	case <-ctx.Done():
		return contextEnded
	case <-e.closed:
		return engineClosed
	case <-n.failed:
		return nodeFailed
	}
}

// again prepares a call to be sent once more. A write is marked as repeated only
// if its partition may have forgotten the session meanwhile: that mark makes it
// refuse what it cannot tell from a repetition.
func (c *call) again(now time.Duration) {
	if start, ok := c.ev.(*partition.Start); ok {
		start.Unused = false // it may have begun the instance
	}
	if c.retry != nil && now-c.began > partition.SessionRetention/2 {
		*c.retry = true
	}
}

// sendWrite sends an event under a request number of this session.
func (e *Engine) sendWrite(ctx context.Context, instance string, c *call, client *partition.Client, retry *bool) error {
	if ctx.Err() != nil {
		return fmt.Errorf("nothing was sent: %w", context.Cause(ctx))
	}
	id := model.PartitionOf(instance, e.params.Partitions)
	w := &e.session.windows[id]
	if e.opts.park != nil {
		e.opts.park(func() bool { return w.roomy() || ctx.Err() != nil })
	}
	seq, err := w.open(ctx)
	if err != nil {
		return fmt.Errorf("nothing was sent: %w", err)
	}
	defer w.resolve(seq)
	client.Session, client.Seq, client.Floor = e.session.id, seq, w.lowest()
	c.retry, c.began = retry, e.opts.Clock.Mono()
	err = e.send(ctx, id, c)
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Cause(ctx)) {
		return fmt.Errorf("outcome unknown, it may still take effect: %w", err)
	}
	return err
}

// forget removes a call that nobody waits for any more from those that wait for
// a change.
func (h *host) forget(c *call) {
	if c.ev != nil || c.key.ID == "" {
		return
	}
	h.do(func(h *host) {
		id, waiting := c.key.ID, h.waiters[c.key.ID]
		for i, w := range waiting {
			if w == c {
				waiting[i] = waiting[len(waiting)-1]
				h.waiters[id] = waiting[:len(waiting)-1]
				break
			}
		}
		if len(h.waiters[id]) == 0 {
			delete(h.waiters, id)
		}
	})
}

// describe adds to an error what was attempted.
func describe(what, instance string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s %q: %w", what, instance, err)
}
