package filelog

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// leastSegmentBytes is the smallest first segment of an incarnation, tried if
// there is no space for a proper one: it lets a log on a full disk be opened.
const leastSegmentBytes = 64 << 10

// Open creates or opens a log and begins a new incarnation. Errors wrap
// substrate.ErrDamaged (see substrate.Damage for file, offset and kind),
// ErrForeign, ErrNewerFormat or ErrDiskFull; then nothing has been changed that
// matters.
func Open(opts Options) (*Log, error) {
	opts = opts.withDefaults()
	l, err := open(opts)
	if err != nil {
		return nil, fmt.Errorf("open the commit log in %s: %w", opts.Dir, spaceError(err))
	}
	return l, nil
}

func open(opts Options) (*Log, error) {
	if opts.Least.Incarnation == 0 {
		if err := dirsync.Make(opts.FS, opts.Dir); err != nil {
			return nil, err
		}
	}
	files, unfinished, err := listSegments(opts.FS, opts.Dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	id, err := loadOrCreateIdentity(opts, len(files))
	if err != nil {
		return nil, err
	}
	// What this program cannot take over is refused before anything is changed.
	if _, err := scanned(opts, id, files); err != nil {
		return nil, err
	}
	for _, name := range unfinished {
		mark.Hit(mark.UnfinishedSegment)
		err := opts.FS.Remove(opts.FS.PathJoin(opts.Dir, name))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("remove unfinished %s: %w", name, err)
		}
	}
	if err := settle(opts, &id, files); err != nil {
		return nil, err
	}
	l := &Log{opts: opts, hub: id.hub, state: id.state}
	if err := l.take(); err != nil {
		return nil, err
	}
	if err := l.recover(id); err != nil {
		l.release()
		return nil, err
	}
	l.pool.start(l)
	return l, nil
}

// take makes the next incarnation this one: from then on no earlier one writes.
func (l *Log) take() error {
	l.state.incarnation++
	l.incarnation = l.state.incarnation
	l.state.current, l.state.prepared = claim{}, claim{} // files behind the log's end may go now
	if err := l.saveState(); err != nil {
		return err
	}
	return l.openIdentity()
}

// scanned reads the log.
func scanned(opts Options, id identity, files []*segment) (*scan, error) {
	s := newScan(opts.FS, opts.Dir, id, files)
	s.known, s.least = opts.Known, opts.Least
	if err := s.run(); err != nil {
		return nil, err
	}
	return s, s.first()
}

// recover finds out what the log holds, of which earlier incarnations change nothing
// any more, and begins this one.
func (l *Log) recover(id identity) error {
	files, _, err := listSegments(l.opts.FS, l.opts.Dir)
	if err != nil {
		return err
	}
	id.state.current, id.state.prepared = claim{}, claim{} // the first look has found them
	s, err := scanned(l.opts, id, files)
	if err != nil {
		return err
	}
	if err := l.begin(s, files); err != nil {
		return err
	}
	l.report(s)
	return nil
}

// begin starts the incarnation. The order of the steps is what makes it safe to
// crash between any two: the number is durable before it is used; the groups
// that no mark covers, which may be only in the page cache, are written anew and
// durable before the open frame says so; only then are their old copies void, and
// those of openings before.
func (l *Log) begin(s *scan, files []*segment) error {
	incarnation, ordinal := s.start()
	l.firstOrdinal = ordinal
	if incarnation > l.incarnation { // the identity file is behind the log
		l.incarnation, l.state.incarnation = incarnation, incarnation
		if err := l.saveState(); err != nil {
			return err
		}
	}
	var copied []*segment
	l.pool.free, copied = unused(files, s)
	seg, err := l.firstSegment(ordinal)
	if err != nil {
		return err
	}
	if planted.RecoveryOnUnsynced {
		s.mark(s.end())
	}
	void := s.synced
	l.end, l.synced = void, void
	if err := l.use(seg); err != nil {
		return err
	}
	frame, h := l.openFrame(s, void)
	seg.used = sectorBytes
	l.prev = h.crc
	if err := l.rewrite(s); err != nil {
		return err
	}
	if err := l.writeOpenFrame(seg, frame); err != nil {
		return err
	}
	l.synced = l.end
	l.stats = substrate.LogStats{
		CleanStart:     s.closed || s.id.state.incarnation == 0,
		RewrittenBytes: int64(l.end - void),
		DroppedBytes:   s.dropped,
	}
	l.pool.free = append(l.pool.free, copied...)
	return l.adopt(s, void)
}

// saveState does nothing once the log has failed: after a failed write of one of the
// file's two slots the other one is the last that is durable.
func (l *Log) saveState() error {
	if failed := l.failed.Load(); failed != nil {
		return *failed
	}
	l.state.sequence++
	return saveState(l.opts.FS, l.opts.Dir, l.state)
}

