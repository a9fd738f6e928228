package filelog

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
)

var errAbandoned = errors.New("test: the process is gone")

// Abandon ends the log without writing anything more.
func (l *Log) Abandon() {
	if err := l.usable(); err == nil {
		_ = l.fail(errors.New("go on"), errAbandoned)
	}
	_ = l.Close() // stops what runs in the background
}

// RaiseVersion makes the identity, or the frame, at the beginning of the data
// look as if a newer program had written it.
func RaiseVersion(data []byte) []byte {
	if string(data[:8]) == identityMagic {
		data[12]++
		sealSector(data[:sectorBytes], identityMagic)
		return data
	}
	var h header
	h.parse(data)
	binary.LittleEndian.PutUint16(data[12:], formatVersion+1)
	binary.LittleEndian.PutUint32(data[8:], crc32.Checksum(data[12:headerBytes+int(h.length)], castagnoli))
	return data
}

// Reseal gives each frame, and each sector of an identity file, in the data the
// checksum that fits it, so that what reads it must judge the content.
func Reseal(data []byte) {
	for at := 0; at+sectorBytes <= len(data); at += sectorBytes {
		sector := data[at : at+sectorBytes]
		switch string(sector[:8]) {
		case identityMagic, stateMagic:
			sealSector(sector, string(sector[:8]))
		case frameMagic:
			var h header
			h.parse(sector)
			if end := int64(at) + headerBytes + int64(h.length); end <= int64(len(data)) {
				binary.LittleEndian.PutUint32(sector[8:], crc32.Checksum(data[at+12:end], castagnoli))
			}
		}
	}
}
