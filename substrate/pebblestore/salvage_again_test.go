package pebblestore_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// The last sector of a table has its deletions of ranges, and all that tells whether
// there are any. If there were none, no row of an older table is in doubt without it;
// if there were, no row that is deleted comes back.
func TestTableWithoutItsLastSectorLosesNoRowOfOlderOnes(t *testing.T) {
	for _, deletes := range []bool{false, true} {
		fs := faultfs.New()
		want := map[substrate.Space]map[string]string{substrate.Main: {}, substrate.History: {}}
		s, err := open(fs, dir)
		if err != nil {
			t.Fatal(err)
		}
		rng := rand.New(rand.NewPCG(5, 5))
		for round := range 2 {
			b := s.NewBatch()
			for i := range 2000 {
				if round == 1 && i%3 > 0 {
					continue
				}
				key := binary.BigEndian.AppendUint32([]byte{0, 1}, uint32(i))
				value := strings.Repeat(fmt.Sprint(rng.Uint32()), 1+rng.IntN(5))
				b.Set(substrate.Main, key, []byte(value))
				want[substrate.Main][string(key)] = value
			}
			if round == 1 && deletes {
				low, high := binary.BigEndian.AppendUint32([]byte{0, 1}, 100), binary.BigEndian.AppendUint32([]byte{0, 1}, 103)
				b.DeleteRange(substrate.Main, low, high)
				for key := range want[substrate.Main] {
					if string(low) <= key && key < string(high) {
						delete(want[substrate.Main], key)
					}
				}
			}
			if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(1 + round), Epoch: 1, Record: uint64(1 + round)}); err != nil {
				t.Fatal(err)
			}
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		var newer string
		for _, name := range tablesOf(t, fs) {
			if strings.Contains(name, "/main/") && size(t, fs, name) > 10_000 {
				newer = name
			}
		}
		if deletes != (len(regions(t, fs, newer)["deletions"]) > 0) {
			t.Fatalf("deletions: %t, %v", deletes, regions(t, fs, newer))
		}
		at := regions(t, fs, newer)["filter"][0].Offset + 10
		for name, harm := range map[string]func([]byte) []byte{
			"zeros": func(d []byte) []byte { clear(d[at:]); return d }, "cut": func(d []byte) []byte { return d[:at] },
		} {
			fs := fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
			if err := fs.Alter(newer, harm); err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprintf("%s, deletions: %t", name, deletes)
			if lost := agree(t, what, fs, want); (lost > 0) != deletes {
				t.Errorf("%s: %d rows are lost", what, lost)
			}
		}
	}
}
