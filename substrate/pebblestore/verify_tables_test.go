package pebblestore_test

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/sstable/block"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// bothPartitions are the ranges of the two partitions of wideStore.
var bothPartitions = []pebblestore.Range{{Low: []byte{0, 0}, High: []byte{0, 1}}, {Low: []byte{0, 1}, High: []byte{0, 2}}}

// wideStore makes a store of two partitions with many blocks of rows in a table of each
// space, and returns the names of these two.
func wideStore(t *testing.T) (fs *faultfs.FS, main, history string) {
	t.Helper()
	fs = faultfs.New()
	rng := rand.New(rand.NewPCG(8, 8))
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, MemoryBytes: 64 << 20}) // one flush is enough
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	for p := range byte(2) {
		for i := range uint32(1500) {
			value := make([]byte, 100) // that no compression makes shorter
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			for _, space := range []substrate.Space{substrate.Main, substrate.History} {
				b.Set(space, binary.BigEndian.AppendUint32([]byte{0, p}, i), value)
			}
		}
	}
	if err := errors.Join(s.Apply(b, 0, substrate.Stamp{Offset: 1, Epoch: 1, Record: 1}), s.Close()); err != nil {
		t.Fatal(err)
	}
	for _, name := range tablesOf(t, fs) {
		if size(t, fs, name) > 200_000 && strings.Contains(name, "/main/") {
			main = name
		} else if size(t, fs, name) > 200_000 {
			history = name
		}
	}
	if main == "" || history == "" {
		t.Fatal(tablesOf(t, fs))
	}
	return fs, main, history
}

func spoil(t *testing.T, fs *faultfs.FS, name string, blocks ...block.Handle) {
	t.Helper()
	for _, h := range blocks {
		if err := fs.Alter(name, func(d []byte) []byte { d[h.Offset+h.Length/2] ^= 4; return d }); err != nil {
			t.Fatal(err)
		}
	}
}

func verifyBoth(t *testing.T, fs *faultfs.FS) []pebblestore.Damage {
	t.Helper()
	r, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, bothPartitions)
	if err != nil {
		t.Fatal(err)
	}
	return r.Damage
}

// counted is how often a block is named for a range.
func counted(all []pebblestore.Damage, name string, h block.Handle, in int) (n int) {
	for _, d := range all {
		if dir+"/"+d.File == name && d.Offset == int64(h.Offset) && d.Kind == "crc" && d.Range == in {
			n++
		}
	}
	return n
}

func TestEachDamagedBlockIsNamedOnceForThePartitionThatItIsOf(t *testing.T) {
	fs, main, history := wideStore(t)
	m, h := regions(t, fs, main), regions(t, fs, history)
	rows, last := m["rows"], len(m["rows"])-2 // the last one has what is of no partition
	spoil(t, fs, main, rows[1], rows[2], rows[last-1], rows[last], m["filter"][0])
	spoil(t, fs, history, h["rows"][3])
	all := verifyBoth(t, fs)
	for _, c := range []struct {
		file  string
		block block.Handle
		in    int
	}{
		{main, rows[1], 0}, {main, rows[2], 0}, {main, rows[last-1], 1}, {main, rows[last], 1}, {main, m["filter"][0], -1},
		{history, h["rows"][3], 0},
	} {
		if n := counted(all, c.file, c.block, c.in); n != 1 {
			t.Errorf("%s at %d is named %d times for %d: %v", c.file, c.block.Offset, n, c.in, all)
		}
	}
	if len(all) != 6 {
		t.Errorf("%d are named: %v", len(all), all)
	}
}

