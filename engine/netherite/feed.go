package netherite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// abandonDelay is how long work waits that a worker could not run at all.
const abandonDelay = time.Second

// handler names code: what a worker must have to run an item.
type handler struct {
	kind    engine.ItemKind
	name    string
	version string
}

func (k handler) String() string {
	if k.version == "" {
		return k.kind.String() + " " + k.name
	}
	return fmt.Sprintf("%s %s version %s", k.kind, k.name, k.version)
}

// feed is the hub's side of all worker connections. It outlives nodes.
type feed struct {
	e       *Engine
	version atomic.Uint64 // grows with every change of conns
	workers atomic.Int64  // of conns, those that do not leave
	live    atomic.Int64  // orchestrations that all workers together keep alive; 0 if one does not say
	handed  atomic.Uint64 // activities; the last number of a hand-out

	mu     sync.Mutex
	conns  []*conn
	node   *node         // nil while there is none
	since  time.Duration // when it came, by its clock
	absent absences
}

// conn is one worker's connection.
type conn struct {
	f      *feed
	w      engine.Worker
	limits [3]int
	live   int
	at     atomic.Pointer[attachment] // nil once closed, or while there is no node
	closed atomic.Bool
	leaves bool // it is handed nothing more; guarded by f.mu
}

var (
	_ engine.Connection = (*conn)(nil)
	_ engine.Leaver     = (*conn)(nil)
)

// attachment is a connection's part in one node: what the worker has from it.
type attachment struct {
	n      *node
	kinds  [3]slots
	shards []shard // by partition
}

// shard is what a worker has of one partition, by the token without the number of a
// hand-out.
type shard struct {
	mu    sync.Mutex
	items map[engine.Token]handOut
}

// handOut is an item that a worker has.
type handOut struct {
	kind   engine.ItemKind
	number uint64 // of an activity
}

// token completes what names an item in a shard to the token of its hand-out.
func (o handOut) token(t engine.Token) engine.Token {
	t.HandOut = o.number
	return t
}

func newFeed(e *Engine) *feed { return &feed{e: e} }

// Connect attaches a worker.
func (e *Engine) Connect(w engine.Worker) (engine.Connection, error) {
	if e.closing.Load() {
		return nil, engine.ErrClosed
	}
	l, d := w.Limits(), e.opts.Limits
	orDefault(&l.Orchestrations, d.Orchestrations)
	orDefault(&l.Entities, d.Entities)
	orDefault(&l.Activities, d.Activities)
	c := &conn{f: e.feed, w: w}
	c.limits[engine.OrchestrationKind] = l.Orchestrations
	c.limits[engine.ActivityKind] = l.Activities
	c.limits[engine.EntityKind] = l.Entities
	c.live = l.Live
	e.feed.add(c)
	return c, nil
}

// add attaches a connection and wakes the work that waits for its code.
func (f *feed) add(c *conn) {
	f.mu.Lock()
	n := f.node
	if n != nil {
		c.at.Store(newAttachment(n, c.limits))
	}
	f.conns = append(slices.Clone(f.conns), c)
	f.workers.Add(1)
	f.countLive()
	f.version.Add(1)
	found := f.absent.found(c.w)
	f.mu.Unlock()
	n.wake(found)
}

// countLive sums up what workers keep alive. f.mu is held.
func (f *feed) countLive() {
	sum := 0
	for _, c := range f.conns {
		if c.leaves {
			continue
		}
		if c.live == 0 {
			sum = 0
			break
		}
		sum += c.live
	}
	f.live.Store(int64(sum))
}

func newAttachment(n *node, limits [3]int) *attachment {
	a := &attachment{n: n, shards: make([]shard, len(n.hosts))}
	for k := range a.kinds {
		a.kinds[k] = newSlots(limits[k], len(n.hosts))
	}
	return a
}

// attach gives all connections a new node.
func (f *feed) attach(n *node) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.node, f.since = n, n.clock.Mono()
	f.absent = absences{}
	for _, c := range f.conns {
		c.at.Store(newAttachment(n, c.limits))
	}
	f.version.Add(1)
}

// detach takes the node away from all connections: what their workers have of
// it is stale, and its activities are told so.
func (f *feed) detach() {
	f.mu.Lock()
	f.node = nil
	f.absent = absences{}
	conns := f.conns
	f.version.Add(1)
	f.mu.Unlock()
	for _, c := range conns {
		if a := c.at.Swap(nil); a != nil {
			for _, w := range a.takeAll() {
				if w.kind == engine.ActivityKind {
					mark.Hit(mark.ActivityLostWithNode)
					c.w.Cancel(w.token)
				}
			}
		}
	}
}

// drop makes all that workers have of a partition stale.
func (f *feed) drop(h *host) {
	f.mu.Lock()
	conns := f.conns
	f.absent.drop(h.id)
	f.mu.Unlock()
	for _, c := range conns {
		a := c.at.Load()
		if a == nil || a.n != h.n {
			continue
		}
		for _, w := range a.take(h.id) {
			if w.kind == engine.ActivityKind {
				c.w.Cancel(w.token)
			}
			a.free(w.kind, 1)
		}
	}
}

