package pebblestore_test

import (
	"errors"
	"math/rand/v2"
	"path"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// lose removes the files of a directory whose names begin like this.
func lose(t *testing.T, fs *faultfs.FS, of, prefix string) {
	t.Helper()
	names, err := fs.List(of)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		if strings.HasPrefix(name, prefix) {
			if err := fs.Remove(path.Join(of, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Pebble would make a new database, and remove the tables of the old one.
func TestStoreOfWhichAPartIsMissingIsRefusedAndLeftAsItIs(t *testing.T) {
	whole, _ := layered(t, rand.New(rand.NewPCG(1, 1)))
	for name, c := range map[string]struct {
		harm  func(fs *faultfs.FS)
		fresh bool // a store that may be created may look like this
	}{
		"marker of main":      {func(fs *faultfs.FS) { lose(t, fs, dir+"/main", "marker.manifest") }, false},
		"marker of history":   {func(fs *faultfs.FS) { lose(t, fs, dir+"/history", "marker.manifest") }, false},
		"markers of main":     {func(fs *faultfs.FS) { lose(t, fs, dir+"/main", "marker.") }, false},
		"manifest of main":    {func(fs *faultfs.FS) { lose(t, fs, dir+"/main", "MANIFEST-") }, false},
		"manifest of history": {func(fs *faultfs.FS) { lose(t, fs, dir+"/history", "MANIFEST-") }, false},
		"files of main":       {func(fs *faultfs.FS) { lose(t, fs, dir+"/main", "") }, true},
		"main":                {func(fs *faultfs.FS) { remove(t, fs, dir+"/main") }, true},
		"history":             {func(fs *faultfs.FS) { remove(t, fs, dir+"/history") }, false},
		"all":                 {func(fs *faultfs.FS) { remove(t, fs, dir) }, true},
	} {
		for _, create := range []bool{false, true} {
			if create && c.fresh {
				continue
			}
			fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1, Rand: rand.New(rand.NewPCG(1, 1))})
			c.harm(fs)
			before := fs.Sum()
			opts := pebblestore.Options{FS: fs, Dir: dir, Create: create}
			if r, err := pebblestore.Verify(opts, everything); err != nil || len(r.Damage) == 0 {
				t.Errorf("%s: verify: %+v, %v", name, r, err)
			}
			if _, err := pebblestore.OpenView(opts); !errors.Is(err, substrate.ErrDamaged) {
				t.Errorf("%s: read: %v", name, err)
			}
			if left, err := pebblestore.Salvage(opts, false); err != nil || len(left.Lost) == 0 || !left.Lost[0].Unlisted {
				t.Errorf("%s: salvage: %+v, %v", name, left, err)
			}
			if strings.HasPrefix(name, "manifest") {
				continue // the marker names one that is missing: whoever opens it looks first
			}
			s, err := pebblestore.Open(opts)
			if err == nil {
				s.Abandon()
			}
			if !errors.Is(err, substrate.ErrDamaged) {
				t.Errorf("%s: open (create: %t): %v", name, create, err)
			}
			if fs.Sum() != before {
				t.Errorf("%s: it has changed something (create: %t)", name, create)
			}
		}
	}
}

func remove(t *testing.T, fs *faultfs.FS, name string) {
	t.Helper()
	if err := fs.RemoveAll(name); err != nil {
		t.Fatal(err)
	}
}
