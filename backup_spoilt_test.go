package netherite_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/backup"
)

// hubWithBackup is a hub with full segments and some tables, which is open, and a backup
// of it.
func hubWithBackup(t *testing.T, options ...netherite.Option) (b *bank, dir, dest string) {
	t.Helper()
	dir, dest = t.TempDir(), filepath.Join(t.TempDir(), "dest")
	b = openBank(t, dir, append(options, netherite.Partitions(1), netherite.LogSegments(64<<10, 64<<10))...)
	b.fund(t)
	b.run(t.Context(), t, "more", 4, 200)
	if err := b.hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.run(t.Context(), t, "yet more", 4, 100) // which stays in the log
	if _, err := b.hub.Backup(t.Context(), dest); err != nil {
		t.Fatal(err)
	}
	return b, dir, dest
}

// firstOf is the first file of a backup that has an ID and lies in a directory of the hub.
func firstOf(t *testing.T, dest, in string) (name string) {
	t.Helper()
	m, err := backup.Read(vfs.Default, dest)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range m.Files {
		if f.ID != "" && strings.HasPrefix(f.Name, in) && (name == "" || f.Name < name) {
			name = f.Name
		}
	}
	if name == "" {
		t.Fatal("there is none")
	}
	return name
}

// flip flips a bit of a file in place, as a disk does: the times stay.
func flip(t *testing.T, path string, at int64) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	if err := errors.Join(os.WriteFile(path, data, 0o600), os.Chtimes(path, info.ModTime(), info.ModTime())); err != nil {
		t.Fatal(err)
	}
}

// plainIDs makes the IDs of a backup what they were in earlier versions.
func plainIDs(t *testing.T, dest string) {
	t.Helper()
	m, err := backup.Read(vfs.Default, dest)
	if err != nil {
		t.Fatal(err)
	}
	for i := range m.Files {
		id, _, _ := strings.Cut(m.Files[i].ID, ", ends ")
		if strings.HasPrefix(id, "table") {
			id = "table"
		}
		m.Files[i].ID = id
	}
	body, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	body = append(body, '\n')
	body = fmt.Appendf(body, "crc32c %08x\n", crc32.Checksum(body[:len(body)-1], crc32.MakeTable(crc32.Castagnoli)))
	if err := os.WriteFile(filepath.Join(dest, backup.ManifestName), body, 0o600); err != nil {
		t.Fatal(err)
	}
}

// A backup is there for when the hub is damaged: what it has whole is not given up for
// what the hub has damaged, wherever in a file that is, and by whatever ID it is known.
func TestBackupKeepsWhatTheHubHasDamagedMeanwhile(t *testing.T) {
	for _, in := range []string{"log/", "store/history/"} {
		for place, at := range map[string]func(size int64) int64{
			"beginning": func(int64) int64 { return 1100 },
			"end":       func(size int64) int64 { return size - 30 },
		} {
			for _, earlier := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s%s, earlier %t", in, place, earlier), func(t *testing.T) {
					b, dir, dest := hubWithBackup(t)
					name := firstOf(t, dest, in)
					path := filepath.Join(dest, "000001", name)
					good, err := os.ReadFile(path)
					if err != nil {
						t.Fatal(err)
					}
					if earlier {
						plainIDs(t, dest)
					}
					flip(t, filepath.Join(dir, name), at(int64(len(good))))
					for again := range 2 {
						b.run(t.Context(), t, fmt.Sprint("again ", again), 1, 1) // a quiet hub would trim its log
						_, err := b.hub.Backup(t.Context(), dest)
						seen := place == "end" || in == "log/" || earlier // what of a table is looked at
						if seen != errors.Is(err, engine.ErrDamaged) || seen && (!strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "keeps")) {
							t.Errorf("it says %v", err)
						}
					}
					if now, err := os.ReadFile(path); err != nil || !bytes.Equal(now, good) {
						t.Errorf("the backup has lost its copy: %v", err)
					}
					copied := filepath.Join(t.TempDir(), "copy")
					if _, err := netherite.Restore(t.Context(), dest, copied); err != nil {
						t.Fatal(err)
					}
					verified(t, copied)
				})
			}
		}
	}
}

// Files of a hub that was moved, and those of a backup by an earlier version, are as they
// were: they are read, and not copied once more.
func TestBackupOfWhatOnlyLooksNewCopiesNothingAgain(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, dir, dest string){
		"new times": func(t *testing.T, dir, _ string) {
			err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
				return os.Chtimes(path, time.Unix(1, 0), time.Unix(1, 0))
			})
			if err != nil {
				t.Fatal(err)
			}
		},
		"earlier IDs": func(t *testing.T, _, dest string) { plainIDs(t, dest) },
	} {
		t.Run(name, func(t *testing.T) {
			b, dir, dest := hubWithBackup(t)
			segment, table := firstOf(t, dest, "log/"), firstOf(t, dest, "store/history/")
			change(t, dir, dest)
			for again := range 2 {
				b.run(t.Context(), t, fmt.Sprint("again ", again), 1, 1) // a quiet hub would trim its log
				if _, err := b.hub.Backup(t.Context(), dest); err != nil {
					t.Error(err)
				}
				for _, name := range []string{segment, table} {
					if _, err := os.Stat(filepath.Join(dest, "000001", name)); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
}

// unreadable is a file system with a bad sector at the end of some files.
type unreadable struct {
	vfs.FS
	name atomic.Value
}

func (u *unreadable) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := u.FS.Open(name, o...)
	if bad, _ := u.name.Load().(string); err == nil && bad != "" && strings.HasSuffix(filepath.ToSlash(name), bad) {
		f = unreadableEnd{f}
	}
	return f, err
}

type unreadableEnd struct{ vfs.File }

func (f unreadableEnd) ReadAt(p []byte, at int64) (int, error) {
	info, err := f.Stat()
	if err == nil && at+int64(len(p)) >= info.Size()-1 {
		return 0, &os.PathError{Op: "read", Path: "a file", Err: syscall.EIO}
	}
	return f.File.ReadAt(p, at)
}

// What cannot be read in the hub any more, and is in the backup, is no reason to make no
// other backup.
func TestBackupIsMadeThoughWhatItHasCannotBeReadAnyMore(t *testing.T) {
	bad := &unreadable{FS: vfs.Default}
	b, _, dest := hubWithBackup(t, netherite.Files(bad))
	name := firstOf(t, dest, "store/history/")
	bad.name.Store(strings.TrimPrefix(name, "store")) // where it is exported to
	for range 2 {
		if r, err := b.hub.Backup(t.Context(), dest); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), name) || r.Files == 0 {
			t.Errorf("%+v, %v", r, err)
		}
	}
	bad.name.Store("")
	copied := filepath.Join(t.TempDir(), "copy")
	if _, err := netherite.Restore(t.Context(), dest, copied); err != nil {
		t.Fatal(err)
	}
	verified(t, copied)
}
