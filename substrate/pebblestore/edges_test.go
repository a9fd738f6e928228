package pebblestore_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// An older table with the same keys and of the same length is another one all the
// same, though its checksums are right.
func TestTableInThePlaceOfOneOfTheSameLengthIsNamedAndLost(t *testing.T) {
	fs, rng := faultfs.New(), rand.New(rand.NewPCG(6, 6))
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 { // the first table has the version of the layout, too
		b := s.NewBatch()
		for i := range 300 {
			value := make([]byte, 100) // that no compression makes shorter
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			b.Set(substrate.Main, binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(i)), value)
		}
		err := errors.Join(s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(1 + round), Epoch: 1, Record: uint64(1 + round)}), s.Flush())
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	var tables []string
	for _, name := range tablesOf(t, fs) {
		if strings.Contains(name, "/main/") && size(t, fs, name) > 30_000 {
			tables = append(tables, name)
		}
	}
	if len(tables) != 3 {
		t.Fatal(tables)
	}
	var older []byte
	err = errors.Join(fs.Alter(tables[1], func(d []byte) []byte { older = d; return d }), fs.Alter(tables[2], func(d []byte) []byte {
		if len(older) != len(d) {
			t.Fatalf("%d and %d bytes", len(older), len(d))
		}
		return older
	}))
	if err != nil {
		t.Fatal(err)
	}
	r := verify(t, fs)
	if len(r.Damage) == 0 || !strings.HasSuffix(tables[2], r.Damage[0].File) {
		t.Errorf("verify: %+v", r)
	}
	left, err := pebblestore.Salvage(pebblestore.Options{FS: fs, Dir: dir}, false)
	if err != nil || len(left.Lost) != 1 || !strings.HasSuffix(tables[2], left.Lost[0].File) || !strings.Contains(left.Lost[0].Detail, "not the table that the manifest names") {
		t.Fatalf("salvage: %+v, %v", left, err)
	}
	err = left.Scan(substrate.Main, []byte{0}, []byte{0xfe}, func(key, _ []byte) bool {
		t.Errorf("%x is there, and is not the newest", key)
		return false
	})
	if err != nil {
		t.Error(err)
	}
}
