package netherite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// Stepped is an engine without goroutines, for simulations: its owner asks what
// could be done, chooses, and has it done. Everything else is the same code.
//
// Calls that wait, such as those of clients, call Park instead. So each must run
// in a coroutine of its owner's, which goes on when what it waits for is there.
// One goroutine drives all of it, and what it does depends on nothing but the
// choices, the storage, the clock, and the source of randomness that it is given.
type Stepped struct {
	e          *Engine
	n          *node // the last that was entered
	committing bool  // a commit is under way, in a coroutine
	keeping    bool  // so is the keeper
	replacing  bool  // so is the recovery of a failed node
	full       bool  // the committer waits for space
}

// SteppedOptions are Options with what only simulations set.
type SteppedOptions struct {
	Options
	// Park suspends the calling coroutine until ready, which it calls at any
	// time, says so. Required.
	Park func(ready func() bool)
	// OnEvent, if not nil, is called with every event before it is applied.
	OnEvent func(partition int, ev partition.Event)
	// OnMessage, if not nil, is called with every message that is applied under the
	// record of an event beside that: what follows from it in the same partition, and
	// what a retry applies that was held.
	OnMessage func(partition int, m *model.Message)
	// KeeperTick is how often checkpoints are considered, FullPause how long the
	// committer waits on a full disk. Default as for Options.
	KeeperTick, FullPause time.Duration
	// Window bounds, in bytes, what a partition has under way to another one
	// without an acknowledgement; a larger message goes alone. 0: by the memory.
	Window int64
	// EvictAlways writes and evicts after every batch whatever can be.
	EvictAlways bool
}

// Job is one thing that a stepped engine could do.
type Job struct {
	Kind      JobKind
	Partition int // of RunPartition
}

// JobKind tells jobs apart.
type JobKind uint8

// The kinds of jobs. All but RunPartition may park.
const (
	RunPartition JobKind = iota // process what has arrived at a partition
	RunCommit                   // commit the open group
	RunKeeper                   // see to checkpoints
	RunRecovery                 // replace a node that has failed
)

// OpenStepped is Open for a stepped engine. It may park.
func OpenStepped(o SteppedOptions) (*Stepped, error) {
	o.Options.park, o.Options.beforeStep, o.Options.EvictAlways, o.Options.window = o.Park, o.OnEvent, o.EvictAlways, o.Window
	o.Options.beforeMessage = o.OnMessage
	o.Options.keeperTick, o.Options.fullPause = o.KeeperTick, o.FullPause
	e, n, err := open(o.Options)
	if err != nil {
		return nil, err
	}
	close(e.done) // there is no supervisor
	s := &Stepped{e: e}
	s.enter(n)
	e.enter(n)
	return s, nil
}

// enter begins with a recovered node.
func (s *Stepped) enter(n *node) {
	*s = Stepped{e: s.e, n: n}
	n.keeper.wake()
}

// Engine is the engine as its clients and workers see it.
func (s *Stepped) Engine() *Engine { return s.e }

// Retain purges what has reached the end of its retention. It may park.
func (s *Stepped) Retain(ctx context.Context) { s.e.retire(ctx) }

// Failed reports whether the node has failed and is not replaced yet.
func (s *Stepped) Failed() bool { return s.n.dead.Load() }

// Appended is the end of what a partition has appended to the log.
func (s *Stepped) Appended(partition int) substrate.Offset {
	return substrate.Offset(s.n.hosts[partition].appended.Load())
}

// Parked is why a partition is parked; nil if it is not. It is the same error for as
// long as the partition stays so.
func (s *Stepped) Parked(partition int) error {
	if p := s.n.hosts[partition].parked.Load(); p != nil {
		return p.err
	}
	return nil
}

// Last names the last record that a partition has made.
func (s *Stepped) Last(partition int) engine.Name { return s.n.hosts[partition].name }

// HandOuts is the number of the last hand-out of a step by a partition, in the
// epoch of its last record.
func (s *Stepped) HandOuts(partition int) uint64 { return s.n.hosts[partition].state.HandOuts() }

// Emitted is the number of the last message from one partition to another.
func (s *Stepped) Emitted(from, to int) uint64 {
	_, next := s.n.hosts[from].state.OutboxRange(to)
	return next - 1
}

// Subject says of an instance that an event is for, while that is being applied,
// which it is and whether it is set aside.
func (s *Stepped) Subject(partition int, k partition.Key) (id string, aside bool) {
	return s.n.hosts[partition].state.Subject(k)
}

// Repeat posts a *partition.Start or *partition.Command once more, as a caller might
// that has not heard of its answer, and returns it as it is posted. Nobody hears what
// comes of it.
func (s *Stepped) Repeat(request partition.Event) (again partition.Event) {
	var instance string
	switch e := request.(type) {
	case *partition.Start:
		second := *e
		second.Retry, second.Unused, second.Caller = true, false, newCall()
		instance, again = e.Request.Instance, &second
	case *partition.Command:
		second := *e
		second.Retry, second.Caller = true, newCall()
		instance, again = e.Instance, &second
	}
	s.n.hosts[model.PartitionOf(instance, len(s.n.hosts))].post(input{ev: again})
	return again
}

// Residue says what is left to do, once all work should have come to its end:
// inputs, messages without an acknowledgement, items with workers or waiting for
// one, clients that wait.
func (s *Stepped) Residue() error {
	n := s.n
	if c := n.steps.Load() + n.tasks.Load(); c > 0 {
		return fmt.Errorf("%d items are with workers", c)
	}
	for _, h := range n.hosts {
		if err := h.residue(); err != nil {
			return fmt.Errorf("partition %d: %w", h.id, err)
		}
	}
	return nil
}

