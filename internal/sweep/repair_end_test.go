package sweep_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate/faultfs"
)

// withoutItsEnd damages the log of a hub so that its end is gone, or another one is in
// its place: of a segment, or of the whole.
func withoutItsEnd(t *testing.T, fs, older *faultfs.FS, rng *rand.Rand) (disk *faultfs.FS, what string, unsure bool) {
	t.Helper()
	disk = whole(fs)
	log := path.Join(dir, "log")
	names := slices.DeleteFunc(filesOf(t, disk, log), func(name string) bool { return !strings.HasSuffix(name, ".log") })
	name := names[len(names)-1-rng.IntN(min(3, len(names)))]
	how := [...]string{"gone", "cut", "tail zeroed", "older", "all older", "all gone"}[rng.IntN(6)]
	var err error
	switch how {
	case "gone":
		err = disk.Remove(name)
	case "cut":
		err = disk.Alter(name, func(data []byte) []byte { return data[:rng.IntN(len(data))] })
	case "tail zeroed":
		unsure = true
		err = disk.Alter(name, func(data []byte) []byte {
			data = bytes.Clone(data)
			clear(data[rng.IntN(len(data)):])
			return data
		})
	case "older":
		err = disk.Remove(name)
		if _, there := older.Stat(name); there == nil {
			err = errors.Join(err, copyFile(disk, older, name))
		}
	case "all older":
		err = disk.RemoveAll(log)
		if err == nil {
			err = disk.MkdirAll(log, 0o700)
		}
		for _, name := range filesOf(t, older, log) {
			err = errors.Join(err, copyFile(disk, older, name))
		}
	case "all gone":
		err = disk.RemoveAll(log)
	}
	if err != nil {
		t.Fatal(err)
	}
	return disk, fmt.Sprintf(" %s:%s", name, how), unsure
}

// copyFile copies a file from one file system to another.
func copyFile(to, from *faultfs.FS, name string) error {
	var data []byte
	if err := from.Alter(name, func(b []byte) []byte { data = bytes.Clone(b); return b }); err != nil {
		return err
	}
	f, err := to.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	return errors.Join(err, f.Sync(), f.Close())
}
