package filelog

import (
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// cursor says what the next frame must be.
type cursor struct {
	incarnation uint64           // 0 before the first frame
	at          substrate.Offset // where it begins
	prev        uint32           // the CRC it chains to
	anyPrev     bool             // it is the first: its predecessor was trimmed
}

// group is a group that no mark covers yet.
type group struct {
	segment int // index in scan.used
	place   int64
	at, end substrate.Offset
	crc     uint32
}

// scan walks a log from its base to its end and tells a torn tail from damage.
// It changes nothing.
type scan struct {
	fs    vfs.FS
	dir   string
	id    identity
	files []*segment // all segment files from the base on, by ordinal

	cur     cursor
	synced  substrate.Offset // the newest mark: everything before it was durable
	used    []*segment       // the files that hold the log, as far as it is valid
	tail    []group          // the groups beyond the mark
	crc     uint32           // of the last group before the tail
	closed  bool             // the last frame is a close frame
	claimed substrate.Offset // what the last open frame says is durable
	frames  int64
	groups  int64

	damage  []*substrate.Damage
	trifles []*substrate.Damage // see Report
	stuck   bool                // there is nothing behind the last damage to go on with
	dropped int64               // bytes of what a torn tail lost, as far as one can tell

	salvaging *Salvaged // gets the whole groups and the holes, or nil

	least   substrate.Reach // how far the log has to come
	guessed bool            // the identity is made up from what the frames say
	made    int64           // the size of the present file, as its frames tell it

	known  func(group []byte) error // asked about each group, unless nil
	padded bool                     // padding is checked too: it carries nothing, so only Verify cares
	win    window
	look   window // for looking ahead without losing the place
	file   int    // index in files
	offset int64  // in that file
}

func newScan(fsys vfs.FS, dir string, id identity, all []*segment) *scan {
	s := &scan{fs: fsys, dir: dir, id: id}
	for _, f := range all {
		if f.ordinal >= id.state.baseOrdinal {
			s.files = append(s.files, f)
		}
	}
	s.cur = cursor{at: id.state.base, anyPrev: true}
	s.synced = id.state.base
	s.win.hub, s.look.hub = id.hub, id.hub
	return s
}

func (s *scan) close() {
	s.win.close()
	s.look.close()
}

// run walks the whole log. It goes on after damage, from the next frame that
// makes sense, so that all of it can be listed; the result is fit for use only
// if there is none.
func (s *scan) run() error {
	defer s.close()
	if err := s.walk(); err != nil {
		return err
	}
	s.present(s.id.state.current)
	s.present(s.id.state.prepared)
	s.begun()
	s.reaches()
	if s.salvaging != nil {
		s.salvaging.EndLost = s.lostEnd()
	}
	return nil
}

// present holds that a segment is there that once was, and has its length.
func (s *scan) present(c claim) {
	if c.ordinal < s.id.state.baseOrdinal {
		return
	}
	name := segmentName(c.ordinal)
	for _, d := range s.damage {
		if d.File == name {
			return
		}
	}
	switch f := s.segment(c.ordinal); {
	case f == nil:
		s.hurt(c.ordinal, 0, kindShort, "segment is missing")
	case f.size < c.size:
		s.hurt(c.ordinal, f.size, kindShort, fmt.Sprintf("the file has %d bytes, it was made with %d", f.size, c.size))
	}
}

func (s *scan) walk() error {
	if len(s.files) == 0 || s.files[0].ordinal != s.id.state.baseOrdinal {
		if s.id.state.baseOrdinal > 1 || len(s.files) > 0 {
			s.hurt(s.id.state.baseOrdinal, 0, kindShort, "segment is missing")
		}
		if len(s.files) == 0 {
			return nil
		}
	}
	if err := s.win.open(s.fs, s.dir, s.files[0]); err != nil {
		return err
	}
	for {
		again, err := s.step()
		if err != nil || !again {
			return err
		}
	}
}

// step takes the next frame, wherever it is, or decides that there is none.
func (s *scan) step() (again bool, err error) {
	var h header
	payload, v, err := s.win.frame(s.offset, &h)
	if err != nil {
		return false, err
	}
	if v == frameGood && s.succeeds(&h) {
		return true, s.take(&h, payload)
	}
	if v == frameNewer {
		return false, newerFormat(segmentName(s.win.ordinal), s.offset, h.version)
	}
	if moved, err := s.nextSegment(); moved || err != nil {
		return moved, err
	}
	return s.bad(&h, v)
}

// succeeds reports whether a whole frame is the one that must come next.
func (s *scan) succeeds(h *header) bool {
	if h.at != s.cur.at {
		return false
	}
	if s.cur.incarnation == 0 {
		// The first frame of all begins an incarnation, unless what was before it
		// has been trimmed.
		return h.kind == kindOpen || s.id.state.baseOrdinal > 1
	}
	return h.incarnation == s.cur.incarnation && (h.prev == s.cur.prev || s.cur.anyPrev) && h.kind != kindOpen
}

// take makes a frame part of the log.
func (s *scan) take(h *header, payload []byte) error {
	file := s.files[s.file]
	if len(s.used) == 0 || s.used[len(s.used)-1] != file {
		if want := int64(h.sectors) * sectorBytes; file.size < want {
			s.hurt(file.ordinal, file.size, kindShort, fmt.Sprintf("the file has %d bytes, it was made with %d", file.size, want))
		}
		file.first, file.end, file.incarnation = h.at, h.at, h.incarnation
		file.recycled = h.flags&flagRecycled != 0
		s.used = append(s.used, file)
	}
	s.frames++
	s.made = int64(h.sectors) * sectorBytes
	s.closed = h.kind == kindClose
	s.cur = cursor{incarnation: h.incarnation, at: h.end(), prev: h.crc}
	if h.kind == kindOpen {
		body, ok := parseOpenBody(payload)
		if !ok {
			return &substrate.Damage{File: segmentName(file.ordinal), Offset: s.offset, Kind: kindShort,
				Detail: fmt.Sprintf("the frame that opens the incarnation has %d bytes, want %d", len(payload), openBodyBytes)}
		}
		s.claimed = body.end
	}
	if h.kind == kindGroup || h.kind == kindClose {
		// Groups are written once the opening has succeeded. Without any, the open
		// frame may be in the page cache only, after a sync of it that failed; then
		// so is what it says of the copies.
		s.mark(s.claimed)
	}
	if h.advance() > 0 {
		if s.known != nil {
			if err := s.known(payload); err != nil {
				return fmt.Errorf("%s at offset %d: %w", segmentName(file.ordinal), s.offset, err)
			}
		}
		s.groups++
		s.tail = append(s.tail, group{segment: len(s.used) - 1, place: s.offset, at: h.at, end: h.end(), crc: h.crc})
		if s.salvaging != nil {
			s.salvaging.whole = append(s.salvaging.whole, spot{file, s.offset, h.at, h.end()})
		}
	}
	s.mark(h.synced)
	s.offset += frameBytes(int(h.length))
	file.end, file.used = h.end(), s.offset
	if s.padded {
		return s.checkPadding(s.offset-frameBytes(int(h.length)), h)
	}
	return nil
}

// checkPadding makes sure that what fills a frame up to a whole sector is zero,
// as it was written: no checksum covers it.
func (s *scan) checkPadding(offset int64, h *header) error {
	from := offset + headerBytes + int64(h.length)
	padding, err := s.win.at(from, int(s.offset-from))
	if err != nil {
		return err
	}
	for i, b := range padding {
		if b != 0 {
			s.trifle(segmentName(s.win.ordinal), from+int64(i), "the padding of a frame is not zero; nothing is lost")
			break
		}
	}
	return nil
}

// mark notes that everything before an offset was durable.
func (s *scan) mark(to substrate.Offset) {
	s.synced = max(s.synced, to)
	n := 0
	for n < len(s.tail) && s.tail[n].end <= s.synced {
		s.crc = s.tail[n].crc
		n++
	}
	if n < len(s.tail)-n {
		s.tail = s.tail[n:]
		return
	}
	s.tail = slices.Delete(s.tail, 0, n) // keeps the room for those to come
}

// nextSegment moves on if the log goes on at the beginning of the next segment,
// or if a later incarnation took over at or before this point.
func (s *scan) nextSegment() (moved bool, err error) {
	for i := s.file + 1; i < len(s.files); i++ {
		if err := s.look.open(s.fs, s.dir, s.files[i]); err != nil {
			return false, err
		}
		var h header
		payload, v, err := s.look.frame(0, &h)
		if err != nil {
			return false, err
		}
		if v != frameGood {
			continue
		}
		if i == s.file+1 && s.files[i].ordinal == s.files[s.file].ordinal+1 && s.cur.incarnation != 0 && s.succeeds(&h) {
			return true, s.enter(i, 0)
		}
		if h.kind == kindOpen && h.incarnation > s.cur.incarnation {
			body, ok := parseOpenBody(payload)
			if !ok || body.previousEnd > s.cur.at {
				return false, nil // what lies between is lost; bad tells how
			}
			if prev := s.crcAt(body.previousEnd); prev != 0 && prev != h.prev {
				s.hurt(s.files[i].ordinal, 0, kindChain, fmt.Sprintf("incarnation %d continues checksum %08x, the log has %08x at offset %d", h.incarnation, h.prev, prev, body.previousEnd))
			}
			s.cutBack(body.previousEnd)
			return true, s.enter(i, 0)
		}
	}
	return false, nil
}

// crcAt returns the CRC of the group that ends at or before an offset, or 0 if it
// is not known.
func (s *scan) crcAt(end substrate.Offset) uint32 {
	for n := len(s.tail); n > 0; n-- {
		if g := s.tail[n-1]; g.end <= end {
			return g.crc
		}
	}
	return s.crc
}

// cutBack forgets what the next incarnation declared void and wrote anew.
func (s *scan) cutBack(end substrate.Offset) {
	for n := len(s.tail); n > 0 && s.tail[n-1].end > end; n-- {
		s.tail = s.tail[:n-1]
		s.groups--
	}
	for n := len(s.used); n > 0; n-- {
		last := s.used[n-1]
		last.end = min(last.end, end)
		if last.first < end || n == 1 {
			break
		}
		s.used = s.used[:n-1]
	}
	if w := s.salvaging; w != nil {
		for n := len(w.whole); n > 0 && w.whole[n-1].end > end; n-- {
			w.whole = w.whole[:n-1]
		}
	}
	s.cur = cursor{incarnation: 0, at: end, anyPrev: true}
}

func (s *scan) enter(file int, offset int64) error {
	s.file, s.offset = file, offset
	return s.win.open(s.fs, s.dir, s.files[file])
}

func (s *scan) hurt(ordinal uint64, offset int64, kind, detail string) {
	s.damage = append(s.damage, &substrate.Damage{File: segmentName(ordinal), Offset: offset, Kind: kind, Detail: detail})
}

func (s *scan) trifle(file string, offset int64, detail string) {
	s.trifles = append(s.trifles, &substrate.Damage{File: file, Offset: offset, Kind: kindCRC, Detail: detail})
}

// first returns the first damage, if any.
func (s *scan) first() error {
	if len(s.damage) == 0 {
		return nil
	}
	return s.damage[0]
}
