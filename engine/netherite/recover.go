package netherite

import (
	"cmp"
	"errors"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

const (
	// replayAhead bounds the chunks that wait for a partition during replay.
	replayAhead = 64
	// replayTidy is how many records are replayed between two evictions.
	replayTidy = 1024
)

// openNode opens the substrates and recovers a node from them. Before it returns
// the new epoch of every partition is durable.
func openNode(e *Engine) (n *node, err error) {
	began := e.opts.Clock.Mono()
	e.metrics.parked.Store(0) // each is tried again, and counted if it parks again
	wal, err := e.opts.Storage.OpenLog()
	if err != nil {
		return nil, fmt.Errorf("open log: %w", storageError(err))
	}
	store, err := e.opts.Storage.OpenStore(storeShare(e.opts.Memory))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open store: %w", storageError(err)), wal.Close())
	}
	n = newNode(e, wal, store)
	if s, ok := e.opts.Storage.(SideStorage); ok {
		side, err := s.OpenSideFiles()
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open side files: %w", storageError(err)), n.discard())
		}
		n.side = &ownSide{side, n}
	}
	if err := n.recover(); err != nil {
		mark.Hit(mark.RecoveryFailed)
		return nil, errors.Join(storageError(err), n.discard())
	}
	e.metrics.recoveryNanos.Store(int64(e.opts.Clock.Mono() - began))
	return n, nil
}

func newNode(e *Engine, wal substrate.Log, store substrate.Store) *node {
	n := &node{
		e: e, opts: &e.opts, params: e.params, clock: e.opts.Clock, log: e.log, wal: wal, store: store,
		window:  cmp.Or(e.opts.window, windowBytes(e.opts.Memory, e.params.Partitions)),
		drained: make(chan struct{}, 1), failed: make(chan struct{}), stop: make(chan struct{}),
	}
	n.commit = newCommitter(wal, n.clock, n.opts.Gather, n.working)
	n.commit.after = n.unpause
	n.commit.fullPause = n.opts.fullPause
	n.net = e.opts.Transport(n.deliver)
	n.keeper = newKeeper(n)
	n.hosts = make([]*host, n.params.Partitions)
	for id := range n.hosts {
		n.hosts[id] = newHost(n, id)
	}
	return n
}

// recover brings every partition to the end of the log and begins its new epoch.
func (n *node) recover() error {
	from, err := n.restoreAll()
	if err != nil {
		return err
	}
	if err := n.replay(from); err != nil {
		return err
	}
	for _, h := range n.hosts {
		if h.parked.Load() != nil {
			continue
		}
		if err := guarded(func() error { h.open(); return nil }); err != nil {
			h.park(err)
			h.giveUp(h.parked.Load().err) // its first record among it
		}
	}
	n.commit.flush()
	if _, err := n.commit.Tick(); err != nil {
		return fmt.Errorf("begin a new epoch: %w", err)
	}
	return nil
}

// restoreAll loads what is always in memory of each partition from the store,
// and returns from where on the log is needed.
func (n *node) restoreAll() (substrate.Offset, error) {
	from, begin := n.wal.End(), n.wal.Begin()
	for _, h := range n.hosts {
		stamp, err := n.store.Stamp(h.id)
		if err != nil {
			return 0, fmt.Errorf("partition %d: read stamp: %w", h.id, err)
		}
		p := &n.keeper.parts[h.id]
		p.applied, p.flushed = stamp, stamp // also of a partition that parks: the log is kept from there on
		h.appended.Store(uint64(stamp.Offset))
		err = guarded(func() error { return h.restoreAside(stamp) })
		if err == nil && stamp.Offset > n.wal.End() {
			err = h.beyondEnd(stamp.Offset, n.wal.End())
		}
		if err == nil {
			err = guarded(func() error { return h.restore(stamp) })
		}
		if err == nil && begin > 0 && stamp == (substrate.Stamp{}) && p.note.Load() == nil {
			// The log lets go only of what the store or a side file has of every partition.
			// Whoever puts the right store back needs all that the log has beyond that one.
			p.aside.unknown = true
			err = fmt.Errorf("%w: partition %d: its stored state is missing, and the log begins at %d", engine.ErrDamaged, h.id, begin)
		}
		if err != nil {
			if !isDamage(err) {
				return 0, err
			}
			h.park(err)
			continue
		}
		from = min(from, max(p.neededFrom(), begin))
	}
	return from, nil
}

