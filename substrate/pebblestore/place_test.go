package pebblestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

const placedRows = 300

// threeLayers makes a store of several tables in each space. Each of them has all rows, of
// some blocks, with values of its own; but for the last, which has every tenth.
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
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
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
		files, offsets := map[string]bool{}, map[int64]bool{}
		for i := 0; i < placedRows-10; i += 23 {
			fs := threeLayers(t)
			file, offset, err := viewOf(t, fs).Place(space, placedKey(i))
			if err != nil || path.Dir(file) != name {
				t.Fatalf("row %d: %q, %v", i, file, err)
			}
			files[file], offsets[offset] = true, true
			if err := fs.Alter(dir+"/"+file, func(d []byte) []byte { d[offset+9] ^= 1; return d }); err != nil {
				t.Fatal(err)
			}
			_, err = viewOf(t, fs).Get(space, placedKey(i))
			damage, ok := errors.AsType[*substrate.Damage](err)
			if !ok || damage.File != file || damage.Offset != offset {
				t.Errorf("row %d is said to lie in %s at %d; once that is spoiled: %v", i, file, offset, err)
			}
		}
		if len(files) != 2 || len(offsets) < 4 {
			t.Errorf("%s: the rows lie in %v at %v: that is no test", name, files, offsets)
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
