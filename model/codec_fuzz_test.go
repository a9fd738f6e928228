package model

import (
	"bytes"
	"reflect"
	"testing"
	"unsafe"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// growth is that of lists of events, which have two bytes each at least.
var growth = fuzztest.PerElement(unsafe.Sizeof(Event{})+unsafe.Sizeof(Ext{}), minEvent)

// canonical holds that a decoder refuses an input or that what it decodes it to
// has these bytes as its one encoding, in both modes of a reader.
func canonical[T any](t *testing.T, in []byte, decode func(*Reader) (T, error), encode func([]byte, T) []byte) {
	t.Helper()
	fuzztest.Bounded(t, len(in), growth, func() {
		r := NewReader(in)
		v, err := decode(r)
		owned, err2 := decode(NewOwnedReader(in))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("copying reader says %v, owned one %v", err, err2)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(v, owned) {
			t.Fatalf("copying reader yields %+v, owned one %+v", v, owned)
		}
		if out := encode(nil, v); !bytes.Equal(out, in[:r.Offset()]) {
			t.Fatalf("%x decodes to what encodes as %x", in[:r.Offset()], out)
		}
	})
}

// FuzzDecodeEvent holds that any input is refused or is the one encoding of
// what it decodes to, in both modes of a reader.
func FuzzDecodeEvent(f *testing.F) {
	for _, e := range goldenEvents() {
		f.Add(AppendEvent(nil, &e, goldenBase), int64(goldenBase))
	}
	f.Add([]byte{3, 0x80, 0x80}, int64(0))
	f.Fuzz(func(t *testing.T, in []byte, base int64) {
		canonical(t, in, func(r *Reader) (Event, error) { return DecodeEvent(r, Time(base)) },
			func(b []byte, e Event) []byte { return AppendEvent(b, &e, Time(base)) })
	})
}

// FuzzDecodeEvents does the same for lists of events.
func FuzzDecodeEvents(f *testing.F) {
	f.Add(AppendEvents(nil, goldenEvents(), goldenBase), int64(goldenBase))
	f.Add(append([]byte{200, 1}, bytes.Repeat([]byte{1, 0}, 200)...), int64(0))
	f.Fuzz(func(t *testing.T, in []byte, base int64) {
		canonical(t, in, func(r *Reader) ([]Event, error) { return DecodeEvents(r, Time(base)) },
			func(b []byte, e []Event) []byte { return AppendEvents(b, e, Time(base)) })
	})
}

// FuzzDecodeMessage does the same for messages.
func FuzzDecodeMessage(f *testing.F) {
	for _, e := range goldenEvents() {
		m := Message{To: "a", From: "b", ToExecution: ExecutionID{1}, Event: e}
		f.Add(AppendMessage(nil, &m, goldenBase), int64(goldenBase))
	}
	f.Fuzz(func(t *testing.T, in []byte, base int64) {
		canonical(t, in, func(r *Reader) (Message, error) { return DecodeMessage(r, Time(base)) },
			func(b []byte, m Message) []byte { return AppendMessage(b, &m, Time(base)) })
	})
}

// FuzzDecodeParts does the same for the parts of events that have decoders of
// their own.
func FuzzDecodeParts(f *testing.F) {
	for _, e := range goldenEvents() {
		f.Add(AppendFailure(nil, e.Failure))
		x := e.Extra()
		f.Add(AppendParent(nil, x.Parent))
		f.Add(AppendTrace(nil, x.Trace))
		f.Add(AppendTags(nil, x.Tags))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		canonical(t, in, DecodeFailure, AppendFailure)
		canonical(t, in, DecodeParent, AppendParent)
		canonical(t, in, DecodeTrace, AppendTrace)
		canonical(t, in, DecodeTags, AppendTags)
	})
}

// FuzzParse holds that what the parsers of texts accept, they write the same way
// again. Names of entity types and statuses are compared without case, and
// hexadecimal digits too, so their canonical form is the one in lower case, or the
// protocol's for a status.
func FuzzParse(f *testing.F) {
	for _, s := range []string{"@counter@a", "@Counter@a@b", "@@x", "@", "order-7", "Completed", "running", "Status(9)", ExecutionID{1, 2}.String(), "é/\\#?", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		fuzztest.Bounded(t, len(s), fuzztest.Plain, func() {
			if e, err := ParseExecutionID(s); err == nil {
				if again, err := ParseExecutionID(e.String()); err != nil || again != e {
					t.Fatalf("%q is %v, and that %v, %v", s, e, again, err)
				}
			}
			var status Status
			if err := status.UnmarshalText([]byte(s)); err == nil {
				if again, err := ParseStatus(status.String()); err != nil || again != status {
					t.Fatalf("%q is %v, and that %v, %v", s, status, again, err)
				}
			}
			if e, err := ParseEntityID(s); err == nil {
				again, err := ParseEntityID(e.String())
				if err != nil || again.Key != e.Key || again.String() != e.String() {
					t.Fatalf("%q is %+v, and that %+v, %v", s, e, again, err)
				}
			}
			if ValidateInstanceID(s) == nil && (len(s) > MaxInstanceID || IsEntity(s) != (s[0] == '@') || PartitionOf(s, 7) >= 7) {
				t.Fatalf("%q is no instance ID", s)
			}
			for _, err := range []error{ValidateName("task", s), ValidateVersion(s)} {
				if err == nil && len(s) > MaxName {
					t.Fatalf("%d bytes are accepted", len(s))
				}
			}
		})
	})
}

// FuzzReader drives the reader with a program: each byte of it says what to read
// next. What was read is what was there.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8}, []byte{7, 1, 0x80, 1, 3, 2, 'a', 'b', 1, 0, 5})
	f.Fuzz(func(t *testing.T, program, in []byte) {
		fuzztest.Bounded(t, len(in)+len(program), fuzztest.Plain, func() {
			r := NewReader(in)
			var out []byte
			for _, op := range program {
				out = readOne(r, op, out)
				if r.Err() != nil {
					if r.Len() != 0 || r.Byte() != 0 || r.String() != "" || r.Uvarint() != 0 || r.OptBytes() != nil {
						t.Fatal("something is read after an error")
					}
					return
				}
			}
			if !bytes.Equal(out, in[:r.Offset()]) {
				t.Fatalf("%x reads as what is %x", in[:r.Offset()], out)
			}
		})
	})
}

// readOne reads one item and appends it again.
func readOne(r *Reader, op byte, out []byte) []byte {
	switch op % 9 {
	case 0:
		return append(out, r.Byte())
	case 1:
		return AppendBool(out, r.Bool())
	case 2:
		return AppendUvarint(out, r.Uvarint())
	case 3:
		return AppendVarint(out, r.Varint())
	case 4:
		return AppendBytes(out, r.BytesCopy())
	case 5:
		return AppendOptBytes(out, r.OptBytes())
	case 6:
		return AppendString(out, r.String())
	case 7:
		v := r.Fixed16()
		return append(out, v[:]...)
	default:
		return AppendUvarint(out, uint64(r.Count(1)))
	}
}