// restore sets the partition to what the store has of it.
func (h *host) restore(stamp substrate.Stamp) error {
	h.state, h.replica = h.newState(), nil
	meta, err := partition.FetchMeta(reader{h.n.store}, h.config())
	if err != nil {
		return fmt.Errorf("partition %d: load: %w", h.id, err)
	}
	h.state.InstallMeta(meta)
	h.name, h.tail = engine.Name{Epoch: stamp.Epoch, Number: stamp.Record}, stamp.Offset
	if last := h.state.Last(); last != h.name {
		return fmt.Errorf("%w: partition %d: the stored state is of record %v, its stamp says %v", engine.ErrDamaged, h.id, last, h.name)
	}
	return nil
}

// logged is a chunk on its way to its partition during replay.
type logged struct {
	chunk partition.Chunk
	end   substrate.Offset
}

// replay runs all partitions through the log, in parallel, one group after the
// other. A partition that cannot go on is parked; damage of the log itself ends
// the recovery.
func (n *node) replay(from substrate.Offset) error {
	began, before := n.clock.Mono(), n.e.metrics.replayed.Load()
	pass, wait := n.replayers()
	err := n.wal.Replay(from, func(at substrate.Offset, group []byte) error {
		return eachChunk(at, group, func(l logged) error {
			if l.chunk.Partition < 0 || l.chunk.Partition >= len(n.hosts) {
				return fmt.Errorf("%w: log position %d has a record of partition %d of %d", engine.ErrDamaged, l.end, l.chunk.Partition, len(n.hosts))
			}
			pass(l)
			return nil
		})
	})
	wait()
	if count := n.e.metrics.replayed.Load() - before; count > 0 {
		took := n.clock.Mono() - began
		n.e.metrics.replayNanos.Store(int64(took))
		n.log.Info("replayed the log", "records", count, "took", took.Round(time.Millisecond))
	}
	if err == nil && n.dead.Load() {
		err = n.failure()
	}
	if err != nil {
		return fmt.Errorf("replay the log: %w", err)
	}
	return nil
}

// replayers returns what passes a chunk to its partition, and what waits until
// all have been replayed: in parallel, or in stepped mode one after the other.
func (n *node) replayers() (pass func(logged), wait func()) {
	if n.opts.park != nil {
		for _, h := range n.hosts {
			h.beginReplay()
		}
		return func(l logged) { n.hosts[l.chunk.Partition].replayNext(&l) }, func() {}
	}
	queues := make([]chan logged, len(n.hosts))
	var wg sync.WaitGroup
	for id, h := range n.hosts {
		queues[id] = make(chan logged, replayAhead)
		wg.Go(func() { h.replayAll(queues[id]) })
	}
	return func(l logged) { queues[l.chunk.Partition] <- l }, func() {
		for _, q := range queues {
			close(q)
		}
		wg.Wait()
	}
}

// eachChunk calls f for every chunk of a group, copied.
func eachChunk(at substrate.Offset, group []byte, f func(logged) error) error {
	r := model.NewReader(append([]byte(nil), group...))
	for r.Len() > 0 {
		c, err := partition.ReadChunk(r)
		if err == nil {
			err = f(logged{c, at + substrate.Offset(r.Offset())})
		}
		if err != nil {
			if errors.Is(err, model.ErrMalformed) {
				err = fmt.Errorf("%w: %w", engine.ErrDamaged, err)
			}
			return fmt.Errorf("group at log position %d: %w", at, err)
		}
	}
	return r.Err()
}

// replayAll replays a partition's chunks; after one that it cannot, it is
// parked and ignores the rest.
func (h *host) replayAll(queue <-chan logged) {
	h.beginReplay()
	for l := range queue {
		h.replayNext(&l)
	}
}

// beginReplay replays what the partition has in a side file.
func (h *host) beginReplay() {
	if h.running() {
		h.replayed(h.replaySide())
	}
}

func (h *host) replayNext(l *logged) {
	if h.running() && l.end > h.tail {
		h.replayed(h.replayChunk(l))
	}
}

// replayed draws the consequences of a failed replay.
func (h *host) replayed(err error) {
	if isDamage(err) {
		h.park(err)
	} else if err != nil {
		h.n.fail(err)
	}
}

