//go:build !race

package netherite_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// extra is the key of a row that no partition reads.
var extra = []byte{0, 9, 'z'}

func emptyHub(t *testing.T, dir string) {
	t.Helper()
	hub, err := netherite.Open(dir, netherite.Partitions(2))
	if err == nil {
		err = hub.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
}

// addRow writes a row of noise into the store of a hub that is closed, and returns the
// table that has it, and its size.
func addRow(t *testing.T, dir string, seed uint64) (table string, size int64, row []byte) {
	t.Helper()
	before := tablesOf(t, dir)
	s, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Hub: verifiedHub(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	row = make([]byte, 200_000)
	rng := rand.New(rand.NewPCG(seed, 9))
	for i := range row {
		row[i] = byte(rng.Uint32())
	}
	stamp, err := s.Stamp(0)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Set(substrate.Main, extra, row)
	if err := errors.Join(s.Apply(b, 0, stamp), s.Close()); err != nil {
		t.Fatal(err)
	}
	for name, n := range tablesOf(t, dir) {
		if before[name] == 0 && n > 100_000 {
			return name, n, row
		}
	}
	t.Fatal("no table has the row")
	return "", 0, nil
}

// tablesOf are the sizes of the tables with rows of a hub.
func tablesOf(t *testing.T, dir string) map[string]int64 {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "store", "main", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	sizes := map[string]int64{}
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		sizes[filepath.Base(name)] = info.Size()
	}
	return sizes
}

// replaceDir makes a directory what another one is.
func replaceDir(t *testing.T, dir, from string) {
	t.Helper()
	if err := errors.Join(os.RemoveAll(dir), os.CopyFS(dir, os.DirFS(from))); err != nil {
		t.Fatal(err)
	}
}

// backUpClosed opens a hub and backs it up.
func backUpClosed(t *testing.T, dir, dest string) {
	t.Helper()
	hub, err := netherite.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	_, err = hub.Backup(t.Context(), dest)
	if err = errors.Join(err, hub.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
}

// Where somebody has put an older copy of a hub back in its place, numbers of tables come
// again, with other content. A backup has that of the hub.
func TestBackupHasTheTablesOfAHubOfWhichAnOlderCopyWasPutBack(t *testing.T) {
	dir, older, dest := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "dest")
	emptyHub(t, dir)
	replaceDir(t, older, dir)
	table, size, _ := addRow(t, dir, 1)
	backUpClosed(t, dir, dest)
	replaceDir(t, dir, older)
	again, same, row := addRow(t, dir, 2)
	if again != table || same != size {
		t.Fatalf("%s of %d bytes, then %s of %d: the test is to make the same", table, size, again, same)
	}
	backUpClosed(t, dir, dest)
	copied := filepath.Join(t.TempDir(), "copy")
	if _, err := netherite.Restore(t.Context(), dest, copied); err != nil {
		t.Fatal(err)
	}
	view, err := pebblestore.OpenView(pebblestore.Options{Dir: filepath.Join(copied, "store")})
	if err != nil {
		t.Fatal(err)
	}
	defer view.Close()
	if got, err := view.Get(substrate.Main, extra); err != nil || !bytes.Equal(got, row) {
		t.Errorf("the row is another one, %v", err)
	}
}

// What has not changed is copied once.
func TestBackupOfAHubThatWasOpenedAgainCopiesNoTableAgain(t *testing.T) {
	dir, dest := t.TempDir(), filepath.Join(t.TempDir(), "dest")
	emptyHub(t, dir)
	table, _, _ := addRow(t, dir, 1)
	backUpClosed(t, dir, dest)
	backUpClosed(t, dir, dest)
	if _, err := os.Stat(filepath.Join(dest, "000001", "store", "main", table)); err != nil {
		t.Error(err)
	}
}
