package durabletask

import (
	"context"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// This file is about workers that have no idea of entities. SDKs from before there
// were any drop such work without a word, so it would be theirs as long as their
// stream lives. Most workers do not say whether they have entities: a stream that
// does not gets one batch to try with, and more once it has answered that. If it
// has not for a while, it counts as one without entities until it does. Its batch
// stays its own as long as nobody else could do it: who is merely slow loses nothing.

// trialTime is after which time a first batch without an answer counts as dropped.
const trialTime = 10 * time.Second

// trust is what is known of whether a stream's worker has entities.
type trust uint8

const (
	trusted trust = iota // it said so, or has answered a batch
	untried
	tried   // it has its first batch
	doubted // it has not answered it for too long
	without // its SDK would have said so
)

// trial is a stream's first batch of operations. Guarded by session.mu.
type trial struct {
	trust   trust
	item    *engine.EntityItem   // the first batch, not yet answered
	waiting []*engine.EntityItem // what was offered meanwhile
	stop    func()               // the timer
	due     chan struct{}        // it is time to look what has become of it
}

// newTrial judges a worker by what it asks for.
func newTrial(q *wire.GetWorkItemsRequest, ours, java bool) trial {
	t := trial{trust: untried, stop: func() {}, due: make(chan struct{}, 1)}
	switch {
	case ours, q.GetWorkItemFilters() != nil:
		t.trust = trusted
	case java && q.GetMaxConcurrentEntityWorkItems() == 0:
		t.trust = without
	}
	return t
}

// isJava reports whether a call comes from the SDK for Java, which asks for a number
// of entities if it has any: the versions that do not know them, and those whose
// program has none, do not.
func isJava(ctx context.Context) bool {
	md, _ := metadata.FromIncomingContext(ctx)
	return slices.ContainsFunc(md.Get("user-agent"), func(agent string) bool { return strings.Contains(agent, "grpc-java-") })
}

// offerEntity queues a batch that was offered, or keeps it until the first one is
// answered. w.mu is held.
func (w *session) offerEntity(i *engine.EntityItem) {
	t := &w.trial
	if w.drains {
		w.queue = append(w.queue, i) // to be given back
		return
	}
	switch t.trust {
	case untried:
		t.trust, t.item = tried, i
		t.stop = w.clock.AfterFunc(trialTime, t.look)
		w.queue = append(w.queue, i)
	case tried:
		t.waiting = append(t.waiting, i)
	case trusted:
		w.queue = append(w.queue, i)
	default: // it was on its way when that was decided
		w.dropped = append(w.dropped, dropped{engine.EntityKind, i.Token})
	}
}

// look has the stream look at its trial.
func (t *trial) look() {
	select {
	case t.due <- struct{}{}:
	default:
	}
}

// review is what becomes of a trial that is not over in time.
func (w *session) review(ctx context.Context, hub Hub) {
	w.mu.Lock()
	t := &w.trial
	if w.stalled || t.trust != tried && t.trust != doubted {
		w.mu.Unlock()
		return
	}
	news := t.trust == tried
	t.trust = doubted
	for _, i := range t.waiting {
		w.dropped = append(w.dropped, dropped{engine.EntityKind, i.Token})
	}
	t.waiting = nil
	item, drains := t.item, w.drains
	if item != nil {
		t.stop = w.clock.AfterFunc(trialTime, t.look)
	}
	w.mu.Unlock()
	if news {
		w.conn.Changed()
		w.wake()
	}
	if item != nil && (drains || handledElsewhere(ctx, hub, item.Instance)) {
		w.takeBack(item)
	}
}

// handledElsewhere reports whether a connected worker has code for an entity that
// this one has operations of, and no code for.
func handledElsewhere(ctx context.Context, hub Hub, entity string) bool {
	i, err := hub.Engine().Get(ctx, entity, engine.GetOptions{Waits: true})
	return err == nil && i.Waits != nil && i.Waits.NoHandler == ""
}

// takeBack gives the batch of a trial to others. An answer that comes after all is
// stale, and so has no effect.
func (w *session) takeBack(i *engine.EntityItem) {
	w.mu.Lock()
	if w.trial.item != i {
		w.mu.Unlock()
		return // it has just been answered
	}
	w.trial.item = nil
	w.trial.stop()
	w.queue = slices.DeleteFunc(w.queue, func(q any) bool { return q == any(i) })
	w.mu.Unlock()
	if h := w.d.heldBy(w, i.Token); h != nil && !w.d.take(h) {
		return
	}
	_ = w.conn.Abandon(engine.EntityKind, i.Token, 0) // it may be stale, which is all the same
}

// passed notes that the worker has answered a batch of operations, be it too late.
func (w *session) passed() {
	w.mu.Lock()
	t := &w.trial
	was := t.trust
	if was == trusted {
		w.mu.Unlock()
		return
	}
	t.stop()
	for _, i := range t.waiting {
		w.queue = append(w.queue, i)
	}
	t.trust, t.item, t.waiting = trusted, nil, nil
	w.mu.Unlock()
	if was == tried {
		w.wake()
	} else {
		w.conn.Changed()
	}
}

// unsent notes that the batch of a trial could not be sent: another one is to be it.
func (w *session) unsent(token engine.Token) {
	w.mu.Lock()
	defer w.mu.Unlock()
	t := &w.trial
	if t.item == nil || t.item.Token != token {
		return
	}
	t.stop()
	waiting := t.waiting
	t.trust, t.item, t.waiting = untried, nil, nil
	for _, i := range waiting {
		w.offerEntity(i)
	}
}

// handlesEntities reports whether the worker is to be offered operations at all.
func (w *session) handlesEntities() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.trial.trust < doubted
}

// heldBy returns what a worker has of a token; nil if nothing.
func (d *desk) heldBy(w *session, t engine.Token) *held {
	d.mu.Lock()
	defer d.mu.Unlock()
	return w.held[t]
}

// late notes the answer to a batch that its worker has no more, which shows that it
// does have entities.
func (d *desk) late(token string) {
	id, _, _ := strings.Cut(token, ".")
	d.mu.Lock()
	var from *session
	for s := range d.sessions { // order-free: one has the ID
		if s.id == id {
			from = s
		}
	}
	d.mu.Unlock()
	if from != nil {
		from.passed()
	}
}

// reviewAll has the streams look again that keep a batch which nobody else could do,
// for a worker has come.
func (d *desk) reviewAll() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.sessions { // order-free: each is told the same
		if !s.handlesEntities() {
			s.trial.look()
		}
	}
}
