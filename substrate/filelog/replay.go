package filelog

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// Replay implements substrate.Log. It sees what was written before it was
// called, and checks all that it reads again.
func (l *Log) Replay(from substrate.Offset, f func(at substrate.Offset, group []byte) error) error {
	used, end, err := l.pin(from)
	if err != nil {
		return fmt.Errorf("replay the log from offset %d: %w", from, err)
	}
	defer l.unpin()
	return walk(l.opts.FS, l.opts.Dir, l.hub, used, from, end, func(at substrate.Offset, group []byte, _ Place) error { return f(at, group) })
}

// pin returns the segments as they are now and keeps them from being reused.
func (l *Log) pin(from substrate.Offset) (used []segment, end substrate.Offset, err error) {
	if err := l.usable(); err != nil {
		return nil, 0, err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if begin := l.used[0].first; from < begin || from > l.end {
		return nil, 0, fmt.Errorf("the log holds offsets %d to %d", begin, l.end)
	}
	l.readers++
	for _, seg := range l.used {
		used = append(used, *seg)
	}
	return used, l.end, nil
}

func (l *Log) unpin() {
	l.mu.Lock()
	l.readers--
	l.mu.Unlock()
}

// Place is where a group lies in the files of a log.
type Place struct {
	File   string // in the log's directory
	Offset int64  // of the group's first byte
}

// walk calls f for each group of the segments that contains or lies beyond from
// and before end.
func walk(fsys vfs.FS, dir string, hub HubID, used []segment, from, end substrate.Offset, f func(substrate.Offset, []byte, Place) error) error {
	w := window{hub: hub}
	defer w.close()
	for i := range used {
		seg := &used[i]
		if seg.end <= from || seg.first >= min(seg.end, end) {
			continue
		}
		if err := w.open(fsys, dir, seg); err != nil {
			return err
		}
		if err := walkSegment(&w, seg, from, min(seg.end, end), f); err != nil {
			return err
		}
	}
	return nil
}

func walkSegment(w *window, seg *segment, from, end substrate.Offset, f func(substrate.Offset, []byte, Place) error) error {
	at, name := seg.first, segmentName(seg.ordinal)
	for place := int64(0); at < end; {
		var h header
		payload, v, err := w.frame(place, &h)
		if err != nil {
			return err
		}
		if v != frameGood || h.at != at || h.incarnation != seg.incarnation {
			return &substrate.Damage{File: segmentName(seg.ordinal), Offset: place, Kind: kindCRC,
				Detail: fmt.Sprintf("offset %d is unreadable, it was whole when the log was opened or written", at)}
		}
		if h.advance() > 0 && h.end() > from {
			if err := f(h.at, payload, Place{name, place + headerBytes}); err != nil {
				return err
			}
		}
		at = h.end()
		place += frameBytes(int(h.length))
	}
	return nil
}
