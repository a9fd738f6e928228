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
