package filelog

import (
	"bytes"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"io/fs"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirsync"
)

const (
	identityName  = "identity"
	identityMagic = "NthrHub\n"
	stateMagic    = "NthrLgS\n"
	identityBytes = 3 * sectorBytes
)

// state is what changes in the identity file: the number of the newest
// incarnation, and where the log begins. Two slots are written in turn, so that
// a torn write leaves the other one.
type state struct {
	sequence    uint64
	incarnation uint64
	baseOrdinal uint64
	base        substrate.Offset
	// current was being written to when prepared was made ready to follow it:
	// the two have to be there, whatever is in them.
	current, prepared claim
	// noted is the newest incarnation that is durably noted outside of the log, see
	// Log.Noted; 0 if none is.
	noted uint64
}

// claim is what a segment file was made as; 0 is none.
type claim struct {
	ordinal uint64
	size    int64
}

type identity struct {
	hub     HubID
	state   state
	before  *state  // of the other slot, if it holds one
	spoiled []int64 // offsets of slots that hold something else than a state
}

// sealSector puts magic and checksum around a sector's content in [12:].
func sealSector(sector []byte, magic string) {
	copy(sector, magic)
	binary.LittleEndian.PutUint32(sector[8:], crc32.Checksum(sector[12:], castagnoli))
}

func sectorHolds(sector []byte, magic string) bool {
	return string(sector[:8]) == magic &&
		binary.LittleEndian.Uint32(sector[8:]) == crc32.Checksum(sector[12:], castagnoli)
}

func (s state) put(sector []byte) {
	clear(sector)
	le := binary.LittleEndian
	le.PutUint64(sector[16:], s.sequence)
	le.PutUint64(sector[24:], s.incarnation)
	le.PutUint64(sector[32:], s.baseOrdinal)
	le.PutUint64(sector[40:], uint64(s.base))
	for i, c := range [...]claim{s.current, s.prepared} {
		le.PutUint64(sector[48+16*i:], c.ordinal)
		le.PutUint64(sector[56+16*i:], uint64(c.size))
	}
	le.PutUint64(sector[80:], s.noted)
	sealSector(sector, stateMagic)
}

func parseState(sector []byte) (state, bool) {
	if !sectorHolds(sector, stateMagic) {
		return state{}, false
	}
	le := binary.LittleEndian
	return state{
		sequence:    le.Uint64(sector[16:]),
		incarnation: le.Uint64(sector[24:]),
		baseOrdinal: le.Uint64(sector[32:]),
		base:        substrate.Offset(le.Uint64(sector[40:])),
		current:     claim{le.Uint64(sector[48:]), int64(le.Uint64(sector[56:]))},
		prepared:    claim{le.Uint64(sector[64:]), int64(le.Uint64(sector[72:]))},
		noted:       le.Uint64(sector[80:]),
	}, true
}

// createIdentity makes the identity file of a new log, durable and whole.
func createIdentity(fsys vfs.FS, dir string, hub HubID) (identity, error) {
	if hub == (HubID{}) {
		if _, err := rand.Read(hub[:]); err != nil {
			return identity{}, fmt.Errorf("make a hub ID: %w", err)
		}
	}
	id := identity{hub: hub, state: state{sequence: 1, baseOrdinal: 1}}
	if err := id.write(fsys, dir); err != nil {
		return identity{}, fmt.Errorf("create the log's identity file: %w", spaceError(err))
	}
	return id, nil
}

// write makes the identity file, durable and whole.
func (id *identity) write(fsys vfs.FS, dir string) error {
	return dirsync.Replace(fsys, dir, identityName, id.encode())
}

// loadIdentity reads the identity file; fs.ErrNotExist if there is none.
func loadIdentity(fsys vfs.FS, dir string) (identity, error) {
	f, err := substrate.OpenPlain(fsys, fsys.PathJoin(dir, identityName))
	if err != nil {
		return identity{}, err
	}
	buf := make([]byte, identityBytes)
	n, err := f.ReadAt(buf, 0)
	_ = f.Close() // opened for reading: nothing can be lost
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return identity{}, fmt.Errorf("read %s: %w", identityName, err) // it may be whole
	}
	if n < identityBytes {
		return identity{}, &substrate.Damage{File: identityName, Offset: int64(n), Kind: kindShort,
			Detail: fmt.Sprintf("%d bytes, want %d", n, identityBytes)}
	}
	return parseIdentity(buf)
}

