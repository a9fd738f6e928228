package pebblestore

import (
	"bytes"
	"testing"

	"github.com/cockroachdb/pebble/v2/record"

	"github.com/netherite-go/netherite/internal/fuzztest"
)

// FuzzManifest holds that a manifest which Pebble wrote is whole, however long its records
// are; that a byte which has changed is found where it lies if a record follows; and
// that bytes of any other kind are read to their end.
func FuzzManifest(f *testing.F) {
	f.Add([]byte("change"), uint16(40_000), uint32(9))
	f.Add(bytes.Repeat([]byte{0}, 20), uint16(32_754), uint32(33_000))
	f.Add([]byte{}, uint16(0), uint32(0))
	f.Fuzz(func(t *testing.T, record1 []byte, length uint16, at uint32) {
		fuzztest.Bounded(t, len(record1)+int(length), 8*fuzztest.Plain, func() {
			var file bytes.Buffer
			w := record.NewWriter(&file)
			last := int64(0)
			for _, content := range [][]byte{record1, bytes.Repeat([]byte{'r'}, int(length)), []byte("the last")} {
				var err error
				if last, err = w.WriteRecord(content); err != nil {
					t.Fatal(err)
				}
			}
			last -= int64(manifestHeader + len("the last"))
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			data := file.Bytes()
			scan(t, data, -1, false)
			at %= uint32(last)
			data[at] ^= 0x40
			if bad, followed := scan(t, data, 0, true); bad >= 0 && (bad > int64(at) || !followed) {
				t.Errorf("byte %d of %d, the last record from %d: found %d, followed %v", at, len(data), last, bad, followed)
			}
			scan(t, record1, 0, true)
		})
	})
}

// scan looks through a file, whose first damage is said to be known, or may be any.
func scan(t *testing.T, data []byte, want int64, any bool) (bad int64, followed bool) {
	t.Helper()
	bad, followed, err := scanManifest(bytes.NewReader(data))
	if err != nil || !any && bad != want || bad >= int64(len(data)) || followed && bad < 0 {
		t.Errorf("%d bytes: %d, %v, %v, want %d", len(data), bad, followed, err, want)
	}
	return bad, followed
}
