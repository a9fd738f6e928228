package backup_test

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate/backup"
)

// FuzzManifest reads any bytes as the manifest of a backup: an error, or one
// whose files can be looked for, and which is written as one that is read the same. Its
// checksum is made to fit as well.
func FuzzManifest(f *testing.F) {
	fs := vfs.NewMem()
	before, _ := versions()
	if _, err := before.save(fs, "/dest", source); err != nil {
		f.Fatal(err)
	}
	seed, err := content(fs, "/dest/manifest")
	if err != nil {
		f.Fatal(err)
	}
	f.Add([]byte(seed))
	f.Add([]byte("{}\ncrc32c a3fa9d93\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, len(data), 64, func() {
			manifest(t, data)
			body, _, _ := bytes.Cut(data, []byte("\n"))
			manifest(t, fmt.Appendf(nil, "%s\ncrc32c %08x\n", body, crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))))
		})
	})
}

// manifest reads a manifest, looks for its files, and writes it again.
func manifest(t *testing.T, data []byte) {
	fs := vfs.NewMem()
	file, err := fs.Create("manifest", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	m, err := backup.Read(fs, "")
	if err != nil {
		return
	}
	if _, err := m.Verify(t.Context(), fs, ""); err != nil {
		t.Errorf("%v", err)
	}
	if err := backup.WriteManifest(m, fs, ""); err != nil {
		t.Fatal(err)
	}
	again, err := backup.Read(fs, "")
	if d := cmp.Diff(m, again, cmpopts.EquateEmpty()); err != nil || d != "" {
		t.Errorf("written and read it is something else (%v):\n%s", err, d)
	}
}
