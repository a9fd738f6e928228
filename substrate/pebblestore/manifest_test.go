package pebblestore_test

import (
	"bytes"
	"errors"
	"io"
	"path"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/record"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// manifest returns the path of a database's manifest, and where its last record begins.
func manifest(t *testing.T, fs *faultfs.FS, database string) (name string, size, last int) {
	t.Helper()
	found, err := pebble.Peek(path.Join(dir, database), fs)
	if err != nil || !found.Exists {
		t.Fatal(found, err)
	}
	var data []byte
	if err := fs.Alter(found.ManifestFilename, func(d []byte) []byte { data = bytes.Clone(d); return d }); err != nil {
		t.Fatal(err)
	}
	for r, next := record.NewReader(bytes.NewReader(data), 0), 0; ; next = int(r.Offset()) {
		if rest, err := r.Next(); err != nil {
			return found.ManifestFilename, len(data), last
		} else if _, err := io.Copy(io.Discard, rest); err != nil {
			t.Fatal(err)
		}
		last = next
	}
}

// A byte of a manifest that has changed is told with the file and an offset before it,
// as long as a record follows: Pebble itself takes that for the end of the manifest.
func TestDamageWithinAManifestIsNamed(t *testing.T) {
	for _, database := range []string{"main", "history"} {
		name, size, last := manifest(t, filledStore(t), database)
		if last < 20 || size <= last {
			t.Fatalf("%s: the last of %d bytes' records begins at %d: too few", name, size, last)
		}
		for at := range last {
			fs := filledStore(t)
			if err := fs.Alter(name, func(d []byte) []byte { d[at] ^= 0x10; return d }); err != nil {
				t.Fatal(err)
			}
			report, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, []pebblestore.Range{{Low: []byte{0}, High: []byte{0xfe}}})
			if err != nil {
				t.Fatal(err)
			}
			named := false
			for _, d := range report.Damage {
				named = named || d.File == database+"/"+path.Base(name) && d.Offset <= int64(at)
			}
			if !named {
				t.Errorf("byte %d of %s (%d, the last record from %d): %v", at, name, size, last, report.Damage)
			}
		}
	}
}

// A manifest of no use is named as well where a database is opened.
func TestAManifestThatKeepsADatabaseClosedIsNamed(t *testing.T) {
	for how, harm := range map[string]func([]byte) []byte{
		"empty":  func([]byte) []byte { return nil },
		"zeros":  func(d []byte) []byte { return make([]byte, len(d)) },
		"a word": func(d []byte) []byte { copy(d[20:], "manifest"); return d },
	} {
		t.Run(how, func(t *testing.T) {
			fs := filledStore(t)
			name, _, _ := manifest(t, fs, "main")
			if err := fs.Alter(name, harm); err != nil {
				t.Fatal(err)
			}
			s, err := open(fs, dir)
			if err == nil {
				_ = s.Close()
			}
			damage, ok := errors.AsType[*substrate.Damage](err)
			if !ok || damage.File != "main/"+path.Base(name) || !strings.Contains(damage.Detail, "manifest") {
				t.Errorf("%v", err)
			}
		})
	}
}

// What a crash leaves at the end of a manifest is no damage.
func TestAManifestThatEndsWithinARecordIsWhole(t *testing.T) {
	whole := filledStore(t)
	name, size, last := manifest(t, whole, "main")
	for end := last + 1; end < size; end++ {
		fs := filledStore(t)
		if err := fs.Alter(name, func(d []byte) []byte { return d[:end] }); err != nil {
			t.Fatal(err)
		}
		report, err := pebblestore.Verify(pebblestore.Options{FS: fs, Dir: dir}, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range report.Damage {
			if strings.Contains(d.File, "MANIFEST") {
				t.Errorf("cut at %d: %v", end, d)
			}
		}
	}
}
