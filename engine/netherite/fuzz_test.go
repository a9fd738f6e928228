package netherite

import (
	"bytes"
	"errors"
	"testing"
	"unsafe"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// FuzzReadToken holds that a continuation token is refused or is the one form of
// what it says.
func FuzzReadToken(f *testing.F) {
	f.Add(uint32(7), pageToken(7, "order-9"))
	f.Add(uint32(7), pageToken(8, "order-9"))
	f.Add(uint32(7), pageToken(7, "")+"\n")
	f.Add(uint32(0), "AQAAAAB")
	f.Fuzz(func(t *testing.T, digest uint32, token string) {
		fuzztest.Bounded(t, len(token), fuzztest.Plain, func() {
			order, err := readToken(digest, token)
			switch {
			case err != nil && !errors.Is(err, engine.ErrInvalid):
				t.Fatalf("error %v", err)
			case err == nil && token != "" && pageToken(digest, order) != token:
				t.Fatalf("%q is the token of %q", token, order)
			}
		})
	})
}

// FuzzDecodeNote holds that the note about a side file is refused by name or is
// the one encoding of what it says.
func FuzzDecodeNote(f *testing.F) {
	f.Add((&sideNote{covered: 5, last: 300}).encode())
	f.Add([]byte{noteVersion + 1, 5, 5})
	f.Add([]byte{0, 5, 5})
	f.Fuzz(func(t *testing.T, row []byte) {
		fuzztest.Bounded(t, len(row), fuzztest.Plain, func() {
			note, err := decodeNote(row)
			switch {
			case err != nil && !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, engine.ErrNewerFormat):
				t.Fatalf("error %v", err)
			case err == nil && !bytes.Equal(note.encode(), row):
				t.Fatalf("%x is the note %+v", row, note)
			}
		})
	})
}

// FuzzReadGroup holds that inspection reads any group of the log or refuses it by
// name, and finds as many records in it as replay would.
func FuzzReadGroup(f *testing.F) {
	chunk := func(p int, records ...partition.Event) []byte {
		var b []byte
		for _, ev := range records {
			b = partition.AppendRecord(b, ev, 5)
		}
		return partition.AppendChunk(nil, partition.ChunkHeader{Partition: p, First: engine.Name{Epoch: 1, Number: 1}, Time: 5}, b)
	}
	f.Add(chunk(0, &partition.Opened{Epoch: 1}))
	f.Add(append(chunk(1, &partition.Opened{Epoch: 1}, &partition.Acked{Dest: 1, Through: 3}), chunk(0)...))
	f.Add(append(chunk(70000), 9))
	growth := fuzztest.PerElement(unsafe.Sizeof(model.Event{}), 2)
	f.Fuzz(func(t *testing.T, group []byte) {
		fuzztest.Bounded(t, len(group), growth, func() {
			sequence := NewSequence(make([]substrate.Stamp, 2))
			end, records := substrate.Offset(0), 0
			err := ReadGroup(10, group, func(run Run) {
				if run.End <= end || run.End > 10+substrate.Offset(len(group)) {
					t.Fatalf("a run ends at %d, the one before at %d", run.End, end)
				}
				end, records = run.End, records+run.Records
				if _, err := sequence.Add(run); err != nil && !errors.Is(err, engine.ErrDamaged) {
					t.Fatalf("error %v", err)
				}
			})
			if err != nil {
				if !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, engine.ErrNewerFormat) {
					t.Fatalf("error %v", err)
				}
				return
			}
			if records > len(group) || len(group) > 0 && end != 10+substrate.Offset(len(group)) {
				t.Fatalf("%d records to %d in %d bytes", records, end, len(group))
			}
		})
	})
}

// FuzzParseRelease holds that a release level is read as it is written.
func FuzzParseRelease(f *testing.F) {
	for _, s := range []string{"node", "partition", "conservative", "Node", ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if r, err := ParseRelease(s); err == nil {
			if again, err := ParseRelease(r.String()); err != nil || again != r {
				t.Fatalf("%q is %v, and that %v, %v", s, r, again, err)
			}
		}
	})
}
