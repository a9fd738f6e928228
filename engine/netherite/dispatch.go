package netherite

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// What a partition has built and not handed out is bounded, except that
// activities may pile up further, so that long ones do not hold up the steps.
const (
	dispatchSlice  = 256
	maxStepBacklog = 64
	maxTaskBacklog = 100_000
	maxHeldSteps   = 1_024 // of each kind, that a batch leaves to wait for their commit
)

// hands is a partition's side of the hand-out of work. All of it is volatile.
type hands struct {
	items     engine.Items // built by the core; memory reused
	committed engine.Items
	// Built, and waiting for a free slot.
	orchestrations []*engine.OrchestrationItem
	activities     []*engine.ActivityItem
	entities       []*engine.EntityItem

	version uint64 // of the feed, for routes
	routes  map[handler][]*conn
	last    handler
	lastTo  []*conn
	rounds  map[*conn]*round
	order   []*round // the same, in the order in which the connections came
	// refused counts, by instance, how often workers have given its work back.
	refused map[uint64]uint64
	// since is the last hand-out of an activity before the partition's memory was
	// built: whatever is older was handed out anew.
	since uint64
}

// maxRefused bounds what is known of work that workers gave back.
const maxRefused = 4_096

// again offers work once more that a worker could not do, and first to the next one.
func (h *host) again(kind engine.ItemKind, t engine.Token) {
	hd := &h.hands
	if hd.refused == nil || len(hd.refused) >= maxRefused {
		hd.refused = map[uint64]uint64{}
	}
	hd.refused[t.Instance]++
	h.abandon(kind, t)
}

// abandon offers work once more that was given back, unless a rebuild has done so.
func (h *host) abandon(kind engine.ItemKind, t engine.Token) {
	if kind == engine.ActivityKind && t.HandOut <= h.hands.since {
		return // of a step the core can tell by its token
	}
	h.state.Abandon(kind, t)
}

// round is what one dispatch hands to one connection.
type round struct {
	c     *conn
	a     *attachment
	taken [3]int // slots taken and not used
	full  [3]bool
	items engine.Items
}

// dispatch builds work items and hands them to workers, as many as these take.
func (h *host) dispatch() {
	if !h.n.mayDispatch() {
		return
	}
	for more := h.n.e.feed.connected(); more; {
		more = h.collect()
		h.stow()
	}
	h.handOut()
}

// collect asks the core for another slice of items, unless enough are waiting. What
// waits of one kind holds up no other: who has the slots for that may wait for this.
// It reports whether there is more.
func (h *host) collect() (more bool) {
	w := partition.Wanted{Items: dispatchSlice, Enough: h.hands.enough()}
	if w.Enough == [...]bool{true, true, true} {
		return false
	}
	w.Begin = h.begin()
	more = h.state.Dispatch(h.name.Epoch, h.batch.now, w, &h.hands.items)
	if w.Enough[engine.OrchestrationKind] {
		return more
	}
	if held := !more && h.state.Unbegun() > 0; held != h.holding.Load() {
		if h.holding.Store(held); held {
			h.n.keeper.touch()
		}
	}
	return more
}

// stow moves the built items into the backlog.
func (h *host) stow() {
	hd := &h.hands
	it := &hd.items
	for _, i := range it.Orchestrations {
		if !h.tooLong(i) {
			hd.orchestrations = append(hd.orchestrations, i)
		}
	}
	hd.activities = append(hd.activities, it.Activities...)
	hd.entities = append(hd.entities, it.Entities...)
	clearItems(it)
}