// CheckReplay compares, where Options.CheckReplay is set, everything with what
// replay has made of the same records.
func (s *Stepped) CheckReplay() error {
	for _, h := range s.n.hosts {
		if h.replica == nil || h.parked.Load() != nil {
			continue
		}
		if err := h.replica.compareAll(h.state); err != nil {
			return fmt.Errorf("partition %d: %w", h.id, err)
		}
	}
	return nil
}

func (h *host) residue() error {
	if p := h.parked.Load(); p != nil {
		return p.err
	}
	if len(h.in) > 0 {
		return fmt.Errorf("%d inputs wait", len(h.in))
	}
	if len(h.waiters) > 0 {
		return fmt.Errorf("clients wait for %d instances", len(h.waiters))
	}
	hd := &h.hands
	if left := len(hd.orchestrations) + len(hd.activities) + len(hd.entities); left > 0 {
		return fmt.Errorf("%d items wait for a worker", left)
	}
	for dest := range h.peers {
		// A logged acknowledgement empties the outbox; one that is not worth a
		// record yet has at least arrived.
		if _, next := h.state.OutboxRange(dest); dest != h.id && h.peers[dest].acked.Load()+1 < next && h.peers[dest].logged+1 < next {
			return fmt.Errorf("messages to partition %d are not acknowledged from %d on, the last is %d", dest, h.peers[dest].acked.Load()+1, next-1)
		}
	}
	return nil
}

// Jobs appends what could be done now to a list, always in the same order.
func (s *Stepped) Jobs(list []Job) []Job {
	n := s.n
	if n.dead.Load() {
		if !s.replacing && !s.e.closing.Load() {
			list = append(list, Job{Kind: RunRecovery})
		}
		return list
	}
	for id, h := range n.hosts {
		if h.awake.Load() {
			list = append(list, Job{RunPartition, id})
		}
	}
	if !s.committing && !s.full && n.commit.due() {
		list = append(list, Job{Kind: RunCommit})
	}
	if !s.keeping && n.keeper.due() {
		list = append(list, Job{Kind: RunKeeper})
	}
	return list
}

// Do does a job that Jobs has just listed.
func (s *Stepped) Do(j Job) {
	switch j.Kind {
	case RunPartition:
		h := s.n.hosts[j.Partition]
		h.Tick()
		h.mu.Lock()
		h.dozes() // now, and not as another job, which would do nothing else
		h.mu.Unlock()
	case RunCommit:
		s.commit()
	case RunKeeper:
		n := s.n
		s.keeping = true
		n.keeper.step()
		s.keeping = false
	case RunRecovery:
		s.replacing = true
		s.e.opts.park(func() bool { return !s.committing && !s.keeping })
		if n := s.e.replace(s.n); n != nil {
			s.enter(n)
		}
	}
}

// commit is a pass of committer.run.
func (s *Stepped) commit() {
	n := s.n
	s.committing = true
	_, err := n.commit.Tick()
	s.committing = false
	switch {
	case errors.Is(err, substrate.ErrDiskFull):
		s.full = true
		n.clock.AfterFunc(n.commit.fullPause, func() {
			if s.n == n {
				s.full = false
			}
		})
	case err != nil:
		n.fail(err)
	}
}

// due reports whether step has anything to do.
func (k *keeper) due() bool { return len(k.ready)+len(k.stir)+len(k.settle) > 0 }

// step is a pass of run.
func (k *keeper) step() {
	switch {
	case len(k.ready) > 0:
		k.take(<-k.ready)
	case len(k.stir) > 0:
		<-k.stir
	default:
		s := <-k.settle
		s.done <- k.writeAll(s.ctx, k.n.stop)
		k.wake()
		return
	}
	if !k.n.dead.Load() {
		k.pass()
	}
}

// parkForOutcome is await in stepped mode. Of several things that have happened,
// always the same counts.
func (e *Engine) parkForOutcome(ctx context.Context, c *call, n *node) waited {
	look := func() (waited, bool) {
		switch {
		case len(c.done) > 0:
			return outcomeCame, true
		case ctx.Err() != nil:
			return contextEnded, true
		case isClosed(e.closed):
			return engineClosed, true
		}
		return nodeFailed, n.dead.Load()
	}
	e.opts.park(func() bool { _, ready := look(); return ready })
	w, _ := look()
	if w == outcomeCame {
		<-c.done
	}
	return w
}

// parkForNode is awaitNode in stepped mode. Of several things that have happened,
// always the same counts.
func (e *Engine) parkForNode(ctx context.Context, changed <-chan struct{}) error {
	e.opts.park(func() bool { return isClosed(changed) || ctx.Err() != nil || isClosed(e.closed) })
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case isClosed(e.closed):
		return engine.ErrClosed
	}
	return nil
}

// parkFor waits for d to pass; it reports whether the engine is closed meanwhile.
func (e *Engine) parkFor(d time.Duration) (closed bool) {
	if d > 0 {
		passed := false
		stop := e.opts.Clock.AfterFunc(d, func() { passed = true })
		e.opts.park(func() bool { return passed || isClosed(e.stop) })
		stop()
	}
	return isClosed(e.stop)
}

// parkToSettle is settle in stepped mode.
func (n *node) parkToSettle(ctx context.Context, s settling) error {
	over := func() error {
		if n.dead.Load() {
			return n.over()
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return nil
	}
	n.opts.park(func() bool { return len(n.keeper.settle) == 0 || over() != nil })
	if err := over(); err != nil {
		return err
	}
	n.keeper.settle <- s
	n.opts.park(func() bool { return len(s.done) > 0 || over() != nil })
	if len(s.done) > 0 {
		return <-s.done
	}
	return over()
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
