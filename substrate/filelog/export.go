package filelog

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

var _ substrate.LogExporter = (*Log)(nil)

// Export implements substrate.LogExporter. Segments are copied as far as whole
// frames reach, so that a copy never holds half of one. A segment that is not
// written to any more has an ID.
func (l *Log) Export(put func(substrate.ExportedFile) error) (substrate.Offset, error) {
	end, err := l.export(put)
	if err != nil {
		return 0, fmt.Errorf("copy the log in %s: %w", l.opts.Dir, err)
	}
	return end, nil
}

func (l *Log) export(put func(substrate.ExportedFile) error) (substrate.Offset, error) {
	used, end, err := l.pin(l.Begin())
	if err != nil {
		return 0, err
	}
	defer l.unpin()
	id := identity{hub: l.hub, state: state{
		sequence: 1, incarnation: l.incarnation, baseOrdinal: used[0].ordinal, base: used[0].first,
	}}
	content := id.encode()
	err = put(substrate.ExportedFile{
		Name: identityName, Size: identityBytes, Stored: identityBytes, Content: bytes.NewReader(content),
	})
	if planted.CopyWithoutLast && len(used) > 1 {
		used = used[:len(used)-1]
	}
	for i := 0; i < len(used) && err == nil; i++ {
		err = l.exportSegment(&used[i], i < len(used)-1, put)
	}
	return end, err
}

func (l *Log) exportSegment(seg *segment, full bool, put func(substrate.ExportedFile) error) error {
	f, err := l.opts.FS.Open(l.opts.FS.PathJoin(l.opts.Dir, segmentName(seg.ordinal)))
	if err != nil {
		return fmt.Errorf("open %s: %w", segmentName(seg.ordinal), err)
	}
	file := substrate.ExportedFile{
		Name: segmentName(seg.ordinal), Size: seg.size, Stored: seg.used,
		Content: io.NewSectionReader(f, 0, seg.used),
	}
	if full {
		file.ID = fmt.Sprintf("incarnation %d, offsets %d to %d, %d bytes", seg.incarnation, seg.first, seg.end, seg.used)
		file.Check = func() error { return seg.check(l.opts.FS, l.opts.Dir, l.hub) }
	}
	return errors.Join(put(file), f.Close())
}

// check reads all frames of a segment that is not written to any more, and what fills them
// up to whole sectors: that carries nothing, but is not what was written if it is not zero.
func (s *segment) check(fsys vfs.FS, dir string, hub HubID) error {
	w := window{hub: hub}
	defer w.close()
	if err := w.open(fsys, dir, s); err != nil {
		return err
	}
	want := cursor{incarnation: s.incarnation, at: s.first, anyPrev: true}
	for place := int64(0); place < s.used; {
		var h header
		_, v, err := w.frame(place, &h)
		if err != nil {
			return err
		}
		if v != frameGood || h.at != want.at || h.incarnation != want.incarnation || h.prev != want.prev && !want.anyPrev {
			return &substrate.Damage{File: segmentName(s.ordinal), Offset: place, Kind: kindCRC,
				Detail: fmt.Sprintf("offset %d is unreadable, it was whole when the log was opened or written", want.at)}
		}
		want.at, want.prev, want.anyPrev = h.end(), h.crc, false
		from := place + headerBytes + int64(h.length)
		place += frameBytes(int(h.length))
		padding, err := w.at(from, int(place-from))
		if err != nil {
			return err
		}
		if rest := bytes.TrimLeft(padding, "\x00"); len(rest) > 0 {
			return &substrate.Damage{File: segmentName(s.ordinal), Offset: place - int64(len(rest)), Kind: kindCRC,
				Detail: "the padding of a frame is not zero; nothing is lost"}
		}
	}
	return nil
}

// Renumber raises the incarnation of a log that nobody has open: a copy of a log
// must not number its openings as the original goes on to do.
func Renumber(fsys vfs.FS, dir string, by uint64) error {
	id, err := loadIdentity(fsys, dir)
	if err == nil {
		id.state.incarnation += by
		id.state.current, id.state.prepared = claim{}, claim{} // nothing of the new number has begun
		id.state.sequence++
		err = saveState(fsys, dir, id.state)
	}
	if err != nil {
		return fmt.Errorf("renumber the log in %s: %w", dir, err)
	}
	return nil
}

// encode is the content of the identity file; the second slot is empty.
func (id *identity) encode() []byte {
	buf := make([]byte, identityBytes)
	binary.LittleEndian.PutUint16(buf[12:], formatVersion)
	copy(buf[16:32], id.hub[:])
	sealSector(buf[:sectorBytes], identityMagic)
	id.state.put(buf[sectorBytes : 2*sectorBytes])
	return buf
}