// handOut hands the backlog to connections that have code and free slots.
func (h *host) handOut() {
	if h.n.e.draining.Load() {
		return // what has been built is built anew after the next Open
	}
	if !h.n.e.feed.connected() {
		h.holding.Store(false) // as none is held back for the sake of others
		return                 // the first worker to come wakes all
	}
	hd := &h.hands
	if v := h.n.e.feed.version.Load(); v != hd.version || hd.routes == nil {
		hd.version, hd.routes, hd.lastTo, hd.last = v, map[handler][]*conn{}, nil, handler{}
		clear(hd.refused)
		if hd.rounds == nil {
			hd.rounds = map[*conn]*round{}
		}
		hd.order = slices.DeleteFunc(hd.order, func(r *round) bool {
			if !r.c.closed.Load() {
				return false
			}
			delete(hd.rounds, r.c)
			return true
		})
		for _, c := range h.n.e.feed.all() {
			h.round(c) // so that a slot kept for this partition is given back if unused
		}
	}
	full := hd.enough()
	hd.orchestrations = place(h, hd.orchestrations, orchestrationWork)
	hd.entities = place(h, hd.entities, entityWork)
	hd.activities = place(h, hd.activities, activityWork)
	for _, r := range hd.order {
		h.send(r)
	}
	h.refill(full)
}

// kindOf describes one type of item to place.
type kindOf[T any] struct {
	kind  engine.ItemKind
	token func(T) engine.Token
	code  func(T) handler
	list  func(*engine.Items) *[]T
}

var (
	orchestrationWork = kindOf[*engine.OrchestrationItem]{
		kind:  engine.OrchestrationKind,
		token: func(i *engine.OrchestrationItem) engine.Token { return i.Token },
		code: func(i *engine.OrchestrationItem) handler {
			return handler{engine.OrchestrationKind, i.Name, i.Version}
		},
		list: func(i *engine.Items) *[]*engine.OrchestrationItem { return &i.Orchestrations },
	}
	activityWork = kindOf[*engine.ActivityItem]{
		kind:  engine.ActivityKind,
		token: func(i *engine.ActivityItem) engine.Token { return i.Token },
		code:  func(i *engine.ActivityItem) handler { return handler{engine.ActivityKind, i.Name, i.Version} },
		list:  func(i *engine.Items) *[]*engine.ActivityItem { return &i.Activities },
	}
	entityWork = kindOf[*engine.EntityItem]{
		kind:  engine.EntityKind,
		token: func(i *engine.EntityItem) engine.Token { return i.Token },
		code:  func(i *engine.EntityItem) handler { return handler{engine.EntityKind, entityType(i.Instance), ""} },
		list:  func(i *engine.Items) *[]*engine.EntityItem { return &i.Entities },
	}
)

// place moves items from the backlog into the rounds of connections, and
// returns those that have to wait for a slot. Those that nobody wants any more take
// none, and no place in the backlog.
func place[T any](h *host, backlog []T, k kindOf[T]) []T {
	kept := 0
	for i, item := range backlog {
		if k.kind != engine.ActivityKind && !h.state.HandedOut(k.token(item)) {
			continue // its instance has ended, or is set aside; activities: see cancel
		}
		to, known := h.destinations(k.code(item))
		if len(to) == 0 {
			if !known || !h.n.e.feed.miss(h.n, k.code(item), k.token(item), h.hands.version) {
				backlog[kept] = item // the feed has just changed: it will wake us
				kept++
			} else {
				h.state.LetGo(k.kind, k.token(item))
			}
			continue
		}
		r := h.slot(to, k.kind, h.hands.turn(k.kind, k.token(item)), len(backlog)-i)
		if r == nil {
			if h.n.e.feed.workers.Load() <= 1 { // nobody else to try for the rest
				kept += copy(backlog[kept:], backlog[i:])
				break
			}
			backlog[kept] = item
			kept++
			continue
		}
		list := k.list(&r.items)
		*list = append(*list, item)
	}
	clear(backlog[kept:])
	return backlog[:kept]
}

// destinations returns the connections that have code for the work; known is
// false if the feed is changing.
func (h *host) destinations(k handler) (to []*conn, known bool) {
	hd := &h.hands
	if k == hd.last && hd.lastTo != nil {
		return hd.lastTo, true
	}
	to, ok := hd.routes[k]
	if !ok {
		var version uint64
		if to, version = h.n.e.feed.route(k); version != hd.version {
			return nil, false
		}
		hd.routes[k] = to
	}
	hd.last, hd.lastTo = k, to
	return to, true
}

