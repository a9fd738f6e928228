package model

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"unsafe"
)

// ErrMalformed is wrapped by every decoding error, with what was expected and
// at which byte of the input.
var ErrMalformed = errors.New("malformed encoding")

// Reader is a cursor over encoded data. Its error is sticky: after the first
// malformed item every read returns a zero value, so that a decoder checks Err
// or Done once, at its end. Loops over decoded counts must use Count.
type Reader struct {
	b     []byte
	off   int
	owned bool
	err   error
}

// NewReader returns a reader whose String, BytesCopy and decoded model values
// are copies: the input may be reused afterwards.
func NewReader(b []byte) *Reader { return &Reader{b: b} }

// NewOwnedReader returns a reader whose strings, payloads and decoded model
// values share the memory of b, which nobody may change ever again. It needs no
// allocation per string, but any one of them keeps all of b alive: give it a
// record or row of its own, not a large buffer of which little is kept.
func NewOwnedReader(b []byte) *Reader { return &Reader{b: b, owned: true} }

// Reset makes r read b from its beginning, in the mode it was made with.
func (r *Reader) Reset(b []byte) { r.b, r.off, r.err = b, 0, nil }

// Err returns the first error, nil if all went well so far.
func (r *Reader) Err() error { return r.err }

// Done returns the first error, or an error if there is unread input.
func (r *Reader) Done() error {
	if r.err == nil && r.Len() > 0 {
		r.Fail("unexpected rest of input")
	}
	return r.err
}

// Len is the number of unread bytes; 0 after an error.
func (r *Reader) Len() int {
	if r.err != nil {
		return 0
	}
	return len(r.b) - r.off
}

// Offset is the number of bytes read.
func (r *Reader) Offset() int { return r.off }

// Fail records that the input is malformed, for decoders built on this one.
// The first call wins.
func (r *Reader) Fail(what string) {
	if r.err == nil {
		r.err = fmt.Errorf("%w: %s at byte %d of %d", ErrMalformed, what, r.off, len(r.b))
	}
}

// refuse fails if a field is marked as present but has its zero value, which
// would be a second encoding of the same value.
func (r *Reader) refuse(zero bool, what string) {
	if zero && r.err == nil {
		r.Fail(what + " present but zero")
	}
}

// Byte reads one byte.
func (r *Reader) Byte() byte {
	if r.err != nil || r.off >= len(r.b) {
		r.Fail("end of input")
		return 0
	}
	c := r.b[r.off]
	r.off++
	return c
}

// Bool reads what AppendBool wrote.
func (r *Reader) Bool() bool {
	c := r.Byte()
	if c > 1 {
		r.Fail("neither true nor false")
	}
	return c == 1
}

// Uvarint reads what AppendUvarint wrote, and refuses longer forms of it.
func (r *Reader) Uvarint() uint64 {
	if r.err != nil {
		return 0
	}
	if r.off < len(r.b) && r.b[r.off] < 0x80 {
		r.off++
		return uint64(r.b[r.off-1])
	}
	v, n := binary.Uvarint(r.b[r.off:])
	switch {
	case n == 0:
		r.Fail("end of input in a number")
		return 0
	case n < 0 || r.b[r.off+n-1] == 0:
		r.Fail("number too long")
		return 0
	}
	r.off += n
	return v
}

// Varint reads what AppendVarint wrote.
func (r *Reader) Varint() int64 {
	v := r.Uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *Reader) int32() int32 {
	v := r.Varint()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.Fail("number beyond 32 bits")
		return 0
	}
	return int32(v)
}

// Count reads a number of items of at least min bytes each, and refuses one
// that the rest of the input cannot hold: so a loop of that many reads, and an
// allocation in proportion to it, is safe.
func (r *Reader) Count(min int) int {
	v := r.Uvarint()
	if v > uint64(r.Len()/min) {
		r.Fail("count beyond the input")
		return 0
	}
	return int(v)
}

// capacity limits what is allocated for n items before any has been read: they
// are much larger in memory than their smallest encoding.
func (r *Reader) capacity(n int) int { return min(n, 4+r.Len()/8) }

// fields reads a set of field bits and refuses unknown ones.
func (r *Reader) fields(what string, known uint64) uint64 {
	v := r.Uvarint()
	if v&^known != 0 {
		r.Fail("unknown field of " + what)
		return 0
	}
	return v
}

// take returns the next n bytes of the input, nil on error.
func (r *Reader) take(n uint64) []byte {
	if r.err != nil {
		return nil
	}
	if n > uint64(len(r.b)-r.off) {
		r.Fail("length beyond the input")
		return nil
	}
	end := r.off + int(n)
	p := r.b[r.off:end:end]
	r.off = end
	return p
}

// Bytes reads what AppendBytes wrote. The result aliases the input: copy it,
// or use BytesCopy, to keep it.
func (r *Reader) Bytes() []byte { return r.take(r.Uvarint()) }

// Fixed reads n bytes that were appended without a length. The result aliases
// the input.
func (r *Reader) Fixed(n int) []byte { return r.take(uint64(n)) }

// BytesCopy reads what AppendBytes wrote, always as a copy and never nil unless
// there is an error.
func (r *Reader) BytesCopy() []byte {
	p := r.Bytes()
	if r.err != nil {
		return nil
	}
	return append([]byte{}, p...)
}

// payload reads bytes in the way of the reader's mode.
func (r *Reader) payload() []byte {
	if r.owned {
		return r.Bytes()
	}
	return r.BytesCopy()
}

// OptBytes reads what AppendOptBytes wrote, in the way of the reader's mode.
func (r *Reader) OptBytes() []byte {
	n := r.Uvarint()
	if n == 0 {
		return nil
	}
	p := r.take(n - 1)
	if r.owned || r.err != nil {
		return p
	}
	return append([]byte{}, p...)
}

// String reads what AppendString wrote, in the way of the reader's mode.
func (r *Reader) String() string {
	p := r.Bytes()
	if len(p) == 0 {
		return ""
	}
	if r.owned {
		// Safe because the owner of the input promised never to change it.
		return unsafe.String(unsafe.SliceData(p), len(p))
	}
	return string(p)
}

// text reads a string that is present and therefore not empty.
func (r *Reader) text(what string) string {
	s := r.String()
	r.refuse(s == "", what)
	return s
}

// Fixed16 reads 16 bytes that were appended without a length.
func (r *Reader) Fixed16() (v [16]byte) {
	copy(v[:], r.take(16))
	return v
}
