package netherite

import (
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// pieceBytes is about the size of what is written to the log at once. A group
// of more is written in pieces, under one sync.
const pieceBytes = 1 << 20

// maxRecordBytes bounds one record, so that a piece always fits into a group of
// the log: it is at most one record longer than pieceBytes. All that can become
// part of a record has limits of its own, far below.
const maxRecordBytes = substrate.MaxGroupBytes / 4

// keptBytes is the largest buffer for records that a partition keeps for the next
// ones. A group keeps one of twice a piece.
const keptBytes = pieceBytes / 4

// maxSpin bounds the wait for more records where the clock stands still, as
// virtual ones do.
const maxSpin = 10_000

// diskFullPause is how long the committer waits, by default, before it tries again.
const diskFullPause = time.Second

// released is something that waits for a position to become durable.
type released interface {
	// release is called once, from the committer, and must not block.
	release()
}

// group is what one commit makes durable, and what waits for it.
type group struct {
	pieces  [][]byte
	end     substrate.Offset
	must    bool // somebody waits: it must not be left to the next commit
	out     []released
	vouched int // of out, those that were there before the sync
	written int // pieces already in the log
}

// firstBytes is what a buffer has to begin with: a process may have many hubs that
// hardly ever write. It grows by what is appended.
const firstBytes = 4 << 10

// piece returns the buffer to append n more bytes to.
func (g *group) piece(n int) *[]byte {
	if last := len(g.pieces) - 1; last >= 0 && len(g.pieces[last])+n <= pieceBytes {
		return &g.pieces[last]
	}
	if len(g.pieces) < cap(g.pieces) {
		g.pieces = g.pieces[:len(g.pieces)+1]
		last := &g.pieces[len(g.pieces)-1]
		*last = (*last)[:0]
		return last
	}
	g.pieces = append(g.pieces, make([]byte, 0, firstBytes))
	return &g.pieces[len(g.pieces)-1]
}

// reset empties the group and keeps its memory, unless that has become large.
func (g *group) reset() {
	clear(g.out)
	g.out, g.must, g.written, g.vouched = g.out[:0], false, 0, 0
	if len(g.pieces) > 1 {
		g.pieces = nil
	}
	for i := range g.pieces {
		if cap(g.pieces[i]) > 2*pieceBytes {
			g.pieces[i] = nil
		}
	}
	g.pieces = g.pieces[:0]
}

// committer is the node's commit path: it gathers the chunks of all partitions
// into one open group while the previous one is being synced.
type committer struct {
	log    substrate.Log
	clock  substrate.Clock
	gather time.Duration
	// fullPause lies between two attempts to write to a full disk.
	fullPause time.Duration
	// working reports that input is being processed, so that more records are
	// about to come.
	working func(now time.Duration) bool

	// after is called after each commit has been released.
	after func()

	durable atomic.Uint64 // offset up to which everything is durable
	backlog atomic.Int64  // bytes appended and not yet durable
	records atomic.Int64  // appended since the log was opened
	full    shortage      // of the last write

	mu       sync.Mutex
	open     *group
	inflight *group // nil when no commit is under way
	spare    *group
	tail     substrate.Offset // end of the open group
	idle     bool             // the committer sleeps
	since    time.Duration    // when the open group began to be waited for
	wake     chan struct{}
	stats    commitStats
}

type commitStats struct {
	commits  atomic.Int64
	released atomic.Int64
}

func newCommitter(log substrate.Log, clock substrate.Clock, gather time.Duration, working func(time.Duration) bool) *committer {
	end := log.End()
	c := &committer{
		log: log, clock: clock, gather: gather, fullPause: diskFullPause, working: working,
		open: &group{end: end}, spare: &group{}, tail: end,
		wake: make(chan struct{}, 1),
	}
	c.durable.Store(uint64(end))
	return c
}

// append gives a chunk of n records its place in the log: from start to end. The
// effects in out are released once end is durable. With must unset nobody waits
// for the records themselves. appended is set to end before anything of it can be
// durable: what is durable, and not known to be appended, the keeper would let go.
func (c *committer) append(h partition.ChunkHeader, records []byte, n int, must bool, out []released, appended *atomic.Uint64) (start, end substrate.Offset) {
	c.mu.Lock()
	g := c.open
	b := g.piece(len(records))
	before := len(*b)
	*b = partition.AppendChunk(*b, h, records)
	size := len(*b) - before
	start = c.tail
	c.tail += substrate.Offset(size)
	g.end, end = c.tail, c.tail
	g.out = append(g.out, out...)
	c.backlog.Add(int64(size))
	c.records.Add(int64(n))
	appended.Store(uint64(end))
	c.demand(must || len(out) > 0)
	c.mu.Unlock()
	return start, end
}

// hold makes r wait until at is durable. It returns false if it is already: the
// caller releases r itself.
func (c *committer) hold(at substrate.Offset, r released) bool {
	if c.isDurable(at) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.isDurable(at):
		return false
	case c.inflight != nil && at <= c.inflight.end && planted.EffectOnePositionEarly:
		return false
	case c.inflight != nil && at <= c.inflight.end:
		mark.Hit(mark.HeldByCommit)
		c.inflight.out = append(c.inflight.out, r)
	default:
		c.open.out = append(c.open.out, r)
		c.demand(true)
	}
	return true
}

// follow makes r wait for the next commit, though what it depends on is durable: it
// must not overtake what the last commit releases.
func (c *committer) follow(r released) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.open.out = append(c.open.out, r)
	c.demand(true)
}

func (c *committer) isDurable(at substrate.Offset) bool { return c.durable.Load() >= uint64(at) }

// end is the position after everything appended so far.
func (c *committer) end() substrate.Offset {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.tail
}