// turn says which of several connections an item is first tried at: the steps of
// an instance always at the same, which is likely to have a live copy of it,
// unless that has given them back; its activities at one after the other, so that
// workers share a fan-out.
func (hd *hands) turn(kind engine.ItemKind, t engine.Token) uint64 {
	n := t.Instance + hd.refused[t.Instance]
	if kind == engine.ActivityKind {
		n += uint64(t.Task)
	}
	return n
}

// slot finds a free slot for an item, first at the connection whose turn it is.
// want is how many may follow.
func (h *host) slot(to []*conn, kind engine.ItemKind, turn uint64, want int) *round {
	for i := range to {
		c := to[(turn+uint64(i))%uint64(len(to))]
		r := h.round(c)
		if r == nil {
			continue
		}
		if r.taken[kind] == 0 {
			if r.full[kind] {
				continue
			}
			if len(to) > 1 {
				want = 1
			}
			got, next := r.a.kinds[kind].take(h.id, want)
			h.call(next)
			if r.taken[kind], r.full[kind] = got, got < want; got == 0 {
				continue
			}
		}
		r.taken[kind]--
		return r
	}
	return nil
}

func (h *host) round(c *conn) *round {
	r := h.hands.rounds[c]
	if r == nil {
		a := c.at.Load()
		if a == nil || a.n != h.n {
			return nil
		}
		r = &round{c: c, a: a}
		h.hands.rounds[c] = r
		h.hands.order = append(h.hands.order, r)
	}
	return r
}

func (h *host) call(next int) {
	if next >= 0 && next != h.id {
		h.n.hosts[next].poke()
	} else if next == h.id {
		h.poke()
	}
}

// send offers a round's items to its worker, and returns the slots that it has
// not used.
func (h *host) send(r *round) {
	for kind := range r.taken {
		h.call(r.a.kinds[kind].settle(h.id, r.taken[kind]))
		r.taken[kind], r.full[kind] = 0, false
	}
	it := r.items
	steps, tasks := len(it.Orchestrations)+len(it.Entities), len(it.Activities)
	if steps+tasks == 0 {
		return
	}
	h.n.handedOut(steps, tasks)
	// A drain that has begun meanwhile either sees these items or is seen here.
	if !h.n.e.draining.Load() && r.register(h.id, &it) {
		r.c.w.Offer(it)
	} else {
		h.n.returned(engine.OrchestrationKind, steps)
		h.n.returned(engine.ActivityKind, tasks)
		h.takeBack(&it)
	}
	clearItems(&r.items)
}

// clearItems empties the lists and keeps their memory.
func clearItems(it *engine.Items) {
	clear(it.Orchestrations)
	clear(it.Activities)
	clear(it.Entities)
	it.Orchestrations, it.Activities, it.Entities = it.Orchestrations[:0], it.Activities[:0], it.Entities[:0]
}

// register notes what the connection's worker is about to get. It returns false
// if the connection has been closed meanwhile.
func (r *round) register(id int, it *engine.Items) bool {
	s := &r.a.shards[id]
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.c.at.Load() != r.a {
		return false
	}
	if s.items == nil {
		s.items = map[engine.Token]handOut{}
	}
	for _, i := range it.Orchestrations {
		s.items[i.Token] = handOut{kind: engine.OrchestrationKind}
	}
	for _, i := range it.Entities {
		s.items[i.Token] = handOut{kind: engine.EntityKind}
	}
	number := r.c.f.handed.Add(uint64(len(it.Activities))) - uint64(len(it.Activities))
	for _, i := range it.Activities {
		number++
		s.items[i.Token] = handOut{engine.ActivityKind, number}
		i.Token.HandOut = number
	}
	return true
}

