package model

import "encoding/binary"

// AppendUvarint appends v as a minimal varint: 7 bits a byte, low ones first.
func AppendUvarint(b []byte, v uint64) []byte {
	if v < 0x80 {
		return append(b, byte(v))
	}
	return binary.AppendUvarint(b, v)
}

// AppendVarint appends v as a zig-zag varint, so that small negative numbers
// are short too.
func AppendVarint(b []byte, v int64) []byte {
	return AppendUvarint(b, uint64(v)<<1^uint64(v>>63))
}

// AppendBool appends one byte, 0 or 1.
func AppendBool(b []byte, v bool) []byte {
	if v {
		return append(b, 1)
	}
	return append(b, 0)
}

// AppendBytes appends v after its length. Reading it back yields an empty slice
// for a nil one; see AppendOptBytes.
func AppendBytes(b, v []byte) []byte {
	b = AppendUvarint(b, uint64(len(v)))
	return append(b, v...)
}

// AppendOptBytes appends v such that nil and empty stay distinct: 0 for nil,
// else the length plus one and the bytes.
func AppendOptBytes(b, v []byte) []byte {
	if v == nil {
		return append(b, 0)
	}
	b = AppendUvarint(b, uint64(len(v))+1)
	return append(b, v...)
}

// AppendString appends s after its length.
func AppendString(b []byte, s string) []byte {
	b = AppendUvarint(b, uint64(len(s)))
	return append(b, s...)
}
