package netherite

import (
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/backup"
)

// backupArchives are the backups of every format version there was, beside the
// directories, each with a file that says what is in the hub that it makes.
func backupArchives(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob(filepath.Join(formatsDir, "backup-v*.tar.gz"))
	if present := presentBackup() + ".tar.gz"; err != nil || !slices.Contains(list, present) {
		t.Fatalf("testdata has %v and not the present version's, %s: make it with -accept (%v)", list, present, err)
	}
	return list
}

func presentBackup() string {
	return filepath.Join(formatsDir, fmt.Sprintf("backup-v%d", backup.FormatVersion))
}

// TestBackupOfEveryFormatVersionIsRestoredAndRunsOn makes a hub of each of them, which
// must have what was backed up, and come to the same end. With -accept it makes the
// backup of the present version anew.
func TestBackupOfEveryFormatVersionIsRestoredAndRunsOn(t *testing.T) {
	if *remake {
		dest := t.TempDir()
		makeBackup(t, dest)
		pack(t, dest, presentBackup()+".tar.gz")
		writeOld(t, presentBackup()+".json", lookAtHub(t, restored(t, presentBackup()+".tar.gz")))
	}
	compareOld(t, backupArchives(t), func(t *testing.T, archive string) oldHub { return lookAtHub(t, restored(t, archive)) })
}

// restored makes a hub of the backup in an archive, which has of everything that a
// backup can have, and to which the hub that it is of could be backed up again.
func restored(t *testing.T, archive string) (dir string) {
	t.Helper()
	dest, dir := t.TempDir(), t.TempDir()
	unpack(t, archive, dest)
	info, damage, err := InspectBackup(t.Context(), dest)
	if err != nil || len(damage) > 0 || info.Number != 2 || info.Partitions != formatPartitions || info.Taken.Sub(madeAt).Abs() > time.Hour {
		t.Fatalf("inspect the backup: %+v, %v, %v", info, damage, err)
	}
	m, err := backup.Read(vfs.Default, dest)
	if err != nil {
		t.Fatal(err)
	}
	has := map[string]bool{}
	for _, f := range m.Files {
		part, _, _ := strings.Cut(f.Name, "/")
		has[part], has[fmt.Sprint("number ", f.Number)] = true, true
		has["zeros"] = has["zeros"] || f.Stored < f.Size
	}
	for _, what := range []string{logName, storeName, sideName, "number 1", "number 2", "zeros"} {
		if !has[what] {
			t.Errorf("the backup has no %s: it does not show how that is stored", what)
		}
	}
	source := backup.Source{Lineage: m.Lineage, Partitions: m.Partitions, Parts: copiedParts}
	if _, err := hex.Decode(source.Hub[:], []byte(m.Hub)); err != nil {
		t.Fatal(err)
	}
	if err := backup.Fits(vfs.Default, dest, source, besides...); err != nil {
		t.Errorf("the hub could not be backed up there again: %v", err)
	}
	if _, err := Restore(t.Context(), dest, dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

// makeBackup makes a backup twice, so that the second one has files of the first: of
// a small hub with something of everything, and a partition that is parked and has
// a side file.
func makeBackup(t *testing.T, dest string) {
	t.Helper()
	m := newMaking(t, t.TempDir())
	hub := m.run(t)
	startOld(t, hub)
	quiet(t, hub)
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.reopen(t)
	hub = m.run(t)
	start(t, oldHello, hub, 3, in(sickPartition, "greets")) // which the store does not have
	quiet(t, hub)
	hub.Kill()
	m.reopen(t)
	m.sick = true
	hub = m.run(t)
	for i := range 20 { // enough that the log would be cut, but for the parked partition
		start(t, oldHello, hub, 3, in(2*(i%2), fmt.Sprint("more-", i)))
	}
	quiet(t, hub)
	if err := hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for round := range 2 {
		start(t, oldWaits, hub, "last", in(2, fmt.Sprint("last-", round)))
		quiet(t, hub)
		if _, err := hub.Backup(t.Context(), dest); err != nil && !errors.Is(err, engine.ErrDamaged) { // it says that one is parked
			t.Fatal(err)
		}
	}
	hub.Kill()
}

// TestOlderProgramRefusesANewerBackupByNameAndLeavesItAsItIs raises the version of one,
// as it is and with fields that have become something else.
func TestOlderProgramRefusesANewerBackupByNameAndLeavesItAsItIs(t *testing.T) {
	for name, change := range map[string]func(string) string{
		"the same fields": func(body string) string { return body },
		"other fields":    func(body string) string { return strings.Replace(body, `"files":[`, `"files":7,"list":[`, 1) },
	} {
		t.Run(name, func(t *testing.T) {
			dest, hub := backedUpOld(t)
			rewriteFile(t, filepath.Join(dest, backup.ManifestName), func(data []byte) []byte {
				body, _, _ := strings.Cut(string(data), "\n")
				was := body
				if body = strings.Replace(body, `"format":1`, `"format":2`, 1); body == was {
					t.Fatalf("%s does not say its format", body)
				}
				body = change(body)
				return fmt.Appendf(nil, "%s\ncrc32c %08x\n", body, crc32.Checksum([]byte(body), crc32.MakeTable(crc32.Castagnoli)))
			})
			const says = "format 2, this program reads up to 1"
			refused := func(what string, err error) {
				t.Helper()
				if !errors.Is(err, engine.ErrNewerFormat) || errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), dest) {
					t.Errorf("%s: %v", what, err)
				}
			}
			before := treeOf(t, dest)
			into := filepath.Join(t.TempDir(), "hub")
			_, err := Restore(t.Context(), dest, into)
			refused("restore", err)
			if _, err := os.Stat(into); !errors.Is(err, fs.ErrNotExist) {
				t.Errorf("restore has left something: %v", err)
			}
			_, err = hub.Backup(t.Context(), dest)
			refused("backup", err)
			_, damage, err := InspectBackup(t.Context(), dest)
			if err != nil || len(damage) != 1 || damage[0].File != backup.ManifestName || damage[0].Kind != "version" || damage[0].Partition != -1 || !strings.Contains(damage[0].Detail, says) {
				t.Errorf("inspect: %+v, %v", damage, err)
			}
			if after := treeOf(t, dest); after != before {
				t.Errorf("it was changed:\n%s\n%s", before, after)
			}
		})
	}
}

// backedUpOld makes a backup of a hub that goes on.
func backedUpOld(t *testing.T) (dest string, hub *Hub) {
	t.Helper()
	dest = t.TempDir()
	hub, err := Open(t.TempDir(), Partitions(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(hub.Kill)
	if _, err := hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	return dest, hub
}
