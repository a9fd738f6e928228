package netherite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/substrate"
)

const (
	// keeperTick is how often the keeper looks while there is something to keep.
	keeperTick = 100 * time.Millisecond
	// capturesAtOnce bounds the memory of checkpoints being written.
	capturesAtOnce = 2
)

// keeper takes the node's checkpoints: it watches how far back in the log each
// partition's first change lies that is not in the store, has the partitions
// captured, applies what they captured, flushes for all of them at once, and
// lets the log go.
type keeper struct {
	n     *node
	parts []progress
	ready chan *capture // durable in the log
	stir  chan struct{}

	asleep atomic.Bool
	behind atomic.Bool // as of the last Tick, the store lacks something
	active int         // captures under way
	force  bool
	settle chan chan error // requests to write everything
	end    substrate.Offset
	since  time.Duration    // when end last changed
	whole  substrate.Offset // end of the log at the last complete checkpoint
}

func newKeeper(n *node) *keeper {
	return &keeper{
		n: n, parts: make([]progress, n.params.Partitions),
		ready: make(chan *capture, 2*n.params.Partitions), stir: make(chan struct{}, 1),
		settle: make(chan chan error),
	}
}

// touch wakes the keeper: something was appended.
func (k *keeper) touch() {
	if k.asleep.Load() && k.asleep.CompareAndSwap(true, false) {
		k.wake()
	}
}

func (k *keeper) wake() {
	select {
	case k.stir <- struct{}{}:
	default:
	}
}

// want asks for a checkpoint of a partition that needs memory.
func (k *keeper) want(id int) {
	if !k.parts[id].wanted.Swap(true) {
		k.wake()
	}
}

// run keeps until stop is closed.
func (k *keeper) run(stop <-chan struct{}) {
	var alarm func()
	defer func() {
		if alarm != nil {
			alarm()
		}
	}()
	k.wake()
	for {
		select {
		case <-stop:
			return
		case c := <-k.ready:
			k.take(c)
		case <-k.stir:
		case done := <-k.settle:
			done <- k.writeAll(stop)
			continue
		}
		more, err := k.Tick()
		if err != nil {
			k.n.fail(err)
			return
		}
		if alarm != nil {
			alarm()
			alarm = nil
		}
		if more {
			alarm = k.n.clock.AfterFunc(k.n.opts.keeperTick, k.wake)
		} else {
			k.asleep.Store(true)
		}
	}
}

// take applies a capture. An error comes out at the next Tick.
func (k *keeper) take(c *capture) {
	p := &k.parts[c.h.id]
	if !p.capturing {
		return // of a partition that was parked meanwhile
	}
	p.capturing = false
	k.active--
	ok, err := c.apply(k.n.store)
	if err != nil {
		k.n.fail(fmt.Errorf("apply checkpoint of partition %d: %w", c.h.id, err))
		return
	}
	if ok {
		p.applied, p.appliedRecords = c.stamp, c.records
		k.n.e.metrics.checkpoints.Add(1)
		c.applied()
	}
}

// Tick starts what is due and flushes what was applied. It reports whether
// there is still something to watch.
func (k *keeper) Tick() (more bool, err error) {
	n := k.n
	now, end, records := n.clock.Mono(), n.commit.end(), n.commit.records.Load()
	if end != k.end {
		k.end, k.since = end, now
	}
	idle := now-k.since >= n.opts.Checkpoint.Idle
	due, unflushed, urgent := k.look(end, records, idle || k.force)
	for _, id := range due {
		if k.active >= capturesAtOnce {
			break
		}
		k.parts[id].capturing = true
		k.parts[id].wanted.Store(false)
		k.active++
		n.hosts[id].do((*host).beginCapture)
	}
	if unflushed && (k.active == 0 || urgent) {
		if err := k.flush(); err != nil {
			return false, err
		}
	}
	n.e.feed.logAbsent(now)
	behind := k.pending()
	k.behind.Store(behind)
	more = k.active > 0 || behind || n.e.feed.waiting()
	if n.opts.Resend > 0 {
		more = true
		for _, h := range n.hosts {
			h.do(func(h *host) { h.checkPeers(h.n.clock.Mono()) })
		}
	}
	return more, nil
}

