package pebblestore_test

import (
	"bytes"
	"errors"
	"io"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// optionsOf lists the files of options of a database.
func optionsOf(t *testing.T, fs vfs.FS, database string) (names []string) {
	t.Helper()
	list, err := fs.List(path.Join(dir, database))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range list {
		if strings.HasPrefix(name, "OPTIONS-") {
			names = append(names, path.Join(dir, database, name))
		}
	}
	return names
}

// filledStore makes a store that is closed, with rows in both databases.
func filledStore(t *testing.T) *faultfs.FS {
	t.Helper()
	fs := faultfs.New()
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		b := s.NewBatch()
		b.Set(substrate.Main, []byte{0, 0, byte(i)}, []byte("row"))
		b.Set(substrate.History, []byte{0, 0, byte(i)}, []byte("chunk"))
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(i + 1), Epoch: 1, Record: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return fs
}

func rowsOf(t *testing.T, s substrate.Reader) (n int) {
	t.Helper()
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		if err := s.Scan(space, []byte{0}, []byte{0xfe}, func(_, _ []byte) bool { n++; return true }); err != nil {
			t.Fatal(err)
		}
	}
	return n
}

// What has become of the file of a database's options is named, and costs nothing:
// the store opens, and makes it anew.
func TestDamagedOptionsOfADatabaseCostNothing(t *testing.T) {
	whole := filledStore(t)
	for _, database := range []string{"main", "history"} {
		for how, harm := range map[string]func(fs *faultfs.FS, name string) error{
			"empty": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func([]byte) []byte { return nil })
			},
			"cut": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func(d []byte) []byte { return d[:len(d)/2] })
			},
			"cut by a byte": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func(d []byte) []byte { return d[:len(d)-1] })
			},
			"noise": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func(d []byte) []byte { return bytes.Repeat([]byte{0xa5, '\n', 1}, len(d)/3) })
			},
			"a line of noise": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func([]byte) []byte { return []byte("[Version]\nnonsense\n") })
			},
			"another order": func(fs *faultfs.FS, name string) error {
				return fs.Alter(name, func(d []byte) []byte { return bytes.ReplaceAll(d, []byte("leveldb."), []byte("somedbs.")) })
			},
			"missing": func(fs *faultfs.FS, name string) error { return fs.Remove(name) },
			"a directory": func(fs *faultfs.FS, name string) error {
				return errors.Join(fs.Remove(name), fs.MkdirAll(name, 0o700))
			},
		} {
			fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
			names := optionsOf(t, fs, database)
			if len(names) != 1 {
				t.Fatal(names)
			}
			if err := harm(fs, names[0]); err != nil {
				t.Fatal(err)
			}
			want := strings.TrimPrefix(names[0], dir+"/")
			if how == "missing" {
				want = database + "/OPTIONS-*"
			}
			if r := verify(t, fs); len(r.Damage) != 1 || r.Damage[0].File != want || !r.Damage[0].Harmless {
				t.Errorf("%s of %s: verify: %+v", how, database, r.Damage)
			}
			left, err := pebblestore.Salvage(pebblestore.Options{FS: fs, Dir: dir}, false)
			if err != nil || len(left.Lost) > 0 || rowsOf(t, left) != 10 {
				t.Errorf("%s of %s: salvage: %+v, %v", how, database, left, err)
			}
			s, err := open(fs, dir)
			if err != nil {
				t.Errorf("%s of %s: open: %v", how, database, err)
				continue
			}
			if n := rowsOf(t, s); n != 10 {
				t.Errorf("%s of %s: %d rows", how, database, n)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
			if r := verify(t, fs); len(r.Damage) > 0 || len(optionsOf(t, fs, database)) != 1 {
				t.Errorf("%s of %s: after it was opened: %+v, %v", how, database, r.Damage, optionsOf(t, fs, database))
			}
		}
	}
}

// That files of options are not read lets nobody open what this program cannot read:
// the marker of the format and the manifest say the same.
func TestDatabaseOfAnotherFormatIsRefusedWithoutItsOptions(t *testing.T) {
	for _, without := range []bool{false, true} {
		fs := filledStore(t)
		f, err := fs.Create(path.Join(dir, "main", "marker.format-version.000099.999"), vfs.WriteCategoryUnspecified)
		if err == nil {
			err = errors.Join(f.Sync(), f.Close())
		}
		if without {
			err = errors.Join(err, fs.Remove(optionsOf(t, fs, "main")[0]))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(fs, dir); !errors.Is(err, substrate.ErrNewerFormat) {
			t.Errorf("a newer format, without options: %t: %v", without, err)
		}

		fs = filledStore(t)
		order := *pebble.DefaultComparer
		order.Name = "another.order"
		other := &pebble.Options{FS: fs, Comparer: &order, DisableWAL: true}
		if err := fs.RemoveAll(path.Join(dir, "main")); err != nil {
			t.Fatal(err)
		}
		db, err := pebble.Open(path.Join(dir, "main"), other)
		if err == nil {
			err = db.Close()
		}
		if without {
			err = errors.Join(err, fs.Remove(optionsOf(t, fs, "main")[0]))
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := open(fs, dir); !errors.Is(err, substrate.ErrDamaged) {
			t.Errorf("another order, without options: %t: %v", without, err)
		}
	}
}

// A copy of a running store has files of options that are whole.
func TestExportHasTrueOptions(t *testing.T) {
	fs := filledStore(t)
	s, err := open(fs, dir)
	if err == nil {
		_, err = s.Export("copy")
		err = errors.Join(err, s.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	r, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: "copy"}, everything)
	if err != nil || len(r.Damage) > 0 {
		t.Errorf("%+v, %v", r.Damage, err)
	}
	names, err := fs.List("copy/main")
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(names, func(name string) bool { return strings.HasPrefix(name, "OPTIONS-") })
	if i < 0 {
		t.Fatal(names)
	}
	f, err := fs.Open("copy/main/" + names[i])
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(f)
	if err = errors.Join(err, f.Close()); err != nil || len(text) == 0 {
		t.Errorf("%q, %v", text, err)
	}
}