// takeBack makes items ready to be handed out to somebody else.
func (h *host) takeBack(it *engine.Items) {
	for _, i := range it.Orchestrations {
		h.state.Abandon(engine.OrchestrationKind, i.Token)
	}
	for _, i := range it.Entities {
		h.state.Abandon(engine.EntityKind, i.Token)
	}
	for _, i := range it.Activities {
		h.state.Abandon(engine.ActivityKind, i.Token)
	}
	h.poke()
}

// letGo takes back all that waits to be handed out, so that it need not stay in memory.
// It is found again in memory and in the store.
func (h *host) letGo() {
	hd := &h.hands
	waiting := len(hd.orchestrations)+len(hd.entities)+len(hd.activities) > 0
	for _, i := range hd.orchestrations {
		h.state.LetGo(engine.OrchestrationKind, i.Token)
	}
	for _, i := range hd.entities {
		h.state.LetGo(engine.EntityKind, i.Token)
	}
	for _, i := range hd.activities {
		h.state.LetGo(engine.ActivityKind, i.Token)
	}
	waiting = h.state.LetGoQueued() || waiting
	clear(hd.orchestrations)
	clear(hd.entities)
	clear(hd.activities)
	hd.orchestrations, hd.entities, hd.activities = hd.orchestrations[:0], hd.entities[:0], hd.activities[:0]
	if waiting {
		mark.Hit(mark.QueueLetGo)
		h.upkeep.scan.all()
	}
}

// cancel tells workers that nobody wants the results of these activities. Those
// that have not been handed out are not.
func (h *host) cancel(tokens []engine.Token) {
	if len(tokens) > 0 && len(h.hands.activities) > 0 {
		gone := make(map[engine.Token]bool, len(tokens))
		for _, t := range tokens {
			gone[t] = true
		}
		h.hands.activities = slices.DeleteFunc(h.hands.activities, func(i *engine.ActivityItem) bool { return gone[i.Token] })
	}
	for _, t := range tokens {
		for _, r := range h.hands.order {
			if out, ok := r.a.has(h.id, t); ok {
				r.c.w.Cancel(out)
			}
		}
	}
}

// has returns the token under which the worker has an item.
func (a *attachment) has(id int, t engine.Token) (out engine.Token, ok bool) {
	s := &a.shards[id]
	s.mu.Lock()
	defer s.mu.Unlock()
	o, ok := s.items[t]
	return o.token(t), ok
}

// holdItems builds work items and queues them to be handed out when the batch
// is durable. If that leaves some, the batch that hands these out goes on.
func (h *host) holdItems() {
	it := &h.hands.items
	for h.n.mayDispatch() && h.n.e.feed.connected() && h.collect() {
	}
	h.hold(it, planted.ItemEarly)
}

// holdCommitted queues activities whose schedule must be durable before they start.
func (h *host) holdCommitted() {
	it := &h.hands.committed
	h.state.DispatchAfterCommit(it)
	h.hold(it, planted.CommittedEarly)
}

// hold queues built items, if there are any, to be handed out when the batch is
// durable; early is for planted bugs.
func (h *host) hold(it *engine.Items, early bool) {
	if len(it.Orchestrations)+len(it.Activities)+len(it.Entities) == 0 {
		return
	}
	mark.Hit(mark.StepsHeld)
	h.state.Hold(it)
	held := &itemBatch{h, *it}
	*it = engine.Items{}
	if early {
		h.early(held)
		return
	}
	h.batch.out = append(h.batch.out, held)
}

// itemBatch is work items that wait for their position.
type itemBatch struct {
	h     *host
	items engine.Items
}

// release hands the items out on the partition's goroutine, which owns the
// backlog, as far as they are still wanted.
func (b *itemBatch) release() {
	b.h.do(func(h *host) {
		h.state.Release(&b.items)
		h.hands.items = b.items
		h.stow()
		h.handOut()
	})
}

// entityType is the type part of an entity's instance ID.
func entityType(instance string) string {
	if e, err := model.ParseEntityID(instance); err == nil {
		return e.Name
	}
	return instance
}
