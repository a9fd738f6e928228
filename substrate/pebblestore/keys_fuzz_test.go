package pebblestore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
)

// FuzzDecodeReserved holds that what stands under the reserved keys is refused by
// name or is the one encoding of what it decodes to.
func FuzzDecodeReserved(f *testing.F) {
	f.Add(stampKey(3), encodeStamp(substrate.Stamp{Offset: 1, Epoch: 2, Record: 3}))
	f.Add(reachKey, encodeReach(substrate.Reach{Incarnation: 1, Durable: 2, Closed: true}))
	f.Add(deleteKey(7), encodeRange(keyRange{low: []byte("a"), high: []byte("b")}))
	f.Add(versionKey, []byte{0, layoutVersion})
	f.Add(versionKey, []byte{0, layoutVersion + 1})
	f.Add(deleteKey(1), []byte{0x81, 0x00, 'a'}) // a length that is longer than it has to be
	f.Fuzz(func(t *testing.T, key, value []byte) {
		fuzztest.Bounded(t, len(key)+len(value), fuzztest.Plain, func() {
			refused := func(err error) {
				if !errors.Is(err, substrate.ErrDamaged) && !errors.Is(err, substrate.ErrNewerFormat) {
					t.Fatalf("error %v", err)
				}
			}
			if p, s, err := decodeStamp(key, value); err != nil {
				refused(err)
			} else if !bytes.Equal(stampKey(p)[2:], key[2:]) || !bytes.Equal(encodeStamp(s), value) {
				t.Fatalf("%x %x is the stamp %+v of partition %d", key, value, s, p)
			}
			if r, err := decodeRange(value); err != nil {
				refused(err)
			} else if !bytes.Equal(encodeRange(r), value) {
				t.Fatalf("%x is the range %x to %x", value, r.low, r.high)
			}
			if r, err := decodeReach(mainDir, value); err != nil {
				refused(err)
			} else if !bytes.Equal(encodeReach(r), value) {
				t.Fatalf("%x is the reach %+v", value, r)
			}
			if err := knownVersion(value); err != nil {
				refused(err)
			}
		})
	})
}

// FuzzDecodeOpened holds that the note of an opening that is taken is the one that was
// written, and that whatever else is damage.
func FuzzDecodeOpened(f *testing.F) {
	f.Add(encodeOpened(substrate.Reach{Incarnation: 1, Durable: 2}))
	f.Add([]byte{})
	f.Add(make([]byte, 21))
	f.Add(encodeReach(substrate.Reach{Incarnation: 1, Durable: 2, Closed: true})) // without its checksum
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), fuzztest.Plain, func() {
			opened(t, b)
			opened(t, binary.BigEndian.AppendUint32(b[:len(b):len(b)], crc32.Checksum(b, castagnoli)))
		})
	})
}

// opened holds that a note is damaged, or the one encoding of what it says.
func opened(t *testing.T, b []byte) {
	r, err := decodeOpened(b)
	if err != nil {
		if !errors.Is(err, substrate.ErrDamaged) {
			t.Fatalf("%v is no damage", err)
		}
		return
	}
	if again := encodeOpened(r); !bytes.Equal(again, b) {
		t.Fatalf("%x is taken for %+v, which is %x", b, r, again)
	}
}