// What keeps Pebble from opening a database, or a table, hides no damage of others.
func TestDamageIsNamedThatPebbleDoesNotComeTo(t *testing.T) {
	whole, main, history := wideStore(t)
	m, h := regions(t, whole, main), regions(t, whole, history)
	for name, c := range map[string]struct {
		first func(fs *faultfs.FS) error
		file  string
		block block.Handle
	}{
		"a table is too short": {func(fs *faultfs.FS) error {
			return fs.Alter(main, func(d []byte) []byte { return d[:len(d)/2] })
		}, history, h["rows"][3]},
		"the manifest is damaged": {func(fs *faultfs.FS) error {
			name, _, _ := manifest(t, fs, "main")
			return fs.Alter(name, func(d []byte) []byte { d[9] ^= 1; return d })
		}, history, h["rows"][3]},
		"the footer is damaged": {func(fs *faultfs.FS) error {
			return fs.Alter(main, func(d []byte) []byte { d[len(d)-2] ^= 1; return d })
		}, main, m["rows"][5]},
		"the index is damaged": {func(fs *faultfs.FS) error {
			spoil(t, fs, main, m["index"]...)
			return nil
		}, main, m["rows"][5]},
	} {
		fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
		spoil(t, fs, c.file, c.block)
		if err := c.first(fs); err != nil {
			t.Fatal(err)
		}
		all := verifyBoth(t, fs)
		if len(all) < 2 || counted(all, c.file, c.block, -1)+counted(all, c.file, c.block, 0)+counted(all, c.file, c.block, 1) != 1 {
			t.Errorf("%s: %s at %d is not named: %v", name, c.file, c.block.Offset, all)
		}
	}
}

func TestOfATableThatIsDestroyedTheFirstBlocksAreNamedAndHowManyMoreThereAre(t *testing.T) {
	fs, main, _ := wideStore(t)
	rows := regions(t, fs, main)["rows"]
	spoil(t, fs, main, rows[1:len(rows)-2]...) // those behind have what is of no partition
	all := verifyBoth(t, fs)
	if !slices.ContainsFunc(all, func(d pebblestore.Damage) bool { return strings.Contains(d.Detail, "more of the table's blocks") }) || len(all) > 20 || len(rows) < 30 {
		t.Errorf("of %d blocks %d are named: %v", len(rows), len(all), all)
	}
}

// A flipped bit is an error that names the table, and in it the block.
func TestFlippedBitInATableIsNamed(t *testing.T) {
	fs, main, _ := wideStore(t)
	at := regions(t, fs, main)["rows"][4]
	spoil(t, fs, main, at)
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Scan(substrate.Main, []byte{0, 0}, []byte{0, 1}, func(_, _ []byte) bool { return true })
	damage, ok := errors.AsType[*substrate.Damage](err)
	if !ok || dir+"/"+damage.File != main || damage.Offset != int64(at.Offset) || damage.Kind != "crc" {
		t.Fatalf("got %v, want %s at %d", err, main, at.Offset)
	}
}

// Where nothing tells which tables belong to a database, those that are there are read.
func TestTablesAreVerifiedWithoutAManifest(t *testing.T) {
	whole, main, _ := wideStore(t)
	rows := regions(t, whole, main)["rows"]
	for what, destroy := range map[string]func(fs *faultfs.FS, manifest string) error{
		"the manifest is destroyed": func(fs *faultfs.FS, name string) error {
			return fs.Alter(name, func(d []byte) []byte { clear(d); return d })
		},
		"the manifest is gone": func(fs *faultfs.FS, name string) error { return fs.Remove(name) },
		"the marker is gone": func(fs *faultfs.FS, name string) error {
			markers, err := fs.List(path.Dir(name))
			for _, marker := range markers {
				if strings.HasPrefix(marker, "marker.manifest.") {
					err = errors.Join(err, fs.Remove(path.Join(path.Dir(name), marker)))
				}
			}
			return err
		},
	} {
		fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
		spoil(t, fs, main, rows[5])
		name, _, _ := manifest(t, fs, "main")
		if err := destroy(fs, name); err != nil {
			t.Fatal(err)
		}
		all := verifyBoth(t, fs)
		if len(all) != 2 || counted(all, main, rows[5], 0) != 1 || !strings.Contains(all[1].Detail, "nothing tells whether the table belongs") {
			t.Errorf("%s: %v", what, all)
		}
	}
}
