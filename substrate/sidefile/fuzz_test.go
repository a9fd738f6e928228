package sidefile_test

import (
	"bytes"
	"errors"
	"path"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// FuzzRead holds that any side file is refused by name or is the one that its
// chunks are written as.
func FuzzRead(f *testing.F) {
	fs := faultfs.New()
	files := open(fs)
	for n := range 4 {
		if err := put(files, byte(n), n); err != nil {
			f.Fatal(err)
		}
		data := fileOf(f, fs)
		f.Add(data, false)
		f.Add(data[:len(data)-1], false)
		f.Add(sidefile.RaiseVersion(data), true)
	}
	f.Fuzz(func(t *testing.T, data []byte, reseal bool) {
		data = slices.Clone(data)
		if reseal {
			sidefile.Reseal(data)
		}
		fs := faultfs.New()
		files := open(fs)
		write(t, fs, data)
		type entry struct {
			end   substrate.Offset
			chunk []byte
		}
		var entries []entry
		var err error
		fuzztest.Bounded(t, len(data), fuzztest.Plain, func() {
			entries = nil
			err = files.Read(7, func(end substrate.Offset, chunk []byte) error {
				entries = append(entries, entry{end, chunk})
				return nil
			})
		})
		if err != nil {
			if !errors.Is(err, substrate.ErrDamaged) && !errors.Is(err, substrate.ErrNewerFormat) {
				t.Fatalf("error %v", err)
			}
			return
		}
		err = files.Put(7, func(add func(substrate.Offset, []byte) error) error {
			for _, e := range entries {
				if err := add(e.end, e.chunk); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if again := fileOf(t, fs); !bytes.Equal(again, data) {
			t.Fatalf("%x has the chunks of %x", data, again)
		}
	})
}

func write(t testing.TB, fs *faultfs.FS, data []byte) {
	t.Helper()
	err := fs.MkdirAll(dir, 0o700)
	if err != nil {
		t.Fatal(err)
	}
	file, err := fs.Create(path.Join(dir, sidefile.Name(7)), vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = file.Write(data)
		err = errors.Join(err, file.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func fileOf(t testing.TB, fs *faultfs.FS) (data []byte) {
	t.Helper()
	if err := fs.Alter(path.Join(dir, sidefile.Name(7)), func(b []byte) []byte {
		data = slices.Clone(b)
		return b
	}); err != nil {
		t.Fatal(err)
	}
	return data
}
