package filelog

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/netherite-go/netherite/substrate"
)

const (
	// sectorBytes is the smallest unit that a device writes whole. A frame starts
	// on a sector of its own, so that a torn later write cannot reach it.
	sectorBytes = 512
	headerBytes = 80
	// formatVersion is the version of the frames and of the identity file.
	formatVersion = 1
	frameMagic    = "NthrLog\n"
	// MaxGroupBytes is the largest group that Write takes.
	MaxGroupBytes = substrate.MaxGroupBytes
)

// HubID names a task hub. All its files carry it.
type HubID [16]byte

// String returns the ID in hexadecimal.
func (h HubID) String() string { return fmt.Sprintf("%x", h[:]) }

type frameKind uint8

const (
	// kindOpen begins an incarnation: sector 0 of its first segment.
	kindOpen frameKind = 1
	// kindCopy is a group of the previous incarnation that recovery wrote anew.
	kindCopy frameKind = 2
	// kindGroup is a group that Write appended.
	kindGroup frameKind = 3
	// kindClose ends an incarnation; its mark covers everything.
	kindClose frameKind = 4
)

// flagRecycled says that the segment held older frames before this one, so that
// bytes beyond the end of the log mean nothing.
const flagRecycled = 1

// header is the fixed part of a frame; the package comment draws it.
type header struct {
	crc         uint32
	version     uint16
	kind        frameKind
	flags       uint8
	hub         HubID
	incarnation uint64
	ordinal     uint64
	at          substrate.Offset
	synced      substrate.Offset
	length      uint32
	prev        uint32
	place       uint32
	sectors     uint32
}

// advance is how far the frame moves the log's end.
func (h *header) advance() substrate.Offset {
	if h.kind == kindGroup || h.kind == kindCopy {
		return substrate.Offset(h.length)
	}
	return 0
}

// end is the log's end after the frame.
func (h *header) end() substrate.Offset { return h.at + h.advance() }

// frameBytes is the space that a frame with this payload takes in a segment.
func frameBytes(payload int) int64 {
	return (int64(headerBytes) + int64(payload) + sectorBytes - 1) &^ (sectorBytes - 1)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// seal writes the header in front of the payload that already stands in frame,
// and returns the CRC. It sets version and crc of h.
func (h *header) seal(frame []byte) uint32 {
	copy(frame, frameMagic)
	h.version = formatVersion
	le := binary.LittleEndian
	le.PutUint16(frame[12:], h.version)
	frame[14], frame[15] = byte(h.kind), h.flags
	copy(frame[16:32], h.hub[:])
	le.PutUint64(frame[32:], h.incarnation)
	le.PutUint64(frame[40:], h.ordinal)
	le.PutUint64(frame[48:], uint64(h.at))
	le.PutUint64(frame[56:], uint64(h.synced))
	le.PutUint32(frame[64:], h.length)
	le.PutUint32(frame[68:], h.prev)
	le.PutUint32(frame[72:], h.place)
	le.PutUint32(frame[76:], h.sectors)
	h.crc = crc32.Checksum(frame[12:headerBytes+int(h.length)], castagnoli)
	le.PutUint32(frame[8:], h.crc)
	return h.crc
}

// parse reads a header without checking anything.
func (h *header) parse(sector []byte) {
	le := binary.LittleEndian
	h.crc = le.Uint32(sector[8:])
	h.version = le.Uint16(sector[12:])
	h.kind, h.flags = frameKind(sector[14]), sector[15]
	copy(h.hub[:], sector[16:32])
	h.incarnation = le.Uint64(sector[32:])
	h.ordinal = le.Uint64(sector[40:])
	h.at = substrate.Offset(le.Uint64(sector[48:]))
	h.synced = substrate.Offset(le.Uint64(sector[56:]))
	h.length = le.Uint32(sector[64:])
	h.prev = le.Uint32(sector[68:])
	h.place = le.Uint32(sector[72:])
	h.sectors = le.Uint32(sector[76:])
}

func hasMagic(sector []byte) bool { return string(sector[:8]) == frameMagic }

// openBody is the payload of an open frame.
type openBody struct {
	previous    uint64           // the incarnation before
	previousEnd substrate.Offset // where that one ends: what follows there is void
	end         substrate.Offset // up to here the copies reach; all durable
}

const openBodyBytes = 24

func (b openBody) put(dst []byte) {
	le := binary.LittleEndian
	le.PutUint64(dst, b.previous)
	le.PutUint64(dst[8:], uint64(b.previousEnd))
	le.PutUint64(dst[16:], uint64(b.end))
}

func parseOpenBody(p []byte) (openBody, bool) {
	if len(p) != openBodyBytes {
		return openBody{}, false
	}
	le := binary.LittleEndian
	return openBody{
		previous:    le.Uint64(p),
		previousEnd: substrate.Offset(le.Uint64(p[8:])),
		end:         substrate.Offset(le.Uint64(p[16:])),
	}, true
}
