package model

import (
	"bytes"
	"errors"
	"math"
	"testing"
)

func TestReaderErrorSticks(t *testing.T) {
	r := NewReader([]byte{5, 'a'})
	if s := r.String(); s != "" {
		t.Errorf("String = %q after a length beyond the input", s)
	}
	first := r.Err()
	if !errors.Is(first, ErrMalformed) {
		t.Fatalf("Err = %v", first)
	}
	zero := r.Byte() == 0 && r.Uvarint() == 0 && r.Varint() == 0 && r.Bytes() == nil && r.BytesCopy() == nil && r.OptBytes() == nil &&
		r.Fixed(1) == nil && r.Fixed16() == [16]byte{} && !r.Bool() && r.Count(1) == 0 && r.Len() == 0
	if !zero {
		t.Error("a read after an error yields something")
	}
	if r.Fail("again"); r.Err() != first || r.Done() != first {
		t.Errorf("error changed from %v to %v", first, r.Err())
	}
	if r.Reset([]byte{1}); r.Byte() != 1 || r.Done() != nil {
		t.Error("Reset does not begin anew")
	}
}

func TestReaderReadsWhatWasAppended(t *testing.T) {
	numbers := []int64{0, 1, -1, 63, 64, -64, -65, 1 << 40, math.MaxInt64, math.MinInt64}
	var b []byte
	for _, n := range numbers {
		b = AppendUvarint(AppendVarint(b, n), uint64(n))
	}
	b = append(AppendBool(AppendBool(b, true), false), "0123456789abcdef"...)
	b = AppendBytes(AppendBytes(b, nil), []byte("x"))
	b = AppendOptBytes(AppendOptBytes(b, nil), []byte{})
	r := NewReader(b)
	for _, n := range numbers {
		if v, u := r.Varint(), r.Uvarint(); v != n || u != uint64(n) {
			t.Errorf("got %d and %d, want %d", v, u, n)
		}
	}
	if !r.Bool() || r.Bool() {
		t.Error("bools changed")
	}
	if id := r.Fixed16(); string(id[:]) != "0123456789abcdef" {
		t.Errorf("Fixed16 = %q", id)
	}
	if p := r.BytesCopy(); p == nil || len(p) != 0 {
		t.Errorf("BytesCopy = %#v, want empty, not nil", p)
	}
	if p := r.Bytes(); !bytes.Equal(p, []byte("x")) {
		t.Errorf("Bytes = %q", p)
	}
	if p := r.OptBytes(); p != nil {
		t.Errorf("OptBytes of nil = %#v", p)
	}
	if p := r.OptBytes(); p == nil || len(p) != 0 {
		t.Errorf("OptBytes of empty = %#v", p)
	}
	if err := r.Done(); err != nil || r.Offset() != len(b) {
		t.Errorf("Done = %v at %d of %d", err, r.Offset(), len(b))
	}
}

func TestDoneRefusesRestOfInput(t *testing.T) {
	r := NewReader([]byte{1, 2})
	r.Byte()
	if err := r.Done(); !errors.Is(err, ErrMalformed) {
		t.Errorf("Done = %v with a byte unread", err)
	}
}

func TestBoolIsZeroOrOne(t *testing.T) {
	r := NewReader([]byte{2})
	if r.Bool(); r.Err() == nil {
		t.Error("2 taken for a bool")
	}
}

func TestCountIsBoundedByTheInput(t *testing.T) {
	if r := NewReader([]byte{3, 0, 0, 0, 0, 0, 0}); r.Count(2) != 3 || r.Err() != nil {
		t.Errorf("3 items of 2 bytes refused: %v", r.Err())
	}
	if r := NewReader([]byte{4, 0, 0, 0, 0, 0, 0}); r.Count(2) != 0 || r.Err() == nil {
		t.Error("4 items of 2 bytes accepted in 6 bytes")
	}
}
