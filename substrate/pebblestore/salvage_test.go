//go:build !race

package pebblestore_test

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

func TestSalvageFindsEveryRowOfAWholeStore(t *testing.T) {
	fs, want := layered(t, rand.New(rand.NewPCG(1, 1)))
	if lost := agree(t, "whole", fs, want); lost > 0 {
		t.Errorf("%d rows are lost", lost)
	}
	r, err := pebblestore.Salvage(pebblestore.Options{FS: fs, Dir: dir}, false)
	if err != nil || len(r.Lost) > 0 {
		t.Errorf("%v, %v", r.Lost, err)
	}
	if stamps, err := r.Stamps(); err != nil || stamps[0].Record != 40 {
		t.Errorf("%v, %v", stamps, err)
	}
}

// What a damaged block may have replaced is not taken for the newest row.
func TestSalvageFindsNoRowThatIsOutOfDate(t *testing.T) {
	const seeds = 20
	kept := 0
	for seed := range uint64(seeds) {
		rng := rand.New(rand.NewPCG(seed, 2))
		fs, want := layered(t, rng)
		rows := len(want[substrate.Main]) + len(want[substrate.History])
		names := tablesOf(t, fs)
		what := fmt.Sprint("seed ", seed)
		for range 1 + rng.IntN(3) {
			name := names[rng.IntN(len(names))]
			how, at := byte(rng.IntN(8)), rng.IntN(1<<20)
			if how > 3 {
				how = 0
			}
			fs.Harm(name, how, at, 1<<rng.IntN(8))
			what += fmt.Sprintf(" %s/%d@%d", path.Base(name), how, at)
		}
		if agree(t, what, fs, want) < rows {
			kept++
		}
	}
	if kept < seeds*4/5 {
		t.Errorf("something was left after %d of %d damages", kept, seeds)
	}
}

// One block less is one block less.
func TestSalvageLosesOnlyTheDamagedBlock(t *testing.T) {
	fs := faultfs.New()
	want := map[substrate.Space]map[string]string{substrate.Main: {}, substrate.History: {}}
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	rng := rand.New(rand.NewPCG(3, 3))
	for i := range 2000 {
		value := make([]byte, 100)
		for i := range value {
			value[i] = byte(rng.Uint32())
		}
		key := binary.BigEndian.AppendUint32([]byte{0, 0}, uint32(i))
		b.Set(substrate.Main, key, value)
		want[substrate.Main][string(key)] = string(value)
	}
	if err := s.Apply(b, 0, substrate.Stamp{Offset: 1, Epoch: 1, Record: 1}); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	names := tablesOf(t, fs)
	slices.SortFunc(names, func(a, b string) int { return size(t, fs, b) - size(t, fs, a) })
	for _, at := range [][]int{{100}, {100_000}, {60_000, 90_000, 120_000}} {
		fs := fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1, Rand: rng})
		for _, at := range at {
			fs.Harm(names[0], 0, at, 1)
		}
		// A block has 8 KB, that is 80 rows.
		if lost := agree(t, fmt.Sprint(at), fs, want); lost == 0 || lost > 90*len(at) {
			t.Errorf("damage at %d loses %d rows", at, lost)
		}
	}
}

// Without the manifest the tables themselves say which row is the newest.
func TestSalvageWithoutTheManifestReadsTheTables(t *testing.T) {
	for seed := range uint64(10) {
		fs, want := layered(t, rand.New(rand.NewPCG(seed, 4)))
		for _, database := range []string{"main", "history"} {
			list, err := fs.List(path.Join(dir, database))
			if err != nil {
				t.Fatal(err)
			}
			for _, name := range list {
				if strings.HasPrefix(name, "MANIFEST") {
					fs.Harm(path.Join(dir, database, name), 3, 0, 0)
				}
			}
		}
		if lost := agree(t, fmt.Sprint("seed ", seed), fs, want); lost > 0 {
			t.Errorf("seed %d: %d rows are lost", seed, lost)
		}
	}
}

// The manifest says which tables there are, also without the marker that names the format.
func TestSalvageWithoutTheMarkerOfAFormat(t *testing.T) {
	fs, want := layered(t, rand.New(rand.NewPCG(7, 7)))
	for _, database := range []string{"main", "history"} {
		lose(t, fs, path.Join(dir, database), "marker.format-version.")
	}
	before := fs.Sum()
	if lost := agree(t, "without the markers", fs, want); lost > 0 {
		t.Errorf("%d rows are lost", lost)
	}
	if r, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, everything); err != nil || len(r.Damage) != 2 {
		t.Errorf("%+v, %v", r, err)
	}
	if fs.Sum() != before {
		t.Error("it has changed something")
	}
}
