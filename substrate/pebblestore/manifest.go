package pebblestore

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"path"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// A manifest is a log of the changes to the set of a database's tables. Pebble takes a
// record that is not whole for its end, as a crash leaves it, and says nothing: then
// the database is as it was before that record. What is missing the commit log makes
// up for, or the hub is refused as older than its log. A crash leaves one such record,
// and none behind it, since each is synced before the next is written. So a record
// behind one that is not whole tells damage.

// The form of a manifest: see https://github.com/google/leveldb/blob/main/doc/log_format.md.
const (
	manifestBlock  = 32 << 10 // bytes; no chunk goes on in the next
	manifestHeader = 4 + 2 + 1
	chunkWhole     = 1 // a record
	chunkFirst     = 2 // the first part of one
	chunkLast      = 4 // the greatest kind
)

// chunkAt reads the header of a chunk and verifies the chunk.
func chunkAt(block []byte, at int) (end int, begins, ok bool) {
	header := block[at : at+manifestHeader]
	kind := header[6]
	end = at + manifestHeader + int(binary.LittleEndian.Uint16(header[4:]))
	if kind < chunkWhole || kind > chunkLast || end > len(block) {
		return 0, false, false
	}
	sum := crc32.Checksum(block[at+6:end], castagnoli)
	return end, kind <= chunkFirst, binary.LittleEndian.Uint32(header) == masked(sum)
}

// scanManifest returns the offset of the first chunk that is not whole, and whether a
// record begins behind it; -1 if all are whole.
func scanManifest(r io.Reader) (bad int64, followed bool, err error) {
	bad = -1
	buffer := make([]byte, manifestBlock)
	for base := int64(0); ; base += manifestBlock {
		n, err := io.ReadFull(r, buffer)
		if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) {
			if errors.Is(err, io.EOF) {
				err = nil
			}
			return bad, false, err
		}
		for at, block := 0, buffer[:n]; at+manifestHeader <= n; {
			end, begins, ok := chunkAt(block, at)
			switch {
			case ok && begins && bad >= 0:
				return bad, true, nil
			case ok:
				at = end
			default:
				if at++; bad < 0 {
					bad = base + int64(at) - 1
				}
			}
		}
	}
}

// manifestOf names the manifest of a database relative to the store; "" if nothing does.
func (s *Store) manifestOf(name string) string {
	found, err := pebble.Peek(s.opts.FS.PathJoin(s.opts.Dir, name), s.opts.FS)
	if err != nil || !found.Exists {
		return ""
	}
	return path.Join(name, s.opts.FS.PathBase(found.ManifestFilename))
}

// checkManifest looks for what Pebble takes for the end of a manifest. Without a record
// behind it it may be that.
func (s *Store) checkManifest(name string) (damage *substrate.Damage, followed bool, err error) {
	file := s.manifestOf(name)
	if file == "" {
		return nil, false, nil
	}
	f, err := substrate.OpenPlain(s.opts.FS, s.opts.FS.PathJoin(s.opts.Dir, file))
	if err != nil {
		return nil, false, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	bad, followed, err := scanManifest(f)
	switch {
	case err != nil || bad < 0:
		return nil, false, err
	case followed:
		return &substrate.Damage{File: file, Offset: bad, Kind: "crc", Detail: "a record of the manifest is damaged, and others follow it"}, true, nil
	}
	return &substrate.Damage{File: file, Offset: bad, Kind: "crc", Detail: "the last record of the manifest is not whole, which a crash may leave: the database is as it was before"}, false, nil
}

// verifyManifests adds to a report the damage that keeps no database from being opened,
// and what may be damage.
func (s *Store) verifyManifests(r *Report, made map[string]bool) error {
	for _, name := range []string{mainDir, historyDir} {
		db := s.main
		if name == historyDir {
			db = s.history
		}
		if !made[name] || db == nil {
			continue // what keeps it from being opened is named
		}
		damage, followed, err := s.checkManifest(name)
		switch {
		case err != nil:
			return err
		case damage != nil && !followed:
			r.Torn = append(r.Torn, damage)
		case damage != nil:
			damage.Detail += "; the database is as it was before: unless more is said here, the commit log has what came since, and the next opening writes the manifest anew"
			r.Damage = append(r.Damage, Damage{Range: -1, Damage: damage, Harmless: true})
		}
	}
	return nil
}

// nameManifest names the manifest for damage of a database as a whole: it is what says
// what belongs to it.
func (s *Store) nameManifest(name string, err error) error {
	damage, ok := errors.AsType[*substrate.Damage](err)
	if !ok || damage.File != name {
		return err
	}
	file := s.manifestOf(name)
	if file == "" {
		return err
	}
	in := *damage
	in.File = file
	if found, _, err := s.checkManifest(name); err == nil && found != nil {
		in.Offset = found.Offset
	}
	return &in
}
