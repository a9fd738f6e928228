package durabletask

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/worker/spans"
)

// session is one worker's stream of work.
type session struct {
	*reader
	clock   substrate.Clock
	id      string // random: part of the tokens of its items
	d       *desk
	conn    engine.Connection
	filter  *filter
	limits  engine.Limits
	streams bool          // the worker reads long histories by itself
	extras  bool          // it is one of this project
	stream  string        // what it calls the stream
	leaves  atomic.Bool   // it is offered no more
	java    bool          // its SDK is that for Java
	tracer  *spans.Tracer // nil: nobody wants spans, or the worker makes them itself
	now     func() time.Time
	noCalls string // why an HTTP call is refused; empty: it is not
	closing atomic.Bool
	send    func(*wire.WorkItem) error
	stir    chan struct{}
	ping    chan struct{}
	given   uint64
	fields  []byte                 // memory for the next item
	held    map[engine.Token]*held // guarded by d.mu

	mu        sync.Mutex
	connected engine.Connection // conn, once there is one
	queue     []any             // items, not yet sent
	dropped   []dropped
	drains    bool // nothing is sent any more that is not about what the worker has
	trial     trial
	sends     uint64 // begun
	sending   bool
	seen      uint64 // sends at the last tick
	stuck     int    // ticks that found the same message under way
	stalled   bool
	stop      func() // the next tick
}

// dropped is an item that was offered and is to be given back without being sent.
type dropped struct {
	kind  engine.ItemKind
	token engine.Token
}

// GetWorkItems is a worker's stream. What it has is offered to others once the
// stream has ended.
func (s *Service) GetWorkItems(q *wire.GetWorkItemsRequest, stream grpc.ServerStreamingServer[wire.WorkItem]) error {
	ctx := stream.Context()
	if s.open.Err() != nil {
		return errStopping
	}
	hub, err := s.demand(ctx)
	if err != nil {
		return err
	}
	w := &session{
		reader: newReader(ctx), clock: s.opts.Clock, id: newSessionID(), filter: newFilter(q.GetWorkItemFilters()), limits: limitsOf(q), send: stream.Send,
		tracer: s.tracer, now: s.opts.Clock.Wall, noCalls: s.opts.NoCalls,
		stir: make(chan struct{}, 1), ping: make(chan struct{}, 1), held: map[engine.Token]*held{},
	}
	for _, c := range q.GetCapabilities() {
		w.streams = w.streams || c == wire.WorkerCapability_WORKER_CAPABILITY_HISTORY_STREAMING
	}
	w.readExtra(q)
	w.java = isJava(ctx)
	w.trial = newTrial(q, w.extras, w.java)
	s.enter(hub, w)
	defer s.leave(hub, w)
	if w.conn, err = hub.Feed().Connect(w); err != nil {
		return statusOf(err)
	}
	defer w.close()
	w.mu.Lock()
	w.connected = w.conn
	w.mu.Unlock()
	w.d.reviewAll()
	if err := stream.SendHeader(nil); err != nil { // tells the worker that it is connected
		return statusOf(err)
	}
	return w.run(ctx, s, hub)
}

