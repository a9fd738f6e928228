package sidefile

import "hash/crc32"

// RaiseVersion makes a side file look as if a newer program had written it.
func RaiseVersion(data []byte) []byte {
	order.PutUint16(data[12:], formatVersion+1)
	Reseal(data)
	return data
}

// Reseal gives the header and each entry the checksum that fits it, as far as
// the data goes.
func Reseal(data []byte) {
	if len(data) < headerBytes {
		return
	}
	order.PutUint32(data[8:], crc32.Checksum(data[12:headerBytes], castagnoli))
	for at := headerBytes; at+entryBytes <= len(data); {
		head := data[at:]
		length := uint64(order.Uint32(head))
		if length > uint64(len(head)-entryBytes) {
			return
		}
		copy(head, entry(uint32(length), order.Uint64(head[8:]), head[entryBytes:entryBytes+length]))
		at += entryBytes + int(length)
	}
}
