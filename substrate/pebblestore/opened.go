package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

// That the log has been opened is noted in a file beside the databases: a row of its
// own would have to be flushed, and the memtables of a hub at rest would be twice as
// large from then on. What comes later is noted in a row, with what is flushed anyway.

// openedName is the file; it is replaced as a whole.
const openedName = "opened"

// noteOpening makes it durable that the log has been opened, before anything is built
// on that. A full disk keeps it from nothing: it is noted with the next flush.
func (s *Store) noteOpening() error {
	if s.opts.Reached == nil {
		return nil
	}
	if !s.fence.mayChange() {
		return s.death
	}
	r := s.opts.Reached()
	err := dirsync.Replace(s.opts.FS, s.opts.Dir, openedName, encodeOpened(r))
	if nospace.Is(err) {
		return nil
	}
	if err != nil {
		return s.explain(err)
	}
	s.reach, s.opened = r, true
	return nil
}

// HasNoted reports whether it was durable, when the store was opened, that the log
// had been.
func (s *Store) HasNoted() bool { return s.opened }

// readOpened reads what was noted when the store was opened last; zero if nothing was.
func readOpened(files vfs.FS, dir string) (substrate.Reach, error) {
	f, err := substrate.OpenPlain(files, files.PathJoin(dir, openedName))
	if errors.Is(err, fs.ErrNotExist) {
		return substrate.Reach{}, nil
	}
	if damage, ok := errors.AsType[*substrate.Damage](err); ok {
		in := *damage
		in.File = openedName
		return substrate.Reach{}, &in
	}
	if err != nil {
		return substrate.Reach{}, err
	}
	var b bytes.Buffer
	_, err = b.ReadFrom(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return substrate.Reach{}, err
	}
	return decodeOpened(b.Bytes())
}

func encodeOpened(r substrate.Reach) []byte {
	b := encodeReach(r)
	return binary.BigEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

func decodeOpened(b []byte) (substrate.Reach, error) {
	if len(b) != reachBytes+4 {
		return substrate.Reach{}, &substrate.Damage{File: openedName, Kind: "short", Detail: "the note of the last opening is unreadable"}
	}
	if binary.BigEndian.Uint32(b[reachBytes:]) != crc32.Checksum(b[:reachBytes], castagnoli) {
		return substrate.Reach{}, &substrate.Damage{File: openedName, Kind: "crc", Detail: "the note of the last opening is not what was written"}
	}
	return decodeReach(openedName, b[:reachBytes])
}

// later returns the note that tells of more.
func later(a, b substrate.Reach) substrate.Reach {
	if b.Incarnation > a.Incarnation || b.Incarnation == a.Incarnation && b.Durable > a.Durable {
		return b
	}
	return a
}
