//go:build !race

package netherite

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// FuzzDamagedDirectory holds that a hub's directory in which anything has happened
// is inspected and opened, or refused by name; and that a hub in which inspection
// finds nothing wrong opens and runs as a whole. An edit is five bytes: which file,
// what is done to it, where, with which value. The directory is one of the program as
// it is, or the oldest that there is.
func FuzzDamagedDirectory(f *testing.F) {
	present, presentFiles := kept(f, presentFormat)
	first, firstFiles := kept(f, "v1")
	for i := range presentFiles {
		f.Add([]byte{byte(i), byte(i) % 4, 0, 12, 0x80}, false)
	}
	f.Add([]byte{}, false)
	f.Add([]byte{}, true)
	f.Fuzz(func(t *testing.T, edits []byte, old bool) {
		whole, files := present, presentFiles
		if old {
			whole, files = first, firstFiles
		}
		disk := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
		for edits = edits[:min(len(edits), 25)]; len(edits) >= 5; edits = edits[5:] {
			disk.Harm(files[int(edits[0])%len(files)], edits[1], int(edits[2])<<8|int(edits[3]), edits[4])
		}
		fuzztest.Bounded(t, 192<<20, 1, func() {
			again := disk.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
			damage, err := inspectOn(again)
			named(t, "inspect", err)
			hub, openErr := Open("/d", Files(again), Logger(slog.New(slog.DiscardHandler)), Clock(clockAt(madeAt)), Memory(16<<20))
			named(t, "open", openErr)
			if openErr == nil {
				openErr = hub.Health()
				hub.files = true // so that Kill lets go of them
				hub.Kill()
			}
			if err == nil && len(damage) == 0 && openErr != nil {
				t.Fatalf("inspection finds nothing, and it does not run: %v", openErr)
			}
		})
	})
}

// kept is a directory of those in testdata, in memory, and its files.
func kept(t testing.TB, format string) (disk *faultfs.FS, files []string) {
	t.Helper()
	dir := t.TempDir()
	unpack(t, filepath.Join(formatsDir, format+".tar.gz"), dir)
	disk = faultfs.New()
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		in := path.Join("/d", filepath.ToSlash(strings.TrimPrefix(name, dir)))
		if d.IsDir() {
			return disk.MkdirAll(in, 0o700)
		}
		data, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		file, err := disk.Create(in, vfs.WriteCategoryUnspecified)
		if err != nil {
			return err
		}
		files = append(files, in)
		_, err = file.Write(data)
		return errors.Join(err, file.Sync(), file.Close())
	})
	if err != nil {
		t.Fatal(err)
	}
	return disk, files
}

// inspectOn is Inspect on another file system than the operating system's.
func inspectOn(disk vfs.FS) ([]Damage, error) {
	d := &directory{dir: "/d", fs: disk, readOnly: true, logger: slog.New(slog.DiscardHandler)}
	if err := d.acquire(); err != nil {
		return nil, err
	}
	r := &Report{Hub: d.params.Hub, Partitions: d.params.Partitions}
	err := errors.Join(r.inspect(d), d.Close())
	return r.Damage, err
}

// named refuses an error that does not say what is wrong with the directory.
func named(t *testing.T, what string, err error) {
	t.Helper()
	known := []error{nil, engine.ErrDamaged, engine.ErrNewerFormat, engine.ErrForeign, fs.ErrNotExist}
	if !slices.ContainsFunc(known, func(k error) bool { return errors.Is(err, k) }) {
		t.Fatalf("%s: %v", what, err)
	}
}