// demand notes that somebody waits for the open group. c.mu is held.
func (c *committer) demand(must bool) {
	if !must || c.open.must {
		return
	}
	c.open.must = true
	c.since = c.clock.Mono()
	if c.idle {
		c.idle = false
		select {
		case c.wake <- struct{}{}:
		default:
		}
	}
}

// flush makes the open group due even if it holds only what nobody waits for.
func (c *committer) flush() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.demand(len(c.open.pieces) > 0)
}

// busy reports whether a commit is due or under way.
func (c *committer) busy() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open.must || c.inflight != nil || c.spare == nil
}

// run commits until stop is closed or the log fails.
func (c *committer) run(stop <-chan struct{}) error {
	for !c.sleep(stop) {
		_, err := c.Tick()
		for errors.Is(err, substrate.ErrDiskFull) {
			if pause(c.clock, c.fullPause, stop) {
				return nil
			}
			_, err = c.Tick()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// sleep returns when the open group is due: when the work that is under way has
// come to rest, but not later than after the gather time. So a chain of short
// steps shares one sync, and where processors are busy, what others are about to
// append. It reports whether to stop.
func (c *committer) sleep(stop <-chan struct{}) bool {
	c.mu.Lock()
	c.idle = !c.open.must
	idle := c.idle
	c.mu.Unlock()
	since := c.clock.Mono()
	if idle {
		select {
		case <-stop:
			return true
		case <-c.wake:
		}
		c.mu.Lock()
		since = c.since
		c.mu.Unlock()
	}
	for spin := 0; spin < maxSpin; spin++ {
		if now := c.clock.Mono(); now-since >= c.gather || !c.working(now) {
			break
		}
		runtime.Gosched() // a timer of this length would be late by twenty times
	}
	select {
	case <-stop:
		return true
	default:
		return false
	}
}

// Tick commits the open group if it is due and releases what waited for it. It
// reports whether there was one. After ErrDiskFull it may be called again; any
// other error is final.
func (c *committer) Tick() (bool, error) {
	g := c.take()
	if g == nil {
		return false, nil
	}
	if err := c.write(g); err != nil {
		mark.Hit(mark.LogWriteFailed)
		c.full.note(err)
		return false, err
	}
	c.full.note(nil)
	if err := c.sync(g); err != nil {
		mark.Hit(mark.LogSyncFailed)
		return false, err
	}
	return true, c.done(g)
}

// take closes the open group, unless one is in flight after a full disk.
func (c *committer) take() *group {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inflight != nil {
		mark.Hit(mark.CommitTriedAgain)
		return c.inflight
	}
	if !c.open.must {
		return nil
	}
	g := c.open
	c.inflight, c.open, c.spare = g, c.spare, nil
	c.open.end = c.tail
	return g
}

func (c *committer) write(g *group) error {
	for ; g.written < len(g.pieces); g.written++ {
		if err := c.log.Write(g.pieces[g.written]); err != nil {
			return fmt.Errorf("write commit log: %w", err)
		}
	}
	if end := c.log.End(); end != g.end {
		return fmt.Errorf("write commit log: it ends at %d and should at %d: %w", end, g.end, substrate.ErrFailed)
	}
	return nil
}

// sync makes the group durable. The log looks meanwhile whether it is still this
// node's: that vouches for what waits for the group by now.
func (c *committer) sync(g *group) error {
	c.mu.Lock()
	if len(g.pieces) > 0 { // with nothing to sync it need not look
		g.vouched = len(g.out)
	}
	c.mu.Unlock()
	if planted.AckBeforeSync {
		return nil
	}
	if err := c.log.Sync(); err != nil {
		return fmt.Errorf("sync commit log: %w", err)
	}
	return nil
}

// vouch looks again whose the log is, for what has joined the group since the sync
// began: that may have come after the look of the sync. If the log is another's by
// now, they are not released.
func (c *committer) vouch(g *group) error {
	if len(g.out) == g.vouched || planted.ZombieAnswer {
		return nil
	}
	if err := c.log.Owned(); err != nil {
		g.out = g.out[:g.vouched]
		return fmt.Errorf("look whether the log is still this node's: %w", err)
	}
	return nil
}

// done releases, in log order, what waited for the group. Its error is that the log
// is another's.
func (c *committer) done(g *group) error {
	c.mu.Lock()
	c.backlog.Add(-int64(uint64(g.end) - c.durable.Load()))
	c.durable.Store(uint64(g.end))
	c.inflight = nil
	c.mu.Unlock()
	// Nobody adds to the group any more: hold sees that its end is durable.
	err := c.vouch(g)
	for _, r := range g.out {
		r.release()
	}
	c.stats.commits.Add(1)
	c.stats.released.Add(int64(len(g.out)))
	g.reset()
	c.mu.Lock()
	c.spare = g
	c.mu.Unlock()
	if c.after != nil {
		c.after()
	}
	return err
}

// pause waits for d to pass; it reports whether the engine is closed meanwhile.
func (e *Engine) pause(d time.Duration) (closed bool) {
	if e.opts.park != nil {
		return e.parkFor(d)
	}
	return pause(e.opts.Clock, d, e.stop)
}

// due reports whether Tick would commit.
func (c *committer) due() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.open.must || c.inflight != nil
}

// pause waits for d to pass, or for stop; it reports the latter.
func pause(clock substrate.Clock, d time.Duration, stop <-chan struct{}) (stopped bool) {
	if d <= 0 {
		select {
		case <-stop:
			return true
		default:
			return false
		}
	}
	passed := make(chan struct{})
	cancel := clock.AfterFunc(d, func() { close(passed) })
	defer cancel()
	select {
	case <-stop:
		return true
	case <-passed:
		return false
	}
}