func newSessionID() string {
	var b [12]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// limitsOf reads how much a worker takes at a time. Zero is not nothing, but what
// the engine thinks good.
func limitsOf(q *wire.GetWorkItemsRequest) engine.Limits {
	n := func(v int32) int { return min(max(int(v), 0), maxConcurrent) }
	return engine.Limits{
		Orchestrations: n(q.GetMaxConcurrentOrchestrationWorkItems()), Activities: n(q.GetMaxConcurrentActivityWorkItems()),
		Entities: n(q.GetMaxConcurrentEntityWorkItems()),
	}
}

// maxConcurrent bounds how much of a kind one worker can ask to have at a time.
const maxConcurrent = 10_000

// Limits implements engine.Worker.
func (w *session) Limits() engine.Limits { return w.limits }

// Handles implements engine.Worker.
func (w *session) Handles(kind engine.ItemKind, name, version string) bool {
	if w.filter == nil && reserved(name) {
		return w.takesReserved(kind, name)
	}
	return w.filter.handles(kind, name, version) && (kind != engine.EntityKind || w.handlesEntities())
}

// Offer implements engine.Worker.
func (w *session) Offer(items engine.Items) {
	w.mu.Lock()
	for _, i := range items.Orchestrations {
		w.queue = append(w.queue, i)
	}
	for _, i := range items.Activities {
		w.queue = append(w.queue, i)
	}
	for _, i := range items.Entities {
		w.offerEntity(i)
	}
	w.mu.Unlock()
	w.wake()
}

func (w *session) wake() {
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// Cancel implements engine.Worker. Nobody can tell an SDK, but what its activity
// fails with from now on is no outcome. One that has not been sent is not.
func (w *session) Cancel(t engine.Token) {
	w.mu.Lock()
	i := slices.IndexFunc(w.queue, func(item any) bool {
		a, ok := item.(*engine.ActivityItem)
		return ok && a.Token == t
	})
	if i >= 0 {
		w.queue, w.dropped = slices.Delete(w.queue, i, i+1), append(w.dropped, dropped{engine.ActivityKind, t})
	}
	w.mu.Unlock()
	if i >= 0 {
		w.wake()
		return
	}
	if h := w.d.cancel(w, t); h != nil {
		w.tellCancelled(h)
	}
}

// errStalled ends the stream of a worker that did not read it.
var errStalled = status.Error(codes.Unavailable, "the worker has not read its work items for too long: they were given to others")

// run sends what is offered, and signs of life in between.
func (w *session) run(ctx context.Context, s *Service, hub Hub) error {
	w.arm(s)
	defer w.disarm()
	drain := s.open.Done()
	for {
		select {
		case <-drain:
			drain = nil
			w.beginDrain()
		case <-ctx.Done():
			return statusOf(ctx.Err())
		case <-s.ctx.Done():
			return nil // to SDKs the end of a server that stops
		case <-w.gone:
			return errRefused
		case <-w.trial.due:
			w.review(ctx, hub)
		case <-w.ping:
			if err := s.still(ctx, hub); err != nil {
				return err
			}
			if err := w.sendOne(&wire.WorkItem{Request: &wire.WorkItem_HealthPing{HealthPing: &wire.HealthPing{}}}); err != nil {
				return statusOf(err)
			}
		case <-w.stir:
			if err := w.flush(ctx); err != nil {
				return statusOf(err)
			}
		}
	}
}

// still reports whether a stream without work is that of its hub as it is now: one
// that was deleted has none, and one that was made anew does not know the worker.
func (s *Service) still(ctx context.Context, hub Hub) error {
	switch now, err := s.opts.Hubs.Hub(ctx, hubName(ctx)); {
	case err != nil:
		return statusOf(err)
	case now != hub:
		return status.Error(codes.Unavailable, "the task hub was closed and opened again: ask for work again")
	}
	return nil
}

// arm makes the next tick come.
func (w *session) arm(s *Service) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop = s.opts.Clock.AfterFunc(s.opts.Ping, func() { w.tick(s) })
}

// disarm ends the ticks.
func (w *session) disarm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stop()
	w.trial.stop()
	w.stalled = true
}

// maxStuck is for how many ticks on end a message may be under way.
const maxStuck = 2

// tick looks what has become of the stream since the last one. If nothing was sent
// it is time for a sign of life. If one message could not be sent all the time,
// the worker does not read: what it has is given to others.
func (w *session) tick(s *Service) {
	w.mu.Lock()
	still := w.sends == w.seen
	if w.seen = w.sends; still && w.sending {
		w.stuck++
	} else {
		w.stuck = 0
	}
	switch {
	case w.stalled:
		w.mu.Unlock()
		return
	case w.stuck == maxStuck:
		w.stalled, w.queue = true, nil
		w.mu.Unlock()
		w.close()
		w.d.leave(w)
		return
	}
	quiet := still && !w.sending
	w.mu.Unlock()
	if quiet {
		w.look()
	}
	w.arm(s)
}

// look has the stream look whether its hub is as it was, and give a sign of life.
func (w *session) look() {
	select {
	case w.ping <- struct{}{}:
	default:
	}
}

// sendOne sends a message. While it does not go, ticks count.
func (w *session) sendOne(m *wire.WorkItem) error {
	w.mu.Lock()
	w.sends++
	w.sending = true
	w.mu.Unlock()
	err := w.send(m)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.sending = false; w.stalled {
		return errStalled
	}
	return err
}

// flush sends all that is queued.
func (w *session) flush(ctx context.Context) error {
	for {
		w.mu.Lock()
		queue, dropped, drains := w.queue, w.dropped, w.drains
		w.queue, w.dropped = nil, nil
		w.mu.Unlock()
		for _, i := range dropped {
			_ = w.conn.Abandon(i.kind, i.token, 0) // it may be stale, which is all the same
		}
		if len(queue) == 0 {
			return nil
		}
		for n, item := range queue {
			if drains && w.unoffer(item) {
				continue
			}
			if err := w.next(ctx, item); err != nil {
				return err
			}
			queue[n] = nil
		}
	}
}