// look lists the partitions that need a checkpoint, those whose first record
// beyond the store is oldest first.
func (k *keeper) look(end substrate.Offset, records int64, all bool) (due []int, unflushed, urgent bool) {
	o := &k.n.opts.Checkpoint
	for id := range k.parts {
		p, h := &k.parts[id], k.n.hosts[id]
		last := substrate.Offset(h.appended.Load())
		if h.parked.Load() != nil {
			if p.capturing {
				p.capturing = false
				k.active--
			}
			continue
		}
		if last <= p.flushed.Offset {
			continue
		}
		bytes, count := int64(end-p.flushed.Offset), records-p.flushedRecords
		// What was written only for its memory need not be flushed yet.
		if p.applied.Offset > p.flushed.Offset && (all || bytes >= o.Bytes/2 || count >= o.Records/2) {
			unflushed = true
			urgent = urgent || bytes >= o.Bytes*3/4 || count >= o.Records*3/4
		}
		if p.capturing || last <= p.applied.Offset {
			continue
		}
		bytes, count = int64(end-p.applied.Offset), records-p.appliedRecords
		if all || p.wanted.Load() || bytes >= o.Bytes/2 || count >= o.Records/2 {
			due = append(due, id)
		}
	}
	slices.SortFunc(due, func(a, b int) int { return cmp.Compare(k.parts[a].applied.Offset, k.parts[b].applied.Offset) })
	return due, unflushed, urgent
}

// pending reports whether the store lacks anything that is in the log.
func (k *keeper) pending() bool {
	for id := range k.parts {
		h := k.n.hosts[id]
		if h.parked.Load() == nil && substrate.Offset(h.appended.Load()) > k.parts[id].flushed.Offset {
			return true
		}
	}
	return false
}

// flush makes durable what was applied, and lets go of the log before it.
func (k *keeper) flush() error {
	type mark struct {
		stamp   substrate.Stamp
		records int64
	}
	applied := make([]mark, len(k.parts))
	for id := range k.parts {
		applied[id] = mark{k.parts[id].applied, k.parts[id].appliedRecords}
	}
	if err := k.n.store.Flush(); err != nil {
		return fmt.Errorf("flush checkpoints: %w", err)
	}
	needed := substrate.Offset(k.n.commit.durable.Load())
	for id := range k.parts {
		p := &k.parts[id]
		p.flushed, p.flushedRecords = applied[id].stamp, applied[id].records
		h := k.n.hosts[id]
		if h.parked.Load() != nil || substrate.Offset(h.appended.Load()) > p.flushed.Offset {
			// What a parked partition could not replay is acknowledged all the same:
			// it stays until the partition can.
			needed = min(needed, p.flushed.Offset)
		}
	}
	if needed >= k.whole {
		k.n.e.metrics.caughtUp.Add(1)
		k.whole = k.n.commit.end()
	}
	if err := k.n.wal.Trim(needed); err != nil {
		k.n.log.Warn("the log could not be trimmed", "before", needed, "error", err)
	}
	return nil
}

// writeAll writes to the store everything that has been appended so far.
func (k *keeper) writeAll(stop <-chan struct{}) error {
	k.force = true
	defer func() { k.force = false }()
	want := make([]substrate.Offset, len(k.parts))
	for id, h := range k.n.hosts {
		want[id] = substrate.Offset(h.appended.Load())
	}
	k.n.commit.flush()
	for k.lacks(want) {
		if _, err := k.Tick(); err != nil {
			return err
		}
		if k.active == 0 {
			continue
		}
		select {
		case c := <-k.ready:
			k.take(c)
		case <-k.n.failed:
			return k.n.failure()
		case <-stop:
			return nil
		}
	}
	return nil
}

// lacks reports whether the store does not yet have everything up to these
// positions.
func (k *keeper) lacks(want []substrate.Offset) bool {
	for id, at := range want {
		if k.n.hosts[id].parked.Load() == nil && k.parts[id].flushed.Offset < at {
			return true
		}
	}
	return false
}

// Checkpoint writes everything that has been acknowledged so far to the store
// and makes it durable there, so that a restart has only later records to
// replay. It is never needed for durability.
func (e *Engine) Checkpoint(ctx context.Context) error {
	n, err := e.running(ctx)
	if err == nil {
		err = n.checkpoint(ctx)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

func (n *node) checkpoint(ctx context.Context) error {
	done := make(chan error, 1)
	select {
	case n.keeper.settle <- done:
	case <-n.failed:
		return n.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		return err
	case <-n.failed:
		return n.failure()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxSettle bounds how often a close starts over because partitions were still
// talking to each other.
const maxSettle = 100

// finish writes everything to the store before a close, including what the
// partitions still send each other meanwhile.
func (n *node) finish() error {
	for range maxSettle {
		if err := n.checkpoint(context.Background()); err != nil {
			return err
		}
		if n.busy.Load() == 0 && !n.keeper.behind.Load() {
			break
		}
	}
	return nil
}
