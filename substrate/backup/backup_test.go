package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

var source = backup.Source{Hub: [16]byte{7}, Partitions: 3, Parts: []string{"log", "store", "STORE", "side"}}

// hub is what is backed up: names and contents; upper-case names never change.
type hub map[string]string

func (h hub) save(fs vfs.FS, dest string, s backup.Source) (backup.Result, error) {
	w, err := backup.Begin(fs, dest, s, "LOCK")
	if err != nil {
		return backup.Result{}, err
	}
	names := make([]string, 0, len(h))
	for name := range h {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		f := substrate.ExportedFile{Name: name, Stored: int64(len(h[name])), Content: strings.NewReader(h[name])}
		f.Size = f.Stored + 10
		if strings.ToUpper(name) == name {
			f.ID = "unchanging"
		}
		if err := w.Add(context.Background(), f); err != nil {
			return backup.Result{}, err
		}
	}
	return w.Commit(backup.Manifest{LogEnd: 5})
}

// restored is what a backup holds: an error if it is not whole.
func restored(fs vfs.FS, dest string) (hub, error) {
	m, err := backup.Read(fs, dest)
	if err != nil {
		return nil, err
	}
	if damage, err := m.Verify(context.Background(), fs, dest); err != nil || len(damage) > 0 {
		return nil, fmt.Errorf("verify: %v, %w", damage, err)
	}
	if err := m.Restore(context.Background(), fs, dest, "/restored"); err != nil {
		return nil, err
	}
	h := hub{}
	for _, f := range m.Files {
		data, err := content(fs, "/restored/"+f.Name)
		if err != nil {
			return nil, err
		}
		if zeros := strings.Repeat("\x00", 10); !strings.HasSuffix(data, zeros) {
			return nil, fmt.Errorf("%s: %d bytes, and no zeros behind them", f.Name, len(data))
		}
		h[f.Name] = data[:len(data)-10]
	}
	return h, nil
}

func content(fs vfs.FS, name string) (string, error) {
	f, err := fs.Open(name)
	if err != nil {
		return "", err
	}
	data, err := io.ReadAll(f)
	return string(data), errors.Join(err, f.Close())
}

func same(a, b hub) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if a[name] != b[name] {
			return false
		}
	}
	return true
}

func versions() (before, after hub) {
	before = hub{"store/main/x": "one", "STORE/1": strings.Repeat("a", 600<<10), "STORE/2": "b", "side/0": ""}
	after = hub{"store/main/x": "other", "STORE/1": before["STORE/1"], "STORE/3": strings.Repeat("c", 300<<10), "log/1": "d"}
	return before, after
}

func TestSecondBackupCopiesOnlyWhatHasChanged(t *testing.T) {
	fs := vfs.NewMem()
	before, after := versions()
	if r, err := before.save(fs, "/a/dest", source); err != nil || r.CopiedFiles != 4 || r.Number != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err := after.save(fs, "/a/dest", source)
	if err != nil || r.CopiedFiles != 3 || r.Files != 4 || r.Number != 2 || r.CopiedBytes != 5+300<<10+1 {
		t.Errorf("%+v, %v", r, err)
	}
	if got, err := restored(fs, "/a/dest"); err != nil || !same(got, after) {
		t.Errorf("%v", err)
	}
	if _, err := fs.Stat("/a/dest/000001/STORE/2"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what no backup needs any more is still there: %v", err)
	}
}

// A backup of what has another length, or is gone from the destination, is
// copied again, whatever its ID says.
func TestFileThatTheBackupHasLostIsCopiedAgain(t *testing.T) {
	fs := vfs.NewMem()
	before, _ := versions()
	if _, err := before.save(fs, "/dest", source); err != nil {
		t.Fatal(err)
	}
	if err := fs.Remove("/dest/000001/STORE/2"); err != nil {
		t.Fatal(err)
	}
	if _, err := before.save(fs, "/dest", source); err != nil {
		t.Fatal(err)
	}
	if got, err := restored(fs, "/dest"); err != nil || !same(got, before) {
		t.Error(err)
	}
}

