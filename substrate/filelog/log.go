package filelog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// Log is a substrate.Log on files. Open makes one.
type Log struct {
	opts Options
	hub  HubID

	incarnation  uint64
	firstOrdinal uint64 // of the incarnation's first segment
	identity     identityFile
	buf          []byte // the frame being written; of the writing goroutine
	prev         uint32 // CRC of the last frame; of the writing goroutine

	low    atomic.Bool
	failed atomic.Pointer[error]

	trimming sync.Mutex // held by Trim
	state    state      // guarded by it once open
	begun    bool       // the open frame is durable; from then on true

	pool prepared

	// mu guards what follows. It is never held across a write or a sync.
	mu      sync.Mutex
	used    []*segment // the segments that hold the log
	cur     *segment   // the last of them, written to; only the writing goroutine changes it
	end     substrate.Offset
	synced  substrate.Offset
	dirty   []*segment // written and not synced
	readers int        // calls of Replay under way: no file may be reused or removed
	closed  bool
	stats   substrate.LogStats
}

var _ substrate.Log = (*Log)(nil)

// Hub returns the ID of the hub that the log belongs to.
func (l *Log) Hub() HubID { return l.hub }

// Incarnation implements substrate.Log.
func (l *Log) Incarnation() uint64 { return l.incarnation }

// Begin implements substrate.Log.
func (l *Log) Begin() substrate.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.used[0].first
}

// End implements substrate.Log.
func (l *Log) End() substrate.Offset {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.end
}

// LowOnSpace implements substrate.Log: no segment could be prepared ahead of
// need. What is left of the present one is the reserve. A log that has failed has no
// need of any: whoever writes next hears of it, which nobody would who waits for space.
func (l *Log) LowOnSpace() bool {
	if l.opts.Inline && l.low.Load() {
		l.pool.ahead(l) // there is no goroutine that tries now and then
	}
	return l.low.Load() && l.failed.Load() == nil
}

// Stats implements substrate.Log.
func (l *Log) Stats() substrate.LogStats {
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.stats
	s.Segments = int64(len(l.used))
	return s
}

// Write implements substrate.Log. A group has at most MaxGroupBytes.
func (l *Log) Write(group []byte) error {
	if err := l.usable(); err != nil {
		return fmt.Errorf("append a group of %d bytes: %w", len(group), err)
	}
	if len(group) == 0 || len(group) > MaxGroupBytes {
		return fmt.Errorf("append a group of %d bytes: want 1 to %d", len(group), MaxGroupBytes)
	}
	return l.append(kindGroup, group)
}

// append writes one frame at the end of the log.
func (l *Log) append(kind frameKind, payload []byte) error {
	if err := l.owned(); err != nil && !planted.IgnoreEpochOnAppend {
		return l.fail(errors.New("append"), err)
	}
	need := frameBytes(len(payload))
	cur := l.cur
	// A close frame fits behind every group.
	if cur.used+need+sectorBytes > cur.size && kind != kindClose {
		if err := l.nextSegment(need + sectorBytes); err != nil {
			return err
		}
		cur = l.cur
		if err := l.owned(); err != nil && !planted.IgnoreEpochOnAppend { // that may have taken long
			return l.fail(errors.New("append"), err)
		}
	}
	h := l.header(kind, cur, len(payload))
	frame := l.frame(&h, payload)
	if planted.SectorRewritten {
		l.again(cur)
	}
	if _, err := cur.file.WriteAt(frame, cur.used); err != nil {
		return l.fail(fmt.Errorf("write %d bytes to %s at offset %d", len(frame), segmentName(cur.ordinal), cur.used), err)
	}
	l.wrote(cur, &h, need)
	return nil
}

// again is for a planted bug: what precedes a frame is written once more with it.
func (l *Log) again(seg *segment) {
	if seg.used < sectorBytes {
		return
	}
	sector := make([]byte, sectorBytes)
	if _, err := seg.file.ReadAt(sector, seg.used-sectorBytes); err == nil {
		_, _ = seg.file.WriteAt(sector, seg.used-sectorBytes)
	}
}

