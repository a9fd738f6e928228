package filelog

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// Hole is a part of a log that cannot be read.
type Hole struct{ From, To substrate.Offset }

// Salvaged is what can still be read of a log that may be damaged.
type Salvaged struct {
	Report
	Holes []Hole // ascending
	// EndLost: nobody knows whether there was more behind Report.End, since files are
	// gone or cut off that would have it.
	EndLost bool
	fs      vfs.FS
	dir     string
	files   []*segment
	whole   []spot
}

// spot is where a whole group is.
type spot struct {
	file  *segment
	place int64
	at    substrate.Offset
	end   substrate.Offset
}

// Salvage reads a log that nobody has open, damaged or not, and changes nothing.
// Hub says whose it should be; zero takes the one that the files name. Least is how
// far it had come, as in Options: the salvaged log ends there at the earliest, behind a
// hole if need be. Without a usable identity file the log begins with the oldest
// segment that has one of the hub's frames at its beginning.
func Salvage(fsys vfs.FS, dir string, hub HubID, least substrate.Reach) (*Salvaged, error) {
	s, err := salvage(fsys, dir, hub, least)
	if err != nil {
		return nil, fmt.Errorf("salvage the commit log in %s: %w", dir, err)
	}
	return s, nil
}

func salvage(fsys vfs.FS, dir string, hub HubID, least substrate.Reach) (*Salvaged, error) {
	out := &Salvaged{fs: fsys, dir: dir}
	files, _, err := listSegments(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, substrate.ErrDamaged) { // there is no directory
		files, err = nil, nil
	}
	if err != nil {
		return nil, err
	}
	id, err := loadIdentity(fsys, dir)
	if errors.Is(err, fs.ErrNotExist) {
		err = &substrate.Damage{File: identityName, Kind: kindShort, Detail: "missing"}
	}
	var damage []*substrate.Damage
	if hurt, ok := errors.AsType[*substrate.Damage](err); ok {
		damage = append(damage, hurt)
		id, err = guessIdentity(fsys, dir, hub, files)
	}
	if err != nil {
		return nil, err
	}
	if hub != (HubID{}) && id.hub != hub {
		return nil, &substrate.Damage{File: identityName, Kind: kindForeign, Detail: fmt.Sprintf("it belongs to hub %v, not to %v", id.hub, hub)}
	}
	s := newScan(fsys, dir, id, files)
	s.salvaging, s.least, s.guessed = out, least, len(damage) > 0
	if err := s.run(); err != nil {
		return nil, err
	}
	out.files = s.files
	if end := max(s.cur.at, s.synced, least.Durable); end > s.cur.at {
		out.Holes = append(out.Holes, Hole{s.cur.at, end})
		s.cur.at = end
	}
	for i := 1; i < len(out.whole); i++ { // what resume went over without a word
		if a, b := out.whole[i-1].end, out.whole[i].at; b > a && !out.hasHole(a) {
			out.Holes = append(out.Holes, Hole{a, b})
		}
	}
	out.Report = Report{
		Hub: id.hub, Incarnation: max(s.incarnation(), least.Incarnation), Begin: id.state.base, End: s.cur.at,
		Segments: len(s.used), Groups: int64(len(out.whole)), Closed: s.closed, Damage: append(damage, s.damage...),
	}
	return out, nil
}

func (s *Salvaged) hasHole(at substrate.Offset) bool {
	for _, h := range s.Holes {
		if h.From <= at && at < h.To {
			return true
		}
	}
	return false
}

// guessIdentity makes an identity from what the frames say.
func guessIdentity(fsys vfs.FS, dir string, hub HubID, files []*segment) (id identity, err error) {
	id.hub = hub
	id.state = state{sequence: 1, baseOrdinal: 1}
	w := window{}
	defer w.close()
	for i, f := range files {
		w.hub = id.hub
		if err := w.open(fsys, dir, f); err != nil {
			return id, err
		}
		if f.size < sectorBytes {
			continue
		}
		sector, err := w.at(0, sectorBytes)
		if err != nil {
			return id, err
		}
		var h header
		if !hasMagic(sector) {
			continue
		}
		h.parse(sector)
		if id.hub == (HubID{}) {
			id.hub, w.hub = h.hub, h.hub
		}
		_, v, err := w.frame(0, &h)
		if err != nil {
			return id, err
		}
		if v != frameGood {
			continue
		}
		// A file before a gap was freed: what begins behind it is the log.
		if id.state.incarnation == 0 || files[i-1].ordinal+1 != f.ordinal && h.kind != kindOpen {
			id.state.baseOrdinal, id.state.base = f.ordinal, h.at
		}
		id.state.incarnation = max(id.state.incarnation, h.incarnation)
	}
	return id, nil
}

// Groups calls f for each group that is whole, in order, until its first error.
func (s *Salvaged) Groups(f func(at substrate.Offset, group []byte) error) error {
	return s.Places(func(at substrate.Offset, group []byte, _ Place) error { return f(at, group) })
}

// Places is Groups with the place of each in the log's files.
func (s *Salvaged) Places(f func(at substrate.Offset, group []byte, in Place) error) error {
	w := window{hub: s.Hub}
	defer w.close()
	for _, g := range s.whole {
		if w.file == nil || w.ordinal != g.file.ordinal {
			if err := w.open(s.fs, s.dir, g.file); err != nil {
				return fmt.Errorf("read %s: %w", segmentName(g.file.ordinal), err)
			}
		}
		var h header
		payload, v, err := w.frame(g.place, &h)
		if err == nil && v != frameGood {
			err = &substrate.Damage{File: segmentName(g.file.ordinal), Offset: g.place, Kind: kindCRC, Detail: "a frame that was whole a moment ago is not any more"}
		}
		if err == nil {
			err = f(g.at, payload, Place{segmentName(g.file.ordinal), g.place + headerBytes})
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// CreateAt makes a log that is empty and begins at an offset, with openings
// numbered beyond an incarnation.
func CreateAt(fsys vfs.FS, dir string, hub HubID, base substrate.Offset, incarnation uint64) error {
	err := dirsync.Make(fsys, dir)
	if err == nil {
		id := identity{hub: hub, state: state{sequence: 1, incarnation: incarnation, baseOrdinal: 1, base: base}}
		err = id.write(fsys, dir)
	}
	if err != nil {
		return fmt.Errorf("create the commit log in %s: %w", dir, spaceError(err))
	}
	return nil
}
