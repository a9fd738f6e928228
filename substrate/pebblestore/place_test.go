//go:build !race

package pebblestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

const placedRows = 300

// threeLayers makes a store of several tables in each space. Each of them has all rows, of
// some blocks, with values of its own; but for the last, which has every tenth. The first
// one lies on the lowest level, the others on the highest.
func threeLayers(t *testing.T) *faultfs.FS {
	t.Helper()
	fs := faultfs.New()
	opened, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	s := opened.(*pebblestore.Store)
	s.HoldCompactions()
	rng := rand.New(rand.NewPCG(1, 2))
	for layer, step := range []int{1, 1, 10} {
		b := s.NewBatch()
		for i := 0; i < placedRows; i += step {
			value := make([]byte, 1000)
			for j := range value {
				value[j] = byte(rng.Uint32())
			}
			b.Set(substrate.Main, placedKey(i), value)
			b.Set(substrate.History, placedKey(i), value)
		}
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(layer + 1), Epoch: 1, Record: uint64(layer + 1)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
		if layer > 0 {
			continue
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		settle(t, fs)
		if opened, err = open(fs, dir); err != nil {
			t.Fatal(err)
		}
		s = opened.(*pebblestore.Store)
		s.HoldCompactions()
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

// settle moves all rows to the lowest level, past the store's code.
func settle(t *testing.T, fs *faultfs.FS) {
	t.Helper()
	for _, name := range []string{"main", "history"} {
		db, err := pebble.Open(path.Join(dir, name), &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatTableFormatV6, DisableWAL: true, Logger: silent{}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(db.Compact(t.Context(), []byte{0}, []byte{0xff, 0xff}, false), db.Close()); err != nil {
			t.Fatal(err)
		}
	}
}

// tablesByAge lists the tables of a database, the oldest first.
func tablesByAge(t *testing.T, fs *faultfs.FS, name string) (tables []string) {
	t.Helper()
	files, err := fs.List(path.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if path.Ext(file) == ".sst" {
			tables = append(tables, path.Join(name, file))
		}
	}
	slices.Sort(tables)
	return tables
}

// silent drops what Pebble says.
type silent struct{}

func (silent) Infof(string, ...any)  {}
func (silent) Errorf(string, ...any) {}
func (silent) Fatalf(format string, args ...any) {
	panic(fmt.Sprintf(format, args...))
}

func placedKey(i int) []byte { return fmt.Appendf(nil, "\x00\x00row%05d", i) }

func viewOf(t *testing.T, fs *faultfs.FS) *pebblestore.View {
	t.Helper()
	v, err := pebblestore.OpenView(pebblestore.Options{FS: fs, Dir: dir, Create: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.Close)
	return v
}

// TestRowIsWhereItsPlaceSays spoils the block in which a row is said to lie: then that
// row cannot be read any more, because of that block. The last rows are left out: their
// block has what a store needs to be opened.
func TestRowIsWhereItsPlaceSays(t *testing.T) {
	for space, name := range map[substrate.Space]string{substrate.Main: "main", substrate.History: "history"} {
		layers, offsets := map[bool]string{}, map[int64]bool{} // whether the last layer has the row: in which table it lies
		for i := 0; i < placedRows-10; i += 23 {
			fs := threeLayers(t)
			file, offset, err := viewOf(t, fs).Place(space, placedKey(i))
			if err != nil || path.Dir(file) != name {
				t.Fatalf("row %d: %q, %v", i, file, err)
			}
			last := i%10 == 0
			if offsets[offset] = true; layers[last] != "" && layers[last] != file {
				t.Errorf("row %d lies in %s, others of its layer in %s", i, file, layers[last])
			}
			layers[last] = file
			if err := fs.Alter(dir+"/"+file, func(d []byte) []byte { d[offset+9] ^= 1; return d }); err != nil {
				t.Fatal(err)
			}
			_, err = viewOf(t, fs).Get(space, placedKey(i))
			damage, ok := errors.AsType[*substrate.Damage](err)
			if !ok || damage.File != file || damage.Offset != offset {
				t.Errorf("row %d is said to lie in %s at %d; once that is spoiled: %v", i, file, offset, err)
			}
		}
		lowest := tablesByAge(t, threeLayers(t), name)[0]
		if layers[false] <= lowest || layers[true] <= layers[false] || len(offsets) < 4 { // by their numbers
			t.Errorf("%s: the newest versions of rows do not lie in %v, of which %s is the oldest, at %v", name, layers, lowest, offsets)
		}
	}
}

func TestRowThatIsInNoTableHasNoPlace(t *testing.T) {
	v := viewOf(t, threeLayers(t))
	for _, key := range []string{"\x00\x00row", "\x00\x00row00000x", "\x00\x01"} {
		if file, offset, err := v.Place(substrate.Main, []byte(key)); file != "" || offset != 0 || err != nil {
			t.Errorf("%q: %s, %d, %v", key, file, offset, err)
		}
	}
	if file, _, err := viewOf(t, faultfs.New()).Place(substrate.Main, placedKey(1)); file != "" || err != nil {
		t.Errorf("in a store that was never made: %s, %v", file, err)
	}
}