// unused returns the files that hold nothing any more: free ones, and those that lie
// between segments of the log. An opening has copied what was in these; but it may
// have failed, so that its copies are in the page cache only.
func unused(files []*segment, s *scan) (free, copied []*segment) {
	in, last := make(map[uint64]bool, len(s.used)), uint64(0)
	for _, seg := range s.used {
		in[seg.ordinal], last = true, seg.ordinal
	}
	for _, seg := range files {
		switch {
		case in[seg.ordinal]:
		case seg.ordinal > s.id.state.baseOrdinal && seg.ordinal < last:
			copied = append(copied, seg)
		default:
			free = append(free, seg)
		}
	}
	return free, copied
}

func (l *Log) firstSegment(ordinal uint64) (*segment, error) {
	seg, err := l.pool.make(l, ordinal, l.opts.MinSegmentBytes)
	if errors.Is(err, substrate.ErrDiskFull) && l.opts.MinSegmentBytes > leastSegmentBytes {
		seg, err = l.pool.make(l, ordinal, leastSegmentBytes)
	}
	return seg, err
}

// openFrame lays out the open frame, which is written last but which the copies
// chain to.
func (l *Log) openFrame(s *scan, void substrate.Offset) ([]byte, header) {
	frame := make([]byte, sectorBytes)
	openBody{previous: s.cur.incarnation, previousEnd: void, end: s.end()}.put(frame[headerBytes:])
	l.prev = s.crcAt(void)
	h := l.header(kindOpen, l.cur, openBodyBytes)
	h.seal(frame)
	return frame, h
}

// rewrite appends the groups that no mark covers to the new incarnation and
// syncs them.
func (l *Log) rewrite(s *scan) error {
	w := window{hub: l.hub}
	defer w.close()
	for _, g := range s.tail {
		mark.Hit(mark.TailRewritten)
		if from := s.used[g.segment]; w.file == nil || w.ordinal != from.ordinal {
			if err := w.open(l.opts.FS, l.opts.Dir, from); err != nil {
				return err
			}
		}
		var h header
		payload, v, err := w.frame(g.place, &h)
		if err != nil {
			return err
		}
		if v != frameGood || h.crc != g.crc {
			return &substrate.Damage{File: segmentName(w.ordinal), Offset: g.place, Kind: kindCRC, Detail: "a frame that was whole a moment ago is not any more"}
		}
		if err := l.append(kindCopy, payload); err != nil {
			return err
		}
	}
	return l.sync()
}

func (l *Log) writeOpenFrame(seg *segment, frame []byte) error {
	f := seg.file
	if f == nil { // the copies filled it and went on elsewhere
		var err error
		f, err = l.opts.FS.OpenReadWrite(l.opts.FS.PathJoin(l.opts.Dir, segmentName(seg.ordinal)), vfs.WriteCategoryUnspecified)
		if err != nil {
			return fmt.Errorf("open %s: %w", segmentName(seg.ordinal), err)
		}
		defer f.Close() //nolint:errcheck // synced below
	}
	if _, err := f.WriteAt(frame, 0); err != nil {
		return fmt.Errorf("write the open frame of %s: %w", segmentName(seg.ordinal), err)
	}
	if err := substrate.Uninterrupted(f.SyncData); err != nil {
		return fmt.Errorf("sync the open frame of %s: %w", segmentName(seg.ordinal), err)
	}
	return nil
}

// adopt takes over the segments of earlier incarnations, without what is void
// now, and frees those that hold nothing: no group, and no open frame that later
// groups need.
func (l *Log) adopt(s *scan, void substrate.Offset) error {
	keep := l.used
	for _, seg := range slices.Backward(s.used) {
		seg.end = min(seg.end, void)
		if seg.first < seg.end || seg.incarnation == keep[0].incarnation {
			keep = append([]*segment{seg}, keep...)
		} else {
			l.pool.free = append(l.pool.free, seg)
		}
	}
	l.used = keep
	l.state.baseOrdinal, l.state.base = l.used[0].ordinal, l.used[0].first
	l.state.current, l.begun = l.cur.claim(), true
	if l.state.prepared.ordinal <= l.cur.ordinal {
		l.state.prepared = claim{}
	}
	if err := l.saveState(); err != nil {
		return err
	}
	l.pool.discard(l)
	return nil
}

func (l *Log) report(s *scan) {
	st := l.stats
	switch {
	case st.CleanStart:
	case st.DroppedBytes > 0:
		mark.Hit(mark.TailDropped)
		l.opts.Logger.Warn("commit log was not closed: dropped what a crash left unfinished at its end; none of it had been reported durable, unless the disk is damaged there as well",
			"dir", l.opts.Dir, "dropped_bytes", st.DroppedBytes, "at", uint64(s.end()), "rewritten_bytes", st.RewrittenBytes)
	default:
		l.opts.Logger.Info("commit log was not closed; nothing is missing", "dir", l.opts.Dir, "rewritten_bytes", st.RewrittenBytes)
	}
}

// release closes what a failed open has left open.
func (l *Log) release() {
	_ = l.identity.file.Close() // opened for reading: nothing can be lost
	for _, seg := range l.used {
		if seg.file != nil {
			_ = seg.file.Close() // the error that made open fail is the one to report
		}
	}
}