// takeAll empties an attachment: all that the worker has becomes stale.
func (a *attachment) takeAll() []held {
	var all []held
	for id := range a.shards {
		all = append(all, a.take(id)...)
	}
	return all
}

// take empties one partition's part of an attachment.
func (a *attachment) take(id int) (all []held) {
	s := &a.shards[id]
	s.mu.Lock()
	defer s.mu.Unlock()
	for t, o := range s.items {
		all = append(all, held{o.kind, o.token(t)})
	}
	slices.SortFunc(all, func(a, b held) int { return compareTokens(a.token, b.token) })
	clear(s.items)
	return all
}

// History implements engine.Connection. What it reads may not be durable yet:
// it is for the step that follows in the same log.
func (c *conn) History(ctx context.Context, item *engine.OrchestrationItem) ([]model.Event, error) {
	a := c.at.Load()
	if a == nil || int(item.Token.Partition) >= len(a.n.hosts) {
		return nil, c.stale(engine.OrchestrationKind, item.Token)
	}
	if len(item.Past) > 0 {
		return partition.PastOf(item) // as it was when the item was handed out, which is all the same
	}
	events, err := c.f.e.history(ctx, int(item.Token.Partition), nil, func() *call {
		return &call{done: make(chan struct{}, 1), read: readPast, key: partition.Key{Ord: item.Token.Instance}, live: true}
	})
	switch {
	case errors.Is(err, engine.ErrNotFound), err == nil && (int64(len(events)) != item.PastEvents || c.at.Load() != a):
		return nil, c.stale(engine.OrchestrationKind, item.Token)
	case err != nil:
		return nil, fmt.Errorf("read history of %q: %w", item.Instance, err)
	}
	return events, nil
}

// Close implements engine.Connection: what the worker has not completed is
// offered to others at once.
func (c *conn) Close() {
	if c.closed.Swap(true) {
		return
	}
	f := c.f
	f.mu.Lock()
	f.conns = slices.DeleteFunc(slices.Clone(f.conns), func(o *conn) bool { return o == c })
	if !c.leaves {
		f.workers.Add(-1)
	}
	f.countLive()
	f.version.Add(1)
	a, n := c.at.Swap(nil), f.node
	var more []map[uint32]*found
	for _, o := range f.conns { // which may take, or refuse, what they left to this one
		if !o.leaves {
			more = append(more, f.absent.found(o.w))
		}
	}
	f.mu.Unlock()
	for _, all := range more {
		if len(all) > 0 {
			n.wake(all)
		}
	}
	if a == nil {
		return
	}
	for _, w := range a.takeAll() {
		a.n.hosts[w.token.Partition].do(func(h *host) { h.abandon(w.kind, w.token) })
		mark.Hit(mark.ItemTakenBack)
		f.countAgain(w.kind)
		if !planted.ItemsNotReturned {
			a.n.returned(w.kind, 1)
		}
	}
	for _, h := range a.n.hosts {
		h.do((*host).askFresh) // and what waited for a slot of this worker may have to be set aside
	}
}

// Leave implements engine.Leaver.
func (c *conn) Leave() {
	f := c.f
	f.mu.Lock()
	if c.closed.Load() || c.leaves {
		f.mu.Unlock()
		return
	}
	c.leaves = true
	f.workers.Add(-1)
	f.countLive()
	f.version.Add(1)
	n := f.node
	f.mu.Unlock()
	n.wake(nil) // what waits for a slot of it may go to others
}

// route lists the connections that have code for the work, with the version of
// the feed for which that holds.
func (f *feed) route(k handler) ([]*conn, uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var able []*conn
	for _, c := range f.conns {
		if !c.leaves && c.w.Handles(k.kind, k.name, k.version) {
			able = append(able, c)
		}
	}
	return able, f.version.Load()
}

// connected reports whether there is any worker.
func (f *feed) connected() bool { return f.workers.Load() > 0 }

// all returns the connections.
func (f *feed) all() []*conn {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.conns
}

// cancelAll takes all activities back from the workers and tells them: a result
// that comes now is refused, so that the end by cancellation is not recorded.
func (f *feed) cancelAll() {
	f.mu.Lock()
	conns := f.conns
	f.mu.Unlock()
	for _, c := range conns {
		if a := c.at.Load(); a != nil {
			for _, t := range a.takeActivities() {
				a.n.returned(engine.ActivityKind, 1)
				c.w.Cancel(t)
			}
		}
	}
}

// takeActivities makes the activities that the worker has stale.
func (a *attachment) takeActivities() (all []engine.Token) {
	for i := range a.shards {
		s := &a.shards[i]
		s.mu.Lock()
		for t, o := range s.items {
			if o.kind == engine.ActivityKind {
				all = append(all, o.token(t))
				delete(s.items, t)
			}
		}
		s.mu.Unlock()
	}
	return all
}