func TestCrashAtAnyOperationLeavesABackupThatIsWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	before, after := versions()
	for name, c := range map[string]faultfs.Crash{
		"nothing unsynced survives": {}, "all of it does": {KeepNames: 1, KeepSectors: 1}, "half of it": {KeepNames: 0.5, KeepSectors: 0.5, Rand: rng, Fill: faultfs.FillAny},
	} {
		fs := faultfs.New()
		if _, err := before.save(fs, "/dest", source); err != nil {
			t.Fatal(err)
		}
		crashes, seen := 0, map[bool]int{}
		fs.SetFault(func(op faultfs.Op) error {
			if op.Kind == faultfs.OpRead {
				return nil
			}
			crashes++
			crashed := fs.CrashClone(c)
			got, err := restored(crashed, "/dest")
			if err != nil || !same(got, before) && !same(got, after) {
				t.Errorf("%s, before operation %d, %v: %v", name, crashes, op, err)
			}
			seen[same(got, after)]++
			// The next backup goes on from there.
			if _, err := after.save(crashed, "/dest", source); err != nil {
				t.Errorf("%s, operation %d: the next backup: %v", name, crashes, err)
			}
			return nil
		})
		if _, err := after.save(fs, "/dest", source); err != nil {
			t.Fatal(err)
		}
		if seen[false] < 5 || seen[true] < 2 {
			t.Errorf("%s: %d crashes before the new backup counted, %d after", name, seen[false], seen[true])
		}
	}
}

func TestErrorAtAnyOperationLeavesABackupThatIsWhole(t *testing.T) {
	before, after := versions()
	for n := 1; ; n++ {
		fs := faultfs.New()
		if _, err := before.save(fs, "/dest", source); err != nil {
			t.Fatal(err)
		}
		count, failed := 0, false
		fs.SetFault(func(faultfs.Op) error {
			if count++; count == n {
				failed = true
				return errors.New("the disk says no")
			}
			return nil
		})
		_, err := after.save(fs, "/dest", source)
		fs.SetFault(nil)
		got, whole := restored(fs, "/dest")
		if whole != nil || !same(got, before) && !same(got, after) || err == nil && !same(got, after) {
			t.Errorf("operation %d fails: %v; then: %v", n, err, whole)
		}
		if !failed {
			return
		}
	}
}