// replayChunk steps through the records of a chunk. Their effects are dropped:
// all of them can be derived from the state.
func (h *host) replayChunk(l *logged) (err error) {
	defer func() {
		if r := recover(); r != nil {
			h.keepIfOutdated()
			f := panicFailure(r)
			err = fmt.Errorf("%w: replay of partition %d panics after record %v: %s\n%s", engine.ErrDamaged, h.id, h.name, f.Message, f.Stack)
		}
	}()
	if err := follows(h.id, h.name, l.chunk.First); err != nil {
		h.keepIfOutdated()
		return err
	}
	count := 0
	for {
		in, ok, err := l.chunk.Next()
		if err != nil {
			return fmt.Errorf("%w: %w", engine.ErrDamaged, err)
		}
		if !ok {
			break
		}
		if planted.OldRecordNewMeaning || planted.ReceiptByReference {
			if err := h.misread(in.Event); err != nil {
				return err
			}
		}
		if err := h.replayRecord(in); err != nil {
			return err
		}
		count++
	}
	h.tail = l.end
	h.appended.Store(uint64(l.end))
	mark.Hit(mark.Replayed)
	h.n.commit.records.Add(int64(count))
	h.n.e.metrics.replayed.Add(int64(count))
	h.tidy(count)
	return nil
}

// keepIfOutdated keeps the log for a partition whose records do not follow its stored
// state, or make no sense upon it, and whose state ends before the log begins: that is
// not the state that the log was trimmed for, and whoever puts the right one back needs
// all that follows that.
func (h *host) keepIfOutdated() {
	if p := &h.n.keeper.parts[h.id]; p.neededFrom() < h.n.wal.Begin() {
		p.aside.unknown = true
	}
}

func (h *host) replayRecord(in partition.Input) error {
	b := &h.batch
	b.keys = in.Event.Keys(b.keys[:0])
	for {
		if err := h.loadKeys(b.keys); err != nil {
			return fmt.Errorf("partition %d: record %v: %w", h.id, in.Name, err)
		}
		if h.guard != nil {
			if err := h.guard(b.keys); err != nil {
				return err
			}
		}
		if in.Event != nil {
			h.state.Step(in, &b.fx)
			in.Event = nil
		} else {
			h.state.Continue(&b.fx)
		}
		var more bool
		if b.keys, more = h.state.FollowUp(b.keys[:0]); !more {
			break
		}
	}
	h.name = in.Name
	b.fx.Reset()
	return nil
}

// tidy keeps memory bounded during replay.
func (h *host) tidy(count int) {
	h.state.ForgetAbsent()
	u := &h.upkeep
	if u.replayed += int64(count); u.replayed < replayTidy {
		return
	}
	u.replayed = 0
	h.state.Evict(stateShare(h.n.opts.Memory) / int64(len(h.n.hosts)))
}

// open begins the partition's next epoch: from now on it runs.
func (h *host) open() {
	h.batch.now = h.n.now()
	h.state.ResumeLoaded()
	if h.n.opts.CheckReplay {
		r, err := newReplica(h.state)
		if err != nil {
			panic(replayDifference{err})
		}
		h.replica = r
	}
	epoch := h.name.Epoch + 1
	if planted.PositionWithoutIncarnation && h.name.Epoch > 0 {
		epoch--
	}
	h.name = engine.Name{Epoch: epoch}
	h.marks = marks{safe: engine.Name{Epoch: epoch - 1, Number: math.MaxUint64}}
	h.upkeep.scan.all()
	if h.n.keeper.parts[h.id].note.Load() != nil {
		mark.Hit(mark.ParkedPartitionBack)
	}
	h.admit(&partition.Opened{Epoch: epoch})
	h.state.ForgetAbsent()
	h.appendBatch()
	h.batch.fx.Reset()
}

// reload rebuilds the partition's memory from the store and the log, all of
// which is durable, and begins a new epoch.
func (h *host) reload() error {
	h.n.keeping.begin() // what is needed of the log stays until it was read
	defer h.n.keeping.end()
	stamp, err := h.n.store.Stamp(h.id)
	if err != nil {
		return err
	}
	end := h.tail
	if err := h.restore(stamp); err != nil {
		return err
	}
	from := stamp.Offset
	if note := h.n.keeper.parts[h.id].note.Load(); note != nil && from < note.covered {
		if err := h.replaySide(); err != nil {
			return err
		}
		from = note.covered
	}
	if from = max(from, h.n.wal.Begin()); from < end { // while it logged nothing, the log went without it
		err = h.n.wal.Replay(from, func(at substrate.Offset, group []byte) error {
			if at >= end {
				return errEnough
			}
			return eachChunk(at, group, func(l logged) error {
				if l.chunk.Partition != h.id || l.end <= h.tail {
					return nil
				}
				return h.replayChunk(&l)
			})
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
	}
	if h.tail != end {
		return fmt.Errorf("%w: partition %d: the log has its records up to %d, not to %d", engine.ErrDamaged, h.id, h.tail, end)
	}
	h.open()
	return nil
}
