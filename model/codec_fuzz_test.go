package model

import (
	"bytes"
	"reflect"
	"testing"
)

// FuzzDecodeEvent holds that any input is refused or is the one encoding of
// what it decodes to, in both modes of a reader.
func FuzzDecodeEvent(f *testing.F) {
	for _, e := range goldenEvents() {
		f.Add(AppendEvent(nil, &e, goldenBase), int64(goldenBase))
	}
	f.Add([]byte{3, 0x80, 0x80}, int64(0))
	f.Fuzz(func(t *testing.T, in []byte, base int64) {
		r := NewReader(in)
		e, err := DecodeEvent(r, Time(base))
		owned, err2 := DecodeEvent(NewOwnedReader(in), Time(base))
		if (err == nil) != (err2 == nil) {
			t.Fatalf("copying reader says %v, owned one %v", err, err2)
		}
		if err != nil {
			return
		}
		if !reflect.DeepEqual(e, owned) {
			t.Fatalf("copying reader yields %+v, owned one %+v", e, owned)
		}
		if out := AppendEvent(nil, &e, Time(base)); !bytes.Equal(out, in[:r.Offset()]) {
			t.Fatalf("%x decodes to what encodes as %x", in[:r.Offset()], out)
		}
	})
}

// FuzzDecodeMessage does the same for messages and lists of events.
func FuzzDecodeMessage(f *testing.F) {
	for _, e := range goldenEvents() {
		m := Message{To: "a", From: "b", ToExecution: ExecutionID{1}, Event: e}
		f.Add(AppendEvents(AppendMessage(nil, &m, goldenBase), goldenEvents()[:3], goldenBase))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		r := NewReader(in)
		m, _ := DecodeMessage(r, goldenBase)
		events, err := DecodeEvents(r, goldenBase)
		if err != nil {
			return
		}
		out := AppendEvents(AppendMessage(nil, &m, goldenBase), events, goldenBase)
		if !bytes.Equal(out, in[:r.Offset()]) {
			t.Fatalf("%x decodes to what encodes as %x", in[:r.Offset()], out)
		}
	})
}
