package filelog

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// windowBytes is how much of a segment is read at once, at most; firstBytes is how
// much of it is read first, as many segments end soon. Each read is twice the last.
const (
	windowBytes = 256 << 10
	firstBytes  = 16 << 10
)

// windows has the buffers of windows that were closed: opening a log of small
// segments would be making little else.
var windows = sync.Pool{New: func() any { return new([windowBytes]byte) }}

// window reads frames of one segment file, mostly forward.
type window struct {
	hub     HubID
	ordinal uint64
	file    vfs.File
	size    int64
	pooled  *[windowBytes]byte // behind buf, unless a frame needed more
	buf     []byte
	start   int64 // file offset of buf[0]
	next    int   // how much is read next
}

// open points the window at a segment; the buffer is kept.
func (w *window) open(fsys vfs.FS, dir string, s *segment) error {
	w.closeFile()
	f, err := substrate.OpenPlain(fsys, fsys.PathJoin(dir, segmentName(s.ordinal)), vfs.SequentialReadsOption)
	if err != nil {
		return fmt.Errorf("open segment %s: %w", segmentName(s.ordinal), err)
	}
	w.file, w.size, w.ordinal = f, s.size, s.ordinal
	w.buf, w.start, w.next = w.buf[:0], 0, firstBytes
	return nil
}

// close ends the use of the window, and of all that it has returned.
func (w *window) close() {
	w.closeFile()
	if w.pooled != nil {
		windows.Put(w.pooled)
		w.pooled = nil
	}
	w.buf = nil
}

func (w *window) closeFile() {
	if w.file != nil {
		_ = w.file.Close() // opened for reading: nothing can be lost
		w.file = nil
	}
}

// at returns n bytes of the file from an offset, or fewer at its end. They are
// good until the next call.
func (w *window) at(offset int64, n int) ([]byte, error) {
	if offset >= w.size {
		return nil, nil
	}
	n = int(min(int64(n), w.size-offset))
	if offset >= w.start && offset+int64(n) <= w.start+int64(len(w.buf)) {
		from := offset - w.start
		return w.buf[from : from+int64(n)], nil
	}
	want := int(min(int64(max(n, w.next)), w.size-offset))
	w.next = min(2*w.next, windowBytes)
	switch {
	case cap(w.buf) >= want:
	case want <= windowBytes && w.pooled == nil:
		w.pooled = windows.Get().(*[windowBytes]byte)
		w.buf = w.pooled[:]
	default:
		w.buf = make([]byte, want)
	}
	w.buf, w.start = w.buf[:want], offset
	got, err := w.file.ReadAt(w.buf, offset)
	if err != nil && !errors.Is(err, io.EOF) {
		w.buf = w.buf[:0]
		return nil, fmt.Errorf("read %s at offset %d: %w", segmentName(w.ordinal), offset, err)
	}
	w.buf = w.buf[:got]
	return w.buf[:min(n, got)], nil
}

// verdict is what the bytes at a place of a segment are.
type verdict uint8

const (
	frameNone    verdict = iota // no frame: zeros, or remains of something else
	frameStale                  // a frame of an earlier use of this file
	frameBroken                 // meant to be a frame of this segment and place, but damaged or torn
	frameForeign                // a whole frame of another hub
	frameNewer                  // a whole frame of a newer program
	frameGood                   // a whole frame that belongs here
)

// frame looks for a frame at an offset. The payload is good until the next call.
func (w *window) frame(offset int64, h *header) (payload []byte, v verdict, err error) {
	sector, err := w.at(offset, sectorBytes)
	if err != nil || len(sector) < headerBytes {
		return nil, frameNone, err
	}
	if !hasMagic(sector) {
		return nil, frameNone, nil
	}
	h.parse(sector)
	here := h.ordinal == w.ordinal && int64(h.place)*sectorBytes == offset
	if !here {
		return nil, frameStale, nil
	}
	if h.length > MaxGroupBytes || offset+headerBytes+int64(h.length) > w.size {
		return nil, frameBroken, nil
	}
	whole, err := w.at(offset, headerBytes+int(h.length))
	if err != nil {
		return nil, frameNone, err
	}
	if len(whole) < headerBytes+int(h.length) || crc32.Checksum(whole[12:], castagnoli) != h.crc && !planted.SkipCRC {
		return nil, frameBroken, nil
	}
	switch {
	case h.hub != w.hub:
		return nil, frameForeign, nil
	case h.version > formatVersion:
		return nil, frameNewer, nil
	}
	return whole[headerBytes:], frameGood, nil
}

// resembles reports whether the bytes at an offset look like the frame that was
// meant to be there, torn or with a flipped bit in its header. A stale frame of
// an earlier use of the file matches in at most four fields.
func (w *window) resembles(offset int64, want cursor) bool {
	sector, err := w.at(offset, sectorBytes)
	if err != nil || len(sector) < headerBytes {
		return false
	}
	var h header
	h.parse(sector)
	matches := 0
	for _, ok := range []bool{
		hasMagic(sector), h.hub == w.hub, h.incarnation == want.incarnation, h.ordinal == w.ordinal,
		h.at == want.at, h.prev == want.prev, int64(h.place)*sectorBytes == offset,
	} {
		if ok {
			matches++
		}
	}
	return matches >= 5
}

func (w *window) isZero(offset int64) bool {
	sector, err := w.at(offset, sectorBytes)
	if err != nil {
		return false
	}
	for _, b := range sector {
		if b != 0 {
			return false
		}
	}
	return true
}