// saved makes a backup at dest, and returns its manifest.
func saved(t *testing.T, fs vfs.FS, dest string) *backup.Manifest {
	t.Helper()
	before, _ := versions()
	if _, err := before.save(fs, dest, source); err != nil {
		t.Fatal(err)
	}
	m, err := backup.Read(fs, dest)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestDamageOfABackupIsNamedWithFileAndOffset(t *testing.T) {
	fs := faultfs.New()
	m := saved(t, fs, "/dest")
	check := func(what, file string, offset int64) {
		t.Helper()
		found, err := m.Verify(t.Context(), fs, "/dest")
		if err != nil || len(found) != 1 || found[0].File != file || found[0].Offset != offset {
			t.Errorf("%s: %v, %v", what, found, err)
		}
		err = m.Restore(t.Context(), fs, "/dest", "/elsewhere")
		if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != file || damage.Offset != offset {
			t.Errorf("%s: restore: %v", what, err)
		}
	}
	for _, f := range m.Files {
		for at := int64(0); at < f.Stored; at += 50_000 {
			flip := func(data []byte) []byte { data[at] ^= 1; return data }
			alter(t, fs, "/dest/"+f.Path(), flip)
			check(fmt.Sprintf("flip at %d", at), f.Path(), at&^(256<<10-1))
			alter(t, fs, "/dest/"+f.Path(), flip)
		}
		data, err := content(fs, "/dest/"+f.Path())
		if err != nil {
			t.Fatal(err)
		}
		if f.Stored > 0 {
			alter(t, fs, "/dest/"+f.Path(), func(data []byte) []byte { return data[:len(data)/2] })
			check("cut", f.Path(), f.Stored/2)
		}
		alter(t, fs, "/dest/"+f.Path(), func([]byte) []byte { return []byte(data + "x") })
		check("longer", f.Path(), f.Stored)
		alter(t, fs, "/dest/"+f.Path(), func([]byte) []byte { return []byte(data) })
	}
	size := len(must(content(fs, "/dest/manifest")))
	for at := range size {
		flip := func(data []byte) []byte { data[at] ^= 1; return data }
		alter(t, fs, "/dest/manifest", flip)
		if _, err := backup.Read(fs, "/dest"); !errors.Is(err, substrate.ErrDamaged) {
			t.Errorf("flip in the manifest at %d: %v", at, err)
		}
		if err := backup.Fits(fs, "/dest", source); !errors.Is(err, substrate.ErrDamaged) || !strings.Contains(err.Error(), "name another directory") {
			t.Errorf("flip in the manifest at %d: the next backup: %v", at, err)
		}
		alter(t, fs, "/dest/manifest", flip)
	}
}

// A disk that cannot read a file says nothing about the others.
func TestFileThatCannotBeReadHidesNoDamageOfOthers(t *testing.T) {
	fs := faultfs.New()
	m := saved(t, fs, "/dest")
	bad := errors.New("the disk says no")
	unread := []string{"/dest/000001/STORE/1", "/dest/000001/STORE/2"}
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpRead && slices.Contains(unread, op.Path) {
			return bad
		}
		return nil
	})
	const last = "000001/store/main/x"
	alter(t, fs, "/dest/"+last, func(data []byte) []byte { return data[1:] })
	found, err := m.Verify(t.Context(), fs, "/dest")
	if len(found) != 1 || found[0].File != last || !errors.Is(err, bad) || !strings.Contains(err.Error(), "STORE/1") || !strings.Contains(err.Error(), "STORE/2") {
		t.Errorf("%v, %v", found, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := m.Verify(ctx, fs, "/dest"); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

func must(s string, err error) string {
	if err != nil {
		panic(err)
	}
	return s
}

func alter(t *testing.T, fs *faultfs.FS, name string, change func([]byte) []byte) {
	t.Helper()
	if err := fs.Alter(name, change); err != nil {
		t.Fatal(err)
	}
}

func TestPlaceOfAnotherHubIsRefused(t *testing.T) {
	fs := vfs.NewMem()
	before, _ := versions()
	if _, err := before.save(fs, "/dest", source); err != nil {
		t.Fatal(err)
	}
	other, copied := source, source
	other.Hub[3], copied.Lineage = 1, "abc"
	for name, s := range map[string]backup.Source{"another hub": other, "a copy of the hub": copied} {
		if _, err := before.save(fs, "/dest", s); !errors.Is(err, backup.ErrOther) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := fs.MkdirAll("/full/of/things", 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := before.save(fs, "/full", source); !errors.Is(err, backup.ErrOther) || !strings.Contains(err.Error(), `"of"`) {
		t.Errorf("a directory that holds something: %v", err)
	}
	if got, err := restored(fs, "/dest"); err != nil || !same(got, before) {
		t.Errorf("a refused backup has changed the one that is there: %v", err)
	}
}

// Dated folders have names like those of backups.
func TestDirectoryThatIsOnlyNamedLikeABackupIsLeftAlone(t *testing.T) {
	before, after := versions()
	for name, file := range map[string]string{
		"a file": "20260101", "a folder with a file": "20260101/notes", "a copy of a backup": "260101/manifest",
		"a copy of a hub": "000003/hub", "a file with the name of a part": "000007/log",
	} {
		for _, first := range []bool{true, false} {
			fs := vfs.NewMem()
			if !first {
				if _, err := before.save(fs, "/dest", source); err != nil {
					t.Fatal(err)
				}
			}
			write(t, fs, "/dest/"+file)
			_, err := after.save(fs, "/dest", source)
			if !errors.Is(err, backup.ErrOther) || !strings.Contains(err.Error(), strconv.Quote(strings.Split(file, "/")[0])) {
				t.Errorf("%s, first backup %t: %v", name, first, err)
			}
			if err := backup.Fits(fs, "/dest", source); !errors.Is(err, backup.ErrOther) {
				t.Errorf("%s, first backup %t: fits: %v", name, first, err)
			}
			if backup.Unfinished(fs, "/dest", source.Parts) {
				t.Errorf("%s, first backup %t: it is said to be what an interrupted backup has left", name, first)
			}
			if _, err := content(fs, "/dest/"+file); err != nil {
				t.Errorf("%s, first backup %t: it is gone: %v", name, first, err)
			}
		}
	}
}

// write makes a file, and the directories that it is in.
func write(t *testing.T, fs vfs.FS, path string) {
	t.Helper()
	if err := fs.MkdirAll(fs.PathDir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	f, err := fs.Create(path, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestCancelledBackupLeavesTheEarlierOne(t *testing.T) {
	fs := vfs.NewMem()
	before, _ := versions()
	if _, err := before.save(fs, "/dest", source); err != nil {
		t.Fatal(err)
	}
	w, err := backup.Begin(fs, "/dest", source)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err = w.Add(ctx, substrate.ExportedFile{Name: "x", Size: 1, Stored: 1, Content: bytes.NewReader([]byte{1})})
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if got, err := restored(fs, "/dest"); err != nil || !same(got, before) {
		t.Error(err)
	}
}
