package backup_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate/backup"
)

// FuzzManifest reads any bytes as the manifest of a backup: an error, or one
// whose files can be looked for.
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
		})
	})
}
