package netherite

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

const (
	// keeperTick is how often the keeper looks while there is something to keep.
	keeperTick = 25 * time.Millisecond
	// resendChecks is how often at most, in the time after which a peer is asked again,
	// it is looked who has to be.
	resendChecks = 4
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
	held   []*capture  // of these, those that a full disk keeps from being applied
	full   shortage    // of the store
	stuck  error       // damage because of which the last flush made nothing durable
	force  bool
	settle chan settling // requests to write everything
	end    substrate.Offset
	since  time.Duration    // when end last changed
	whole  substrate.Offset // end of the log at the last complete checkpoint
	last   extent           // where the log ended when the last capture was begun
	alarm  func()           // stops the timer of the next Tick; nil if there is none
	asked  time.Duration    // when the partitions last saw to silent peers
}

// extent is how much was appended to the log, in bytes and in records.
type extent struct {
	end     substrate.Offset
	records int64
}

// settling is a request to write everything to the store. Its context ends only
// the wait for a full disk.
type settling struct {
	ctx  context.Context
	done chan error
}

func newKeeper(n *node) *keeper {
	requests := 0
	if n.opts.park != nil {
		requests = 1 // nobody receives while another one sends
	}
	return &keeper{
		n: n, parts: make([]progress, n.params.Partitions),
		ready: make(chan *capture, 2*n.params.Partitions), stir: make(chan struct{}, 1),
		settle: make(chan settling, requests),
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
	defer k.disarm()
	k.wake()
	for {
		select {
		case <-stop:
			return
		case c := <-k.ready:
			k.take(c)
		case <-k.stir:
		case s := <-k.settle:
			s.done <- k.writeAll(s.ctx, stop)
			k.wake() // what it left undone goes on
			continue
		}
		if !k.pass() {
			return
		}
	}
}

// pass is a Tick with what follows from it. It returns false if the node fails.
func (k *keeper) pass() bool {
	more, err := k.Tick()
	if err != nil {
		k.n.fail(err)
		return false
	}
	k.rest(more)
	if !more {
		k.sleep()
	}
	return true
}

// sleep has touch wake the keeper. What has come since the last Tick began has not
// done so.
func (k *keeper) sleep() {
	k.asleep.Store(true)
	if k.missed() {
		k.touch()
	}
}

// missed reports whether there is something that the last Tick has not seen.
func (k *keeper) missed() bool {
	held := func(h *host) bool { return h.holding.Load() }
	return k.n.commit.end() != k.end || slices.ContainsFunc(k.n.hosts, held) || k.n.e.feed.waiting()
}

// rest sets the timer of the next Tick. With more unset there is none, unless
// frames get lost, which is found out by asking.
func (k *keeper) rest(more bool) {
	k.disarm()
	if planted.KeeperNeverRests {
		k.alarm = k.n.clock.AfterFunc(0, k.wake)
		return
	}
	switch o := k.n.opts; {
	case more:
		k.alarm = k.n.clock.AfterFunc(o.keeperTick, k.wake)
	case o.Resend > 0:
		k.alarm = k.n.clock.AfterFunc(max(o.keeperTick, o.Resend/resendChecks), k.wake)
	}
}

// disarm stops the timer of the next Tick.
func (k *keeper) disarm() {
	if k.alarm != nil {
		k.alarm()
		k.alarm = nil
	}
}

// take applies a capture. One that does not fit on the disk is held and tried
// again at every Tick. Any other failure is the node's.
func (k *keeper) take(c *capture) {
	p := &k.parts[c.h.id]
	if !p.capturing {
		k.n.captured.Add(-c.bytes)
		return // of a partition that was parked meanwhile
	}
	ok, err := false, k.n.mayKeep()
	if err == nil {
		ok, err = c.apply(k.n.store)
	}
	if errors.Is(err, substrate.ErrDiskFull) {
		k.noteFull(err)
		mark.Hit(mark.CheckpointHeld)
		k.held = append(k.held, c)
		return
	}
	k.n.captured.Add(-c.bytes)
	defer k.n.unpause()
	p.capturing = false
	k.active--
	if isDamage(err) {
		k.giveUp(c.h, err)
		return
	}
	if err != nil {
		mark.Hit(mark.CheckpointFailed)
		k.n.fail(fmt.Errorf("apply checkpoint of partition %d: %w", c.h.id, err))
		return
	}
	if ok {
		p.applied, p.appliedRecords = c.stamp, c.records
		p.noteless = p.noteless || c.noteless
		k.n.e.metrics.checkpoints.Add(1)
		c.applied()
	}
}

// noteFull takes in what the store said about its space, and tells of a change.
func (k *keeper) noteFull(err error) {
	was := k.full.is()
	k.full.note(err)
	switch is := k.full.is(); {
	case is && !was:
		k.n.log.Warn("the disk of the state store is full: new requests are refused until there is space", "error", err)
	case was && !is:
		k.n.log.Info("the state store has space again")
		k.n.unpause()
	}
}

// notFull takes in that a flush has found space, unless captures still wait for some.
func (k *keeper) notFull() {
	if len(k.held) == 0 {
		k.noteFull(nil)
	}
}

// retry applies what a full disk kept from being applied.
func (k *keeper) retry() {
	held := k.held
	k.held = nil
	for _, c := range held {
		k.take(c)
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
	k.retry()
	idle := now-k.since >= n.opts.Checkpoint.Idle
	low := n.wal.LowOnSpace() // what is in the store makes room in the log
	ahead := k.look(end, records, idle || k.force || low)
	for _, id := range ahead.due {
		if k.active >= capturesAtOnce || n.captured.Load() > captureShare(n.opts.Memory) || k.full.is() {
			break
		}
		k.parts[id].capturing = true
		k.parts[id].wanted.Store(false)
		k.active++
		k.last = extent{end, records}
		n.hosts[id].do((*host).beginCapture)
	}
	saving := k.setAside(now)
	if ahead.flush && k.active == 0 || ahead.now || k.full.is() || k.asideUnflushed() {
		if err := k.flush(); err != nil {
			return false, err
		}
	}
	n.e.feed.logAbsent(now)
	behind := k.pending()
	k.behind.Store(behind)
	held := k.unhold()
	k.askPeers(now)
	return k.active > 0 || behind || saving || held || n.e.feed.waiting(), nil
}

// askPeers has the partitions see to peers that have not answered, if frames get lost.
func (k *keeper) askPeers(now time.Duration) {
	every := k.n.opts.Resend / resendChecks
	if every == 0 || now-k.asked < every {
		return
	}
	k.asked = now
	for _, h := range k.n.hosts {
		h.do(func(h *host) { h.checkPeers(h.n.clock.Mono()) })
	}
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
	if err := k.n.mayKeep(); err != nil {
		return err
	}
	type state struct {
		stamp   substrate.Stamp
		records int64
	}
	applied := make([]state, len(k.parts))
	for id := range k.parts {
		applied[id] = state{k.parts[id].applied, k.parts[id].appliedRecords}
	}
	if planted.TrimmedBeforeFlush {
		k.trimEarly()
	}
	if err := k.n.store.Flush(); errors.Is(err, substrate.ErrDiskFull) {
		k.noteFull(err)
		return nil
	} else if isDamage(err) {
		k.notFull()
		k.giveUpFlush(err)
		return nil
	} else if err != nil {
		mark.Hit(mark.FlushFailed)
		return fmt.Errorf("flush checkpoints: %w", err)
	}
	k.stuck = nil // a compaction has succeeded where others had met damage
	k.notFull()
	for id := range k.parts {
		p := &k.parts[id]
		p.flushed, p.flushedRecords = applied[id].stamp, applied[id].records
	}
	k.asideFlushed()
	needed := substrate.Offset(k.n.commit.durable.Load())
	for id := range k.parts {
		p, h := &k.parts[id], k.n.hosts[id]
		parked := h.parked.Load() != nil
		if parked && (p.aside.state != asideDurable || planted.ParkedPinsLog) || !parked && substrate.Offset(h.appended.Load()) > p.flushed.Offset {
			// What a parked partition could not replay is acknowledged all the same:
			// it stays in the log until it is in a side file.
			needed = min(needed, p.neededFrom())
		}
	}
	if needed >= k.whole {
		k.n.e.metrics.caughtUp.Add(1)
		mark.Hit(mark.CaughtUp)
		k.whole = k.n.commit.end()
	}
	k.n.keeping.unless(func() {
		if err := k.n.wal.Trim(needed); err != nil {
			k.n.log.Warn("the log could not be trimmed", "before", needed, "error", err)
		}
	})
	return nil
}

// writeAll writes to the store everything that has been appended so far. While
// the disk is full it waits, but not beyond the end of ctx.
func (k *keeper) writeAll(ctx context.Context, stop <-chan struct{}) error {
	if err := k.n.owned(); err != nil {
		k.n.fail(err)
		return err // also if there is nothing to write: the other one may have more
	}
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
		full := k.n.full()
		if k.active == 0 && full == nil && k.stuck == nil {
			continue
		}
		if err := k.await(ctx, full, stop); err != nil {
			return err
		}
	}
	return k.stuck
}

// errStopped ends a wait because the node stops.
var errStopped = errors.New("the node stops")

// await waits for the next capture to be durable, or on a full disk for the time
// to try again.
func (k *keeper) await(ctx context.Context, full error, stop <-chan struct{}) error {
	var gone <-chan struct{}
	if full != nil {
		gone = ctx.Done()
	}
	defer k.n.clock.AfterFunc(k.n.opts.keeperTick, k.wake)()
	if k.n.opts.park != nil {
		k.n.opts.park(func() bool {
			return len(k.ready)+len(k.stir) > 0 || k.n.dead.Load() || isClosed(stop) || full != nil && ctx.Err() != nil
		})
		if k.n.dead.Load() {
			return k.n.over()
		}
		if len(k.ready) > 0 {
			k.take(<-k.ready)
			return nil
		}
	}
	select {
	case c := <-k.ready:
		k.take(c)
	case <-k.stir:
	case <-k.n.failed:
		return k.n.failure()
	case <-stop:
		return errStopped
	case <-gone:
		return fmt.Errorf("%w: %w", full, context.Cause(ctx))
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
	n, err := e.running(ctx, true)
	if err == nil {
		err = n.checkpoint(ctx)
	}
	if err != nil {
		return fmt.Errorf("checkpoint: %w", err)
	}
	return nil
}

func (n *node) checkpoint(ctx context.Context) error {
	return n.settle(ctx, ctx)
}

// settle has everything written. The first context bounds the wait for a disk
// that is full, the second all of it.
func (n *node) settle(full, ctx context.Context) error {
	done := make(chan error, 1)
	if n.opts.park != nil {
		return n.parkToSettle(ctx, settling{full, done})
	}
	select {
	case n.keeper.settle <- settling{full, done}:
	case <-n.failed:
		return n.failure()
	case <-n.stop:
		return n.over()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	select {
	case err := <-done:
		if errors.Is(err, errStopped) {
			return n.over()
		}
		return err
	case <-n.failed:
		return n.failure()
	case <-n.stop:
		return n.over()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// maxSettle bounds how often a close starts over because partitions were still
// talking to each other.
const maxSettle = 100

// finish writes everything to the store before a close, including what the
// partitions still send each other meanwhile. It does not wait for a full disk
// beyond the end of ctx: what is acknowledged is in the log.
func (n *node) finish(ctx context.Context) error {
	for range maxSettle {
		if err := n.settle(ctx, context.Background()); err != nil {
			return err
		}
		if n.busy.Load() == 0 && !n.keeper.behind.Load() {
			break
		}
	}
	return nil
}
