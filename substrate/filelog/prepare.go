package filelog

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

const (
	// keptFree is how many files that hold nothing any more are kept for reuse.
	keptFree = 2
	// retryLowSpace is how often a full disk is tried again while nothing else
	// asks for it.
	retryLowSpace = time.Second
)

// prepared makes the next segment ahead of need: a file that is there at full
// size, written and synced, under its own name, so that appending to it costs
// one write and one data sync and cannot run out of space. Files that a trim has
// freed are taken before new ones are made.
type prepared struct {
	mu      sync.Mutex
	next    *segment    // ready for use, not open; the log has a note of it
	free    []*segment  // files that hold nothing any more
	refused int64       // what there was no space for, larger than next; 0: nothing
	idle    atomic.Bool // next is there and nothing else is to be done

	kick chan struct{}
	quit chan struct{}
	done chan struct{}
}

// start begins the background work, unless the log prepares inline.
func (p *prepared) start(l *Log) {
	p.kick, p.quit, p.done = make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	if l.opts.Inline {
		close(p.done)
		return
	}
	go p.run(l)
}

func (p *prepared) stop() {
	close(p.quit)
	<-p.done
}

// want asks for the next segment to be prepared. It does not wait, unless the
// log prepares inline.
func (p *prepared) want(l *Log) {
	if p.idle.Load() {
		return
	}
	if l.opts.Inline {
		p.ahead(l)
		return
	}
	select {
	case p.kick <- struct{}{}:
	default:
	}
}

func (p *prepared) run(l *Log) {
	defer close(p.done)
	retry := time.NewTimer(retryLowSpace)
	defer retry.Stop()
	for {
		select {
		case <-p.quit:
			return
		case <-p.kick:
		case <-retry.C:
			retry.Reset(retryLowSpace)
			if !l.low.Load() {
				continue
			}
		}
		p.ahead(l)
	}
}

// ahead prepares the next segment if there is none, and drops files that are
// not worth keeping.
func (p *prepared) ahead(l *Log) {
	if current, next := p.aheadOf(l); next.ordinal > 0 {
		_ = l.claim(current, next) // the next call returns it
	}
}

// aheadOf returns the segment that is written to and the one that it has
// prepared to follow, if it has.
func (p *prepared) aheadOf(l *Log) (current, next claim) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if l.failed.Load() != nil {
		return current, next
	}
	if err := l.owned(); err != nil {
		_ = l.fail(errors.New("prepare a segment"), err) // the next call returns it
		return
	}
	if had := p.next; had == nil || l.low.Load() && had.size < p.refused {
		current = l.writing()
		size := l.opts.after(current.size)
		if had != nil {
			size = p.refused
		}
		if p.prepare(l, current.ordinal+1, size); p.next != nil && p.next != had {
			next = p.next.claim()
		}
	}
	p.discard(l)
	p.idle.Store(p.next != nil)
	return current, next
}

// prepare makes p.next. No space is no failure: the log is then low on space.
func (p *prepared) prepare(l *Log, ordinal uint64, size int64) {
	seg, err := p.make(l, ordinal, size)
	switch {
	case err == nil:
		p.next, p.refused = seg, 0
		if l.low.CompareAndSwap(true, false) {
			mark.Hit(mark.SegmentHasSpaceAgain)
			l.opts.Logger.Info("commit log has space again", "dir", l.opts.Dir)
		}
	case errors.Is(err, substrate.ErrDiskFull):
		l.lacksSpace(err)
	default:
		_ = l.fail(fmt.Errorf("prepare %s", segmentName(ordinal)), err) // the next call returns it
	}
}

// lacksSpace makes the log low on space, and says so once.
func (l *Log) lacksSpace(err error) {
	if l.low.CompareAndSwap(false, true) {
		mark.Hit(mark.SegmentHasNoSpace)
		l.opts.Logger.Warn("commit log is low on space: new work is refused until there is more", "dir", l.opts.Dir, "err", err)
	}
}

// make returns a segment of at least the size, from a free file or a new one.
func (p *prepared) make(l *Log, ordinal uint64, size int64) (*segment, error) {
	fsys, dir := l.opts.FS, l.opts.Dir
	seg := p.take(l, ordinal, size)
	if seg == nil {
		if usage, err := fsys.GetDiskUsage(dir); err == nil && usage.AvailBytes < uint64(size) {
			return nil, fmt.Errorf("%w: a segment needs %d bytes, there are %d", substrate.ErrDiskFull, size, usage.AvailBytes)
		}
		if err := l.createZeroed(segmentName(ordinal), size); err != nil {
			return nil, fmt.Errorf("make %s of %d bytes: %w", segmentName(ordinal), size, spaceError(err))
		}
		seg = &segment{size: size}
	} else if seg.ordinal != ordinal {
		if err := l.rename(seg, ordinal); err != nil {
			p.free = append(p.free, seg)
			return nil, fmt.Errorf("reuse %s as %s: %w", segmentName(seg.ordinal), segmentName(ordinal), spaceError(err))
		}
	}
	seg.ordinal = ordinal
	p.free = slices.DeleteFunc(p.free, func(s *segment) bool { return s.ordinal == ordinal }) // it was replaced
	if err := dirsync.Sync(fsys, dir); err != nil {
		p.next, p.free = nil, append(p.free, seg) // it has the name, though not for good
		return nil, spaceError(err)
	}
	return seg, nil
}

