//go:build !race

package pebblestore_test

import (
	"errors"
	"math/rand/v2"
	"path"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// FuzzDamagedStore holds that a store is opened and read, or refused by name,
// whatever has happened to its files: Pebble's panics and fatal errors stay in it.
// An edit is five bytes: which file, what is done to it, where, with which value.
func FuzzDamagedStore(f *testing.F) {
	whole := faultfs.New()
	s, err := open(whole, dir)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 4 {
		if err := applyNumbered(s, i+1); err != nil {
			f.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		f.Fatal(err)
	}
	files := regular(f, whole, dir)
	addHarms(f, files, 0)
	f.Fuzz(func(t *testing.T, edits []byte) {
		fs := harmed(whole, files, edits, 10)
		fuzztest.Bounded(t, 32<<20, 1, func() {
			_, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, everything)
			clearly(t, err)
			s, err := open(fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1}), dir)
			if err != nil {
				clearly(t, err)
				return
			}
			clearly(t, s.Scan(substrate.Main, []byte{0}, []byte{0xfe}, func(_, _ []byte) bool { return true }))
			clearly(t, s.Scan(substrate.History, []byte{0}, []byte{0xfe}, func(_, _ []byte) bool { return true }))
			clearly(t, s.Close())
		})
	})
}

// FuzzSalvage sifts a store of several levels whose files are damaged in whatever way:
// what it finds was there, and it names what it does not find.
func FuzzSalvage(f *testing.F) {
	whole, want := layered(f, rand.New(rand.NewPCG(6, 6)))
	files := regular(f, whole, dir)
	addHarms(f, files, 2)
	f.Fuzz(func(t *testing.T, edits []byte) {
		fs := harmed(whole, files, edits, 5)
		fuzztest.Bounded(t, 64<<20, 1, func() { agree(t, "damaged", fs, want) })
	})
}

// edit is how many bytes of an input say what becomes of a file.
const edit = 5

// addHarms adds each harm of each file, at 40 bytes behind so many pages of 256.
func addHarms(f *testing.F, files []string, page byte) {
	for i := range files {
		for op := range byte(4) {
			f.Add([]byte{byte(i), op, page, 40, 0x80})
		}
	}
}

// harmed is a copy of a store to which at most so many harms have been done.
func harmed(whole *faultfs.FS, files []string, edits []byte, most int) *faultfs.FS {
	fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
	for edits = edits[:min(len(edits), most*edit)]; len(edits) >= edit; edits = edits[edit:] {
		fs.Harm(files[int(edits[0])%len(files)], edits[1], int(edits[2])<<8|int(edits[3]), edits[4])
	}
	return fs
}

// clearly refuses an error that does not say what is wrong with the store.
func clearly(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, want := range []error{substrate.ErrDamaged, substrate.ErrNewerFormat, substrate.ErrFailed} {
		if errors.Is(err, want) {
			return
		}
	}
	t.Fatalf("error %v", err)
}

// regular lists the files below a directory.
func regular(t testing.TB, fs *faultfs.FS, dir string) (files []string) {
	t.Helper()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		name = path.Join(dir, name)
		info, err := fs.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.IsDir() {
			files = append(files, regular(t, fs, name)...)
		} else {
			files = append(files, name)
		}
	}
	return files
}
