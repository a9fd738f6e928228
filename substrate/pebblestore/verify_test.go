package pebblestore_test

import (
	"errors"
	"path"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// everything is one range of all keys.
var everything = []pebblestore.Range{{Low: []byte{0}, High: []byte{0xfe}}}

func verify(t *testing.T, fs *faultfs.FS) pebblestore.Report {
	t.Helper()
	r, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir, Create: true}, everything)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestVerifyReadsAllAndWritesNothing(t *testing.T) {
	fs := faultfs.New()
	if r := verify(t, fs); len(r.Damage) > 0 || len(r.Stamps) > 0 || r.Rows > 0 {
		t.Errorf("of nothing: %+v", r)
	}
	s, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if err := applyNumbered(s, i+1); err != nil {
			t.Fatal(err)
		}
	}
	stamp, err := s.Stamp(0)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	changes := func() (n int) {
		for _, kind := range []faultfs.Kind{faultfs.OpCreate, faultfs.OpLink, faultfs.OpRemove, faultfs.OpRename, faultfs.OpMkdir, faultfs.OpWrite, faultfs.OpSync, faultfs.OpSyncDir} {
			n += fs.Count(kind)
		}
		return n
	}
	before := changes()
	r := verify(t, fs)
	if len(r.Damage) > 0 || r.Rows == 0 || r.Stamps[0] != stamp {
		t.Errorf("%+v, want stamp %v", r, stamp)
	}
	if n := changes() - before; n != 0 {
		t.Errorf("to verify has changed files %d times", n)
	}
}

func TestVerifyNamesDamage(t *testing.T) {
	for name, spoil := range map[string]func(*faultfs.FS, string) error{
		"crc": func(fs *faultfs.FS, table string) error {
			return fs.Alter(table, func(d []byte) []byte { d[100] ^= 4; return d })
		},
		"short": func(fs *faultfs.FS, table string) error {
			names, err := fs.List(path.Dir(table))
			for _, name := range names {
				if !strings.HasSuffix(name, ".sst") {
					err = errors.Join(err, fs.Remove(path.Join(path.Dir(table), name)))
				}
			}
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			fs, tables := closedStore(t)
			if err := spoil(fs, tables[0]); err != nil {
				t.Fatal(err)
			}
			r := verify(t, fs)
			if len(r.Damage) == 0 || r.Damage[0].Kind != name || !strings.HasPrefix(r.Damage[0].File, "main") {
				t.Fatalf("got %+v", r.Damage)
			}
		})
	}
}

// A table that is shorter than the manifest says is named, by who verifies and by
// who opens.
func TestTruncatedTableIsNamed(t *testing.T) {
	fs, tables := closedStore(t)
	if err := fs.Alter(tables[0], func(d []byte) []byte { return d[:len(d)/2] }); err != nil {
		t.Fatal(err)
	}
	want := strings.TrimPrefix(tables[0], dir+"/")
	r := verify(t, fs)
	if len(r.Damage) != 1 || r.Damage[0].Kind != "short" || r.Damage[0].File != want {
		t.Errorf("verify: %+v, want short %s", r.Damage, want)
	}
	_, err := open(fs, dir)
	if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.Kind != "short" || damage.File != want {
		t.Errorf("open: %v", err)
	}
}

func TestVerifyRefusesANewerLayout(t *testing.T) {
	fs := faultfs.New()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.RaiseVersion(), s.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, everything); !errors.Is(err, substrate.ErrNewerFormat) {
		t.Fatalf("got %v", err)
	}
}
