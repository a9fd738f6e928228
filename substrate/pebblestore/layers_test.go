package pebblestore_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/sstable/block"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// layered makes a store whose rows lie in tables of several levels, with older
// ones and deletions among them, and returns what is in it.
func layered(t testing.TB, rng *rand.Rand) (*faultfs.FS, map[substrate.Space]map[string]string) {
	t.Helper()
	fs := faultfs.New()
	want := map[substrate.Space]map[string]string{substrate.Main: {}, substrate.History: {}}
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for round := range 40 {
		b := s.NewBatch()
		for range 60 {
			space := substrate.Space(rng.IntN(2))
			key := binary.BigEndian.AppendUint32([]byte{0, byte(rng.IntN(2))}, uint32(rng.IntN(2000)))
			value := make([]byte, 20+rng.IntN(300))
			for i := range value {
				value[i] = byte(rng.Uint32())
			}
			switch rng.IntN(12) {
			case 0, 1:
				b.Delete(space, key)
				delete(want[space], string(key))
			case 2:
				high := binary.BigEndian.AppendUint32(key[:2:2], binary.BigEndian.Uint32(key[2:])+uint32(rng.IntN(40)))
				b.DeleteRange(space, key, high)
				maps.DeleteFunc(want[space], func(k, _ string) bool { return string(key) <= k && k < string(high) })
			default:
				b.Set(space, key, value)
				want[space][string(key)] = string(value)
			}
		}
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(round + 1), Epoch: 1, Record: uint64(round + 1)}); err != nil {
			t.Fatal(err)
		}
		if rng.IntN(2) == 0 {
			if err := s.Flush(); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, want
}

// agree holds that salvage finds nothing that was not there, and names what it
// does not find.
func agree(t *testing.T, what string, fs vfs.FS, want map[substrate.Space]map[string]string) (lost int) {
	t.Helper()
	r, err := pebblestore.Salvage(pebblestore.Options{FS: fs, Dir: dir}, false)
	if err == nil && r.Strays { // a repair asks for them as well, if something is missing
		r, err = pebblestore.Salvage(pebblestore.Options{FS: fs, Dir: dir}, true)
	}
	if err != nil {
		t.Fatal(what, err)
	}
	// Deletions from History are noted in Main.
	notes := pebblestore.Range{Low: []byte{0xff, 'd'}, High: []byte{0xff, 'e'}}
	unnoted := slices.ContainsFunc(r.Lost, func(l pebblestore.Lost) bool { return l.Overlaps(substrate.Main, notes) })
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		unlisted := slices.ContainsFunc(r.Lost, func(l pebblestore.Lost) bool { return l.Space == space && l.Unlisted })
		got := map[string]string{}
		last := []byte{}
		err := r.Scan(space, []byte{0}, []byte{0xfe}, func(key, value []byte) bool {
			if bytes.Compare(last, key) >= 0 {
				t.Errorf("%s: %x after %x", what, key, last)
			}
			last = bytes.Clone(key)
			got[string(key)] = string(value)
			return true
		})
		if err != nil {
			t.Fatal(what, err)
		}
		for key, value := range got {
			if w, ok := want[space][key]; w != value && !unlisted && (ok || space == substrate.Main || !unnoted) {
				t.Errorf("%s: %d %x is there, as it was not: it was there before: %t", what, space, key, ok)
			}
		}
		for key := range want[space] {
			if _, ok := got[key]; ok {
				continue
			}
			lost++
			point := pebblestore.Range{Low: []byte(key), High: append([]byte(key), 0)}
			if !slices.ContainsFunc(r.Lost, func(l pebblestore.Lost) bool { return l.Overlaps(space, point) }) {
				t.Errorf("%s: %d %x is gone, and that is not reported", what, space, key)
			}
		}
	}
	return lost
}

// tablesOf returns the tables of both databases of a store.
func tablesOf(t *testing.T, fs vfs.FS) (names []string) {
	t.Helper()
	for _, database := range []string{"main", "history"} {
		list, err := fs.List(path.Join(dir, database))
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		for _, name := range list {
			if strings.HasSuffix(name, ".sst") {
				names = append(names, path.Join(dir, database, name))
			}
		}
	}
	return names
}

func size(t *testing.T, fs vfs.FS, name string) int {
	t.Helper()
	info, err := fs.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	return int(info.Size())
}

// regions are the blocks of each part of a table.
func regions(t *testing.T, fs vfs.FS, name string) map[string][]block.Handle {
	t.Helper()
	f, err := fs.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	from, err := sstable.NewSimpleReadable(f)
	if err != nil {
		t.Fatal(err)
	}
	r, err := sstable.NewReader(t.Context(), from, sstable.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	layout, err := r.Layout()
	if err = errors.Join(err, r.Close()); err != nil {
		t.Fatal(err)
	}
	parts := map[string][]block.Handle{"footer": {layout.Footer}}
	add := func(part string, h block.Handle) {
		if h.Length > 0 {
			parts[part] = append(parts[part], h)
		}
	}
	for _, h := range layout.Data {
		add("rows", h.Handle)
	}
	for _, h := range layout.Index {
		add("index", h)
	}
	for _, h := range layout.Filter {
		add("filter", h.Handle)
	}
	add("index", layout.TopIndex)
	add("deletions", layout.RangeDel)
	add("properties", layout.Properties)
	add("names", layout.MetaIndex)
	return parts
}
