package worker

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
)

// ActivityContext is the context of one attempt of an activity. It is done when
// the attempt's time is up, when nobody wants its result any more, or when the
// worker closes. It is one small object instead of a tree of contexts, because
// activities may be as short as a microsecond.
type ActivityContext struct {
	Item *engine.ActivityItem

	traced   *tracedActivity // nil: not traced
	deadline time.Time
	stopped  atomic.Bool // whoever gave out the item wants no outcome
	waiters  *waiters    // nil: not counted

	mu        sync.Mutex
	onlyWaits bool
	back      time.Duration            // after which the item may be offered again
	closing   bool                     // the worker
	requests  map[requestDigest]uint32 // made so far, by what they ask for
	done      chan struct{}
	err       error
	after     map[*func()]struct{}
}

var _ context.Context = (*ActivityContext)(nil)

// NewActivityContext makes the context of an item. The deadline may be zero.
func NewActivityContext(item *engine.ActivityItem, deadline time.Time) *ActivityContext {
	return &ActivityContext{Item: item, deadline: deadline}
}

type activityKey struct{}

// ActivityOf returns the activity that ctx belongs to, or nil.
func ActivityOf(ctx context.Context) *ActivityContext {
	a, _ := ctx.Value(activityKey{}).(*ActivityContext)
	return a
}

// Deadline implements context.Context.
func (c *ActivityContext) Deadline() (time.Time, bool) { return c.deadline, !c.deadline.IsZero() }

// Done implements context.Context.
func (c *ActivityContext) Done() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done = make(chan struct{})
		if c.err != nil {
			close(c.done)
		}
	}
	return c.done
}

// Err implements context.Context.
func (c *ActivityContext) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// Value implements context.Context.
func (c *ActivityContext) Value(key any) any {
	if _, ok := key.(activityKey); ok {
		return c
	}
	if c.traced != nil {
		return c.traced.ctx.Value(key)
	}
	return nil
}

// AfterFunc calls f in a goroutine of its own once the context is done. Package
// context uses it, so that contexts derived from this one need no goroutine.
func (c *ActivityContext) AfterFunc(f func()) (stop func() bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		go f()
		return func() bool { return false }
	}
	if c.after == nil {
		c.after = map[*func()]struct{}{}
	}
	c.after[&f] = struct{}{}
	return func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		_, waiting := c.after[&f]
		delete(c.after, &f)
		return waiting
	}
}

// Cancel makes the context done with an error, once.
func (c *ActivityContext) Cancel(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.err != nil {
		return
	}
	c.err = err
	if c.done != nil {
		close(c.done)
	}
	for f := range c.after { // order-free: each runs in a goroutine of its own
		go (*f)()
	}
	c.after = nil
}

// OnlyWaits tells that the attempt does nothing from now on but wait for what another
// attempt finds again, such as an instance. A worker that closes does not wait for it:
// the context is done then, and the activity is given back if the attempt fails.
//
// It returns false if half of the activities that the worker runs at a time only wait:
// what they wait for may need a place, too. Then the attempt is to return the error of
// GiveBack.
func (c *ActivityContext) OnlyWaits() bool {
	c.mu.Lock()
	if !c.onlyWaits && c.waiters != nil && !c.waiters.enter() {
		c.mu.Unlock()
		return false
	}
	c.onlyWaits = true
	closing := c.closing
	c.mu.Unlock()
	if closing {
		c.stop()
	}
	return true
}

// errGivenBack is what an attempt fails with that gives its item back.
var errGivenBack = errors.New("the activity is given back, and will be offered again")

// GiveBack returns an error for the attempt to return: then the activity has no outcome,
// but is offered again after a delay. That is no failure, and counts as no attempt of a
// retry policy.
func (c *ActivityContext) GiveBack(delay time.Duration) error {
	c.mu.Lock()
	c.back = delay
	c.mu.Unlock()
	c.stopped.Store(true)
	return errGivenBack
}

// delay is after which time an item that is given back may be offered again.
func (c *ActivityContext) delay() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.back
}

// ended gives up the attempt's place among those that only wait.
func (c *ActivityContext) ended() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.onlyWaits && c.waiters != nil {
		c.waiters.n.Add(-1)
	}
	c.onlyWaits, c.waiters = false, nil
}

// waiters counts the activities of a worker that only wait.
type waiters struct {
	n    atomic.Int64
	most int64
}

func (w *waiters) enter() bool {
	if w.n.Add(1) > w.most {
		w.n.Add(-1)
		return false
	}
	return true
}

// workerCloses stops an attempt that only waits, now or later.
func (c *ActivityContext) workerCloses() {
	c.mu.Lock()
	c.closing = true
	only := c.onlyWaits
	c.mu.Unlock()
	if only {
		c.stop()
	}
}

// Closing reports whether the worker closes: whatever refuses requests since then, such
// as the hub that the worker belongs to, the attempt will find open when it is run again.
func (c *ActivityContext) Closing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// stop makes the context done. What the attempt fails with is no outcome then.
func (c *ActivityContext) stop() {
	c.stopped.Store(true)
	c.Cancel(context.Canceled)
}

// IdempotencyKey names the logical call that the attempt belongs to: the same
// for each of its attempts and re-executions, different for every other call.
// It is the hex SHA-256 of the execution, the call's ordinal among those of its
// execution with the same name and input, the name, and the input's digest.
func (c *ActivityContext) IdempotencyKey() string {
	h := sha256.New()
	h.Write(c.Item.Execution[:])
	var n [4]byte
	binary.LittleEndian.PutUint32(n[:], uint32(c.Item.Call))
	h.Write(n[:])
	binary.LittleEndian.PutUint32(n[:], uint32(len(c.Item.Name)))
	h.Write(n[:])
	h.Write([]byte(c.Item.Name))
	if planted.KeyOfAttempt {
		binary.LittleEndian.PutUint32(n[:], uint32(c.Item.Attempt))
		h.Write(n[:])
	}
	if !planted.KeyWithoutInput {
		input := sha256.Sum256(c.Item.Input)
		h.Write(input[:])
	}
	return hex.EncodeToString(h.Sum(nil))
}