func parseIdentity(buf []byte) (identity, error) {
	head := buf[:sectorBytes]
	if !bytes.HasPrefix(head, []byte(identityMagic)) {
		return identity{}, &substrate.Damage{File: identityName, Kind: kindForeign, Detail: "not the identity file of a task hub's log"}
	}
	if !sectorHolds(head, identityMagic) {
		return identity{}, &substrate.Damage{File: identityName, Kind: kindCRC, Detail: "checksum of the identity does not match"}
	}
	if v := binary.LittleEndian.Uint16(head[12:]); v > formatVersion {
		return identity{}, newerFormat(identityName, 0, v)
	} else if v < 1 {
		return identity{}, &substrate.Damage{File: identityName, Kind: kindVersion, Detail: "format version 0 was never written"}
	}
	id := identity{hub: HubID(head[16:32])}
	a, okA := parseState(buf[sectorBytes : 2*sectorBytes])
	b, okB := parseState(buf[2*sectorBytes:])
	for slot, ok := range []bool{okA, okB} {
		at := (1 + slot) * sectorBytes
		if !ok && !bytes.Equal(buf[at:at+sectorBytes], zeros[:sectorBytes]) {
			id.spoiled = append(id.spoiled, int64(at))
		}
	}
	switch {
	case okA && okB && a.sequence > b.sequence:
		id.state, id.before = a, &b
	case okA && okB:
		id.state, id.before = b, &a
	case okA:
		id.state = a
	case okB:
		id.state = b
	default:
		return identity{}, &substrate.Damage{File: identityName, Offset: sectorBytes, Kind: kindCRC, Detail: "neither copy of the log's state has a matching checksum"}
	}
	return id, nil
}

// saveState writes the next state into the slot that does not hold the newest.
func saveState(fsys vfs.FS, dir string, s state) error {
	f, err := fsys.OpenReadWrite(fsys.PathJoin(dir, identityName), vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("open the log's identity file: %w", err)
	}
	sector := make([]byte, sectorBytes)
	s.put(sector)
	slot := int64(sectorBytes)
	if s.sequence%2 == 0 {
		slot = 2 * sectorBytes
	}
	_, err = f.WriteAt(sector, slot)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write the log's state into %s: %w", identityName, err)
	}
	return nil
}

func newerFormat(file string, offset int64, version uint16) error {
	return fmt.Errorf("%s at offset %d has format version %d, this program reads up to %d, use a newer one: %w",
		file, offset, version, formatVersion, substrate.ErrNewerFormat)
}

// loadOrCreateIdentity refuses a directory without an identity that holds segments,
// or whose log is known to have been opened.
func loadOrCreateIdentity(opts Options, segments int) (identity, error) {
	dir, want := opts.Dir, opts.Hub
	id, err := loadIdentity(opts.FS, dir)
	if errors.Is(err, fs.ErrNotExist) {
		switch {
		case segments > 0:
			return identity{}, &substrate.Damage{File: identityName, Kind: kindShort, Detail: "missing, though the log has segments"}
		case opts.Least.Incarnation > 0:
			detail := fmt.Sprintf("missing, though the log was opened as incarnation %d", opts.Least.Incarnation)
			return identity{}, &substrate.Damage{File: identityName, Kind: kindShort, Detail: detail}
		}
		return createIdentity(opts.FS, dir, want)
	}
	if err != nil {
		return identity{}, fmt.Errorf("read the log's identity: %w", err)
	}
	if want != (HubID{}) && want != id.hub {
		return identity{}, fmt.Errorf("%s in %s belongs to hub %v, not to %v: %w", identityName, dir, id.hub, want, substrate.ErrForeign)
	}
	return id, nil
}