func (l *Log) header(kind frameKind, seg *segment, length int) header {
	h := header{
		kind: kind, hub: l.hub, incarnation: l.incarnation, ordinal: seg.ordinal,
		at: l.end, synced: l.synced, length: uint32(length), prev: l.prev,
		place: uint32(seg.used / sectorBytes), sectors: uint32(seg.size / sectorBytes),
	}
	if seg.recycled {
		h.flags = flagRecycled
	}
	return h
}

// keptBuffer is the largest frame whose buffer is kept for the next one.
const keptBuffer = 8 << 20

// frame lays out a sealed frame in the buffer, padded to whole sectors.
func (l *Log) frame(h *header, payload []byte) []byte {
	n := int(frameBytes(len(payload)))
	buf := l.buf
	if cap(buf) < n {
		buf = make([]byte, n, max(n, min(2*n, keptBuffer)))
		if n <= keptBuffer {
			l.buf = buf
		}
	}
	buf = buf[:n]
	copy(buf[headerBytes:], payload)
	clear(buf[headerBytes+len(payload):])
	h.seal(buf)
	return buf
}

// wrote accounts for a frame.
func (l *Log) wrote(seg *segment, h *header, bytes int64) {
	l.prev = h.crc
	l.mu.Lock()
	seg.used += bytes
	l.end = h.end()
	seg.end = l.end
	if !seg.dirty {
		seg.dirty = true
		l.dirty = append(l.dirty, seg)
	}
	l.stats.DeviceBytes += bytes
	if h.kind == kindGroup {
		l.stats.Groups++
		l.stats.GroupBytes += int64(h.length)
	}
	wanted := seg.used > seg.size/4 && h.kind != kindClose
	l.mu.Unlock()
	if wanted {
		l.pool.want(l)
	}
}

// Sync implements substrate.Log.
func (l *Log) Sync() error {
	if err := l.usable(); err != nil {
		return fmt.Errorf("sync the log: %w", err)
	}
	return l.sync()
}

func (l *Log) sync() error {
	if len(l.dirty) == 0 {
		return nil
	}
	start := time.Now()
	for _, seg := range l.dirty {
		if err := substrate.Uninterrupted(seg.file.SyncData); err != nil {
			return l.fail(fmt.Errorf("sync %s", segmentName(seg.ordinal)), err)
		}
	}
	if err := l.owned(); err != nil && !planted.ZombieAppend {
		return l.fail(errors.New("sync"), err)
	}
	taken := time.Since(start)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, seg := range l.dirty {
		seg.dirty = false
		if seg != l.cur {
			_ = seg.file.Close() // synced: closing has nothing left to lose
			seg.file = nil
		}
	}
	l.dirty = l.dirty[:0]
	l.synced = l.end
	l.stats.Syncs++
	l.stats.SyncNanos += int64(taken)
	return nil
}

// usable says why the log takes no calls, if so.
func (l *Log) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return substrate.ErrClosed
	}
	if p := l.failed.Load(); p != nil {
		return *p
	}
	return nil
}

// fail makes the log refuse everything from now on: what a failed write or sync
// has left behind is unknown, only a new incarnation can find out.
func (l *Log) fail(what, cause error) error {
	err := fmt.Errorf("%w: could not %w: %w: close the log, open it again and recover", substrate.ErrFailed, what, cause)
	l.failed.CompareAndSwap(nil, &err)
	return err
}

// Close implements substrate.Log. It ends the incarnation with a mark, so that
// the next Open knows that nothing is missing.
func (l *Log) Close() error {
	err := l.usable()
	if errors.Is(err, substrate.ErrClosed) {
		return fmt.Errorf("close the log: %w", err)
	}
	l.pool.stop()
	if err == nil {
		err = l.finish()
	}
	l.mu.Lock()
	l.closed = true
	files := append([]*segment{l.cur}, l.dirty...)
	l.mu.Unlock()
	for _, seg := range files {
		if seg.file != nil {
			err = errors.Join(err, seg.file.Close())
			seg.file = nil
		}
	}
	if err == nil || !planted.HandleLeftOpen {
		err = errors.Join(err, l.identity.file.Close())
	}
	if err != nil {
		return fmt.Errorf("close the log: %w", err)
	}
	return nil
}

func (l *Log) finish() error {
	if err := l.sync(); err != nil {
		return err
	}
	if err := l.append(kindClose, nil); err != nil {
		return err
	}
	return l.sync()
}
