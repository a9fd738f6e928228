package pebblestore_test

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// A damaged block may have had newer rows of any key between its first and its last.
// The table's filter tells of nearly all that it had not, so that the rows of older
// tables stay; without the filter all of them are withheld.
func TestDamagedBlockWithholdsFewRowsOfOlderTables(t *testing.T) {
	const rows, every = 4000, 100
	fs, newer, want := sparse(t, rows, every)
	blocks := regions(t, fs, newer)["rows"]
	if len(blocks) < 5 {
		t.Fatalf("%d blocks", len(blocks))
	}
	middle := blocks[2].Offset + 10
	for _, c := range []struct {
		what        string
		harm        []uint64
		least, most int
	}{
		{"a block of rows", []uint64{middle}, 2, 40},
		{"and the index", []uint64{middle, regions(t, fs, newer)["index"][0].Offset + 4}, 2, 40},
		{"and the properties", []uint64{middle, regions(t, fs, newer)["properties"][0].Offset + 4}, 2, 40},
		{"and the filter", []uint64{middle, regions(t, fs, newer)["filter"][0].Offset + 10}, 200, rows},
	} {
		fs := fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
		err := fs.Alter(newer, func(d []byte) []byte {
			for _, at := range c.harm {
				d[at] ^= 1
			}
			return d
		})
		if err != nil {
			t.Fatal(err)
		}
		if lost := agree(t, c.what, fs, want); lost < c.least || lost > c.most {
			t.Errorf("%s: %d rows are lost, want %d to %d", c.what, lost, c.least, c.most)
		}
	}
}

// sparse makes a store of rows of which a newer table has replaced or deleted a few.
func sparse(t *testing.T, rows, every int) (fs *faultfs.FS, newer string, want map[substrate.Space]map[string]string) {
	t.Helper()
	fs = faultfs.New()
	want = map[substrate.Space]map[string]string{substrate.Main: {}, substrate.History: {}}
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(6, 6))
	for round, step := range []int{1, every} {
		b := s.NewBatch()
		for i := 0; i < rows; i += step {
			key := binary.BigEndian.AppendUint32([]byte{0, 1}, uint32(i))
			if round == 1 && i%(3*step) == 0 {
				b.Delete(substrate.Main, key)
				delete(want[substrate.Main], string(key))
				continue
			}
			value := make([]byte, 20+round*2000)
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			b.Set(substrate.Main, key, value)
			want[substrate.Main][string(key)] = string(value)
		}
		before := strings.Join(tablesOf(t, fs), " ")
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(1 + round), Epoch: 1, Record: uint64(1 + round)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		for _, name := range tablesOf(t, fs) {
			if strings.Contains(name, "/main/") && !strings.Contains(before, name) {
				newer = name
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, newer, want
}