// rename gives a free file the name of another segment, which may be that of a later
// opening, if what came before took long.
func (l *Log) rename(seg *segment, ordinal uint64) error {
	if err := l.owned(); err != nil {
		return err
	}
	path := func(n uint64) string { return l.opts.FS.PathJoin(l.opts.Dir, segmentName(n)) }
	return l.opts.FS.Rename(path(seg.ordinal), path(ordinal))
}

// take picks a free file: the one that has the name already, else the smallest
// that is large enough.
func (p *prepared) take(l *Log, ordinal uint64, size int64) *segment {
	i := slices.IndexFunc(p.free, func(s *segment) bool { return s.ordinal == ordinal })
	if i >= 0 && p.free[i].size >= size {
		return p.remove(i)
	}
	if l.reading() {
		return nil
	}
	best := -1
	for i, seg := range p.free {
		if seg.size >= size && (best < 0 || seg.size < p.free[best].size) {
			best = i
		}
	}
	if best < 0 {
		return nil
	}
	return p.remove(best)
}

func (p *prepared) remove(i int) *segment {
	seg := p.free[i]
	p.free = append(p.free[:i], p.free[i+1:]...)
	mark.Hit(mark.SegmentRecycled)
	seg.recycled = true
	return seg
}

// discard removes the smallest free files while there are too many. A file that
// cannot be removed now is tried again later. One that has the name of the next segment
// stays, as the log may have a note of it.
func (p *prepared) discard(l *Log) {
	next := l.writing().ordinal + 1
	for len(p.free) > keptFree && !l.reading() {
		small := -1
		for i, seg := range p.free {
			if seg.ordinal != next && (small < 0 || seg.size < p.free[small].size) {
				small = i
			}
		}
		// A later opening may use it, if what came before took long.
		if l.owned() != nil || l.opts.FS.Remove(l.opts.FS.PathJoin(l.opts.Dir, segmentName(p.free[small].ordinal))) != nil {
			return
		}
		p.remove(small)
	}
}

// give returns files that hold nothing any more.
func (p *prepared) give(files ...*segment) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.free = append(p.free, files...)
	p.idle.Store(false)
}

// nextSegment makes the log go on in the next segment, of at least the size. It
// waits for one only if none is ready.
func (l *Log) nextSegment(size int64) error {
	p := &l.pool
	p.mu.Lock()
	defer p.mu.Unlock()
	if failed := l.failed.Load(); failed != nil { // while this waited
		return *failed
	}
	seg, err := p.ready(l, l.cur.ordinal+1, size)
	if err != nil {
		return err
	}
	return l.use(seg)
}

// ready returns the prepared segment, or makes one now.
func (p *prepared) ready(l *Log, ordinal uint64, size int64) (*segment, error) {
	if next := p.next; next != nil && next.size >= size {
		p.next = nil
		p.idle.Store(false)
		return next, nil
	}
	// One that is too small for this group is replaced by a larger one, or stays: the log
	// has a note of its size.
	want := max(roundUp(size), l.opts.after(l.cur.size))
	seg, err := p.make(l, ordinal, want)
	least := max(roundUp(size), l.opts.MinSegmentBytes)
	if errors.Is(err, substrate.ErrDiskFull) && least < want {
		seg, err = p.make(l, ordinal, least)
	}
	if errors.Is(err, substrate.ErrDiskFull) {
		p.refused = least
		l.lacksSpace(err)
		return nil, fmt.Errorf("append to the log in %s: %w", l.opts.Dir, err)
	}
	if err != nil {
		return nil, l.fail(fmt.Errorf("prepare %s", segmentName(ordinal)), err)
	}
	p.next, p.refused = nil, 0
	p.idle.Store(false)
	return seg, l.claim(l.writing(), seg.claim())
}

// use opens a prepared segment and makes it the one that is written to.
func (l *Log) use(seg *segment) error {
	name := l.opts.FS.PathJoin(l.opts.Dir, segmentName(seg.ordinal))
	f, err := l.opts.FS.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return l.fail(fmt.Errorf("open %s", segmentName(seg.ordinal)), err)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.cur != nil && !l.cur.dirty {
		_ = l.cur.file.Close() // synced: closing has nothing left to lose
		l.cur.file = nil
	}
	seg.file, seg.used, seg.incarnation = f, 0, l.incarnation
	seg.first, seg.end = l.end, l.end
	l.used = append(l.used, seg)
	l.cur = seg
	l.stats.SegmentsBegun++
	return nil
}

// writing returns the segment that is written to.
func (l *Log) writing() claim {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.cur.claim()
}

// claim notes that two segments are there, so that they are missed if they are
// lost: nothing else tells of the last ones. While the log is being opened it only
// remembers them: what is noted tells that the incarnation has begun.
func (l *Log) claim(current, next claim) error {
	l.trimming.Lock()
	defer l.trimming.Unlock()
	if next.ordinal < l.state.prepared.ordinal {
		return nil // who prepared it was overtaken
	}
	l.state.current, l.state.prepared = current, next
	if !l.begun {
		return nil
	}
	err := l.owned() // an earlier incarnation must not undo what this file says now
	if err == nil {
		err = l.saveState()
	}
	if err != nil {
		return l.fail(fmt.Errorf("note that %s is prepared", segmentName(next.ordinal)), err)
	}
	return nil
}

func (l *Log) reading() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.readers > 0
}
