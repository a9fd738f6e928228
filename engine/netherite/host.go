package netherite

import (
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/plainlog"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// input is one entry of a partition's mailbox: an event, a read, a frame of the
// transport, or something to be done between batches. An empty one only wakes.
type input struct {
	ev    partition.Event
	call  *call
	frame *Frame
	fn    func(*host)
}

// host runs one partition: it owns the pure state and everything volatile about
// it. Tick is called by one goroutine at a time; other goroutines only post.
type host struct {
	n     *node
	id    int
	log   *slog.Logger
	state *partition.State

	mu    sync.Mutex
	in    []input
	spare []input
	awake atomic.Bool // changes with mu held
	wake  chan struct{}

	blocked  atomic.Bool // the outbox waits for an acknowledgement
	parked   atomic.Pointer[parking]
	appended atomic.Uint64 // tail, for other goroutines

	peers    []peer
	frames   []Frame // by destination, under construction
	outgoing []Frame
	one      [1]Frame
	waiters  map[string][]*call
	fresh    map[string]bool // entities that fresh reads wait for
	applied  bool            // the batch has applied operations of entities
	batch    batch
	marks    marks
	name     engine.Name      // of the last record
	tail     substrate.Offset // end of the last chunk
	upkeep   upkeep
	hands    hands
	atWork   int           // as counted in node.atWork
	aged     time.Duration // when what is at work was last let age
	holding  atomic.Bool   // some orchestrations wait to begin; not part of hands, which is replaced while others look
	alarm    alarm
	replica  *replica
	rebuild  *rebuild // in progress after a panic
	// guard says which records a repair must not replay, by the instances that they
	// are about; nil but in repairs.
	guard func([]partition.Key) error
}

// parking says why a partition does not run.
type parking struct{ err *parkedError }

// parkedError is the answer to all that is asked of a parked partition.
type parkedError struct {
	partition int
	reason    error
}

func (e *parkedError) Error() string {
	return fmt.Sprintf("%v: partition %d is parked: %v", engine.ErrUnavailable, e.partition, plainlog.Text(e.reason))
}

func (e *parkedError) Unwrap() []error { return []error{engine.ErrUnavailable, e.reason} }

func newHost(n *node, id int) *host {
	partitions := n.params.Partitions
	h := &host{
		n: n, id: id, log: n.log.With("partition", id),
		wake:    make(chan struct{}, 1),
		peers:   make([]peer, partitions),
		frames:  make([]Frame, partitions),
		waiters: map[string][]*call{},
	}
	h.state = h.newState()
	return h
}

func (h *host) newState() *partition.State {
	return partition.New(h.config())
}

func (h *host) config() partition.Config {
	c := partition.Config{
		Partition: h.id, Partitions: h.n.params.Partitions,
		MaxBatch: h.n.opts.MaxBatch, MaxEntityBatch: h.n.opts.MaxEntityBatch,
	}
	if !h.n.opts.CheckReplay { // which has to keep everything in memory
		c.OutboxBytes = h.n.window
	}
	return c
}

// post puts an input into the mailbox.
func (h *host) post(in input) {
	h.mu.Lock()
	h.in = append(h.in, in)
	h.rouse()
	h.mu.Unlock()
}

// poke makes the host look around, without an input.
func (h *host) poke() { h.post(input{}) }

// do runs f between two inputs.
func (h *host) do(f func(*host)) { h.post(input{fn: f}) }

// rouse wakes the host if it sleeps. h.mu is held.
func (h *host) rouse() {
	if h.awake.Load() {
		return
	}
	h.awake.Store(true)
	h.n.busy.Add(1)
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// run processes batches until the node stops.
func (h *host) run(stop <-chan struct{}) {
	defer h.checkAtEnd()
	for {
		select {
		case <-stop:
			return
		case <-h.wake:
		}
		// Letting others go first makes batches larger where processors are busy,
		// by a fifth with 128 clients of Hello5 on two of them, and costs nothing
		// where they are not.
		runtime.Gosched()
		for h.Tick() {
			runtime.Gosched()
			select {
			case <-stop:
				return
			default:
			}
		}
	}
}

// Tick processes what has arrived as one batch. It reports whether there was
// anything; if not, the host sleeps until it is woken.
func (h *host) Tick() bool {
	h.mu.Lock()
	if h.dozes() {
		h.mu.Unlock()
		return false
	}
	in := h.in
	h.in, h.spare = h.spare[:0], nil
	h.mu.Unlock()

	if p := h.parked.Load(); p != nil {
		h.turnAway(in, p.err)
	} else {
		h.processOrPark(in)
	}

	clear(in)
	if cap(in) > 4096 {
		in = nil
	}
	h.mu.Lock()
	h.spare = in
	h.mu.Unlock()
	return true
}

// dozes has the host sleep if nothing has arrived. h.mu is held.
func (h *host) dozes() bool {
	if len(h.in) > 0 {
		return false
	}
	if h.awake.Load() {
		h.awake.Store(false)
		h.n.busy.Add(-1)
	}
	return true
}

// deliver takes frames from the transport as a unit: no partition acts on one
// of them before all are in their mailboxes. So what one partition sends to
// several keeps its order with everything that follows from it.
func (n *node) deliver(frames []Frame) {
	if len(frames) == 1 {
		n.deliverOne(&frames[0])
		return
	}
	locked := make([]bool, len(n.hosts))
	for i := range frames {
		locked[frames[i].To] = true
	}
	for id, l := range locked { // ascending, so that two deliveries cannot wait for each other
		if l {
			n.hosts[id].mu.Lock()
		}
	}
	for i := range frames {
		h := n.hosts[frames[i].To]
		if in, ok := h.intake(&frames[i]); ok {
			h.in = append(h.in, in)
			h.rouse()
		}
	}
	for id, l := range locked {
		if l {
			n.hosts[id].mu.Unlock()
		}
	}
}

func (n *node) deliverOne(f *Frame) {
	h := n.hosts[f.To]
	if f.Kind == FrameAck {
		h.acknowledged(f.From, f.Through)
		return
	}
	if in, ok := h.intake(f); ok {
		h.post(in)
	}
}

// intake turns a frame into an input.
func (h *host) intake(f *Frame) (input, bool) {
	switch f.Kind {
	case FrameMessages:
		return input{ev: &partition.Received{Origin: f.From, First: f.First, Messages: f.Messages}}, true
	case FrameAck:
		raise(&h.peers[f.From].acked, f.Through)
		return input{}, h.blocked.Load()
	}
	c := *f
	return input{frame: &c}, true
}

// park stops the partition for good in this incarnation, with its reason; the
// others go on. What is for it stays in their outboxes.
func (h *host) park(err error) {
	// Before the keeper sees it parked, and saves what it needs: a checkpoint that is
	// applied after that would delete the note of it.
	h.upkeep.cancel()
	if !h.parked.CompareAndSwap(nil, &parking{&parkedError{h.id, err}}) {
		return
	}
	h.holding.Store(false) // it begins nothing any more
	h.log.Error("partition is parked: it stops, the others go on; to mend it, end this process, then run: netherite inspect --verify", "error", err)
	h.n.e.metrics.parked.Add(1)
	mark.Hit(mark.PartitionParked)
	h.n.keeper.wake()
	for _, waiting := range h.waiters {
		for _, c := range waiting {
			c.fail(h.parked.Load().err)
		}
	}
	clear(h.waiters)
	h.n.e.watches.lose()
	h.n.keeper.wake() // it may wait for a checkpoint that will not come
	h.standDown()
	for _, other := range h.n.hosts {
		if other != nil && other != h {
			other.do(func(o *host) { o.peers[h.id].gone = true })
		}
	}
}

// turnAway answers what is asked of a parked partition.
func (h *host) turnAway(in []input, err error) {
	for i := range in {
		if c := callOf(&in[i]); c != nil {
			c.fail(err)
		}
	}
	h.standDown() // a slot may have been kept for it
}

// callOf returns the call behind an input, or nil.
func callOf(in *input) *call {
	if in.call != nil {
		return in.call
	}
	switch e := in.ev.(type) {
	case *partition.Start:
		return e.Caller.(*call)
	case *partition.Command:
		return e.Caller.(*call)
	case *partition.Purged:
		c, _ := e.Caller.(*call)
		return c
	case *partition.Cleaned:
		c, _ := e.Caller.(*call)
		return c
	}
	return nil
}

// now is the wall time as events carry it.
func (n *node) now() model.Time { return model.TimeOf(n.clock.Wall()) }
