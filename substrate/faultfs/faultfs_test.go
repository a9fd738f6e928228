package faultfs

import (
	"bytes"
	"errors"
	"io/fs"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func create(t *testing.T, f *FS, name string, data []byte) vfs.File {
	t.Helper()
	file, err := f.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.Write(data); err != nil {
		t.Fatal(err)
	}
	return file
}

func makeDurable(t *testing.T, f *FS, file vfs.File) {
	t.Helper()
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	dir, err := f.OpenDir("/")
	if err != nil {
		t.Fatal(err)
	}
	if err := dir.Sync(); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, f *FS, name string) []byte {
	t.Helper()
	file, err := f.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	info, err := file.Stat()
	if err != nil {
		t.Fatal(err)
	}
	data := make([]byte, info.Size())
	if n, err := file.ReadAt(data, 0); n != len(data) {
		t.Fatal(n, err)
	}
	return data
}

func TestSyncedDataSurvivesEveryCrash(t *testing.T) {
	f := New()
	want := bytes.Repeat([]byte("abc"), 1000)
	makeDurable(t, f, create(t, f, "/x", want))
	for _, c := range []Crash{{}, {Fill: FillZero}, {KeepSectors: 1, KeepNames: 1}, {Fill: FillNoise, Rand: rand.New(rand.NewPCG(1, 1))}} {
		if got := read(t, f.CrashClone(c), "/x"); !bytes.Equal(got, want) {
			t.Fatalf("%+v: content changed", c)
		}
	}
}

func TestUnsyncedSectorsAreLostOnTheirOwn(t *testing.T) {
	f := New()
	file := create(t, f, "/x", bytes.Repeat([]byte{'a'}, 4*SectorBytes))
	makeDurable(t, f, file)
	if _, err := file.WriteAt(bytes.Repeat([]byte{'b'}, 2*SectorBytes), SectorBytes); err != nil {
		t.Fatal(err)
	}
	seen := map[byte]bool{}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		got := read(t, f.CrashClone(Crash{Rand: rng, KeepSectors: 0.3, Fill: FillAny}), "/x")
		if got[0] != 'a' || got[3*SectorBytes] != 'a' || len(got) != 4*SectorBytes {
			t.Fatal("a sector that was not written has changed")
		}
		seen[got[SectorBytes]] = true
	}
	if !seen['a'] || !seen['b'] || !seen[0] || len(seen) < 10 {
		t.Fatalf("want old, new, zero and noise, got %d different bytes", len(seen))
	}
}

func TestWholeSectorsKeepWhatWasDurableInThem(t *testing.T) {
	f := New()
	file := create(t, f, "/d", []byte("old"))
	makeDurable(t, f, file)
	if _, err := file.Write([]byte("new")); err != nil {
		t.Fatal(err)
	}
	for _, fill := range []Fill{FillZero, FillNoise} {
		c := Crash{Fill: fill, Rand: rand.New(rand.NewPCG(1, 3)), Whole: func(name string) bool { return name == "/d" }}
		if got := read(t, f.CrashClone(c), "/d"); len(got) != 6 || string(got[:3]) != "old" || string(got[3:]) == "new" {
			t.Errorf("fill %d: %q", fill, got)
		}
		c.Whole = nil
		if got := read(t, f.CrashClone(c), "/d"); string(got[:3]) == "old" {
			t.Errorf("fill %d: %q", fill, got)
		}
	}
}

func TestNamesAreLostUntilTheDirectoryIsSynced(t *testing.T) {
	f := New()
	if err := create(t, f, "/x", []byte("1")).Sync(); err != nil {
		t.Fatal(err)
	}
	if _, err := f.CrashClone(Crash{}).Stat("/x"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("name survived: %v", err)
	}
	makeDurable(t, f, create(t, f, "/y", []byte("2")))
	if err := f.Rename("/y", "/z"); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f.CrashClone(Crash{}), "/y"); string(got) != "2" {
		t.Fatalf("old name has %q", got)
	}
	if got := read(t, f.CrashClone(Crash{KeepNames: 1}), "/z"); string(got) != "2" {
		t.Fatalf("new name has %q", got)
	}
}

func TestFailedSyncLeavesCleanSectorsThatAreNotDurable(t *testing.T) {
	f := New()
	file := create(t, f, "/x", []byte("old"))
	makeDurable(t, f, file)
	f.SetFault(FailNth(OpSync, 2, errors.New("EIO")))
	if _, err := file.WriteAt([]byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	if err := file.Sync(); err == nil {
		t.Fatal("want an error")
	}
	if err := file.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, f.CrashClone(Crash{KeepSectors: 1}), "/x"); string(got) != "old" {
		t.Fatalf("after a failed sync %q survived", got)
	}
}

func TestFullDiskRefusesGrowthOnly(t *testing.T) {
	f := New()
	file := create(t, f, "/x", make([]byte, 1000))
	f.SetCapacity(1200)
	n, err := file.Write(make([]byte, 300))
	if n != 200 || !vfs.IsNoSpaceError(err) {
		t.Fatalf("wrote %d, %v", n, err)
	}
	if _, err := file.WriteAt(make([]byte, 1000), 0); err != nil {
		t.Fatalf("overwrite: %v", err)
	}
	f.SetCapacity(5000)
	if _, err := file.Write(make([]byte, 300)); err != nil {
		t.Fatalf("after space came back: %v", err)
	}
}

func TestAfterSeesEveryChangeAndSumTellsThemApart(t *testing.T) {
	f := New()
	var seen []Kind
	sums := map[uint64]bool{f.Sum(): true}
	f.SetAfter(func(op Op) {
		seen = append(seen, op.Kind)
		sums[f.Sum()] = true
	})
	makeDurable(t, f, create(t, f, "/x", []byte("1")))
	if err := f.Rename("/x", "/y"); err != nil {
		t.Fatal(err)
	}
	if want := []Kind{OpCreate, OpWrite, OpSync, OpSyncDir, OpRename}; !slices.Equal(seen, want) {
		t.Errorf("saw %v, want %v", seen, want)
	}
	if len(sums) != 4 { // empty, created, written, renamed; syncs change nothing that can be read
		t.Errorf("%d different sums", len(sums))
	}
	if lost, kept := f.CrashClone(Crash{}).Sum(), f.CrashClone(Crash{KeepNames: 1}).Sum(); lost == kept || kept != f.Sum() {
		t.Errorf("after a crash %x or %x, now %x", lost, kept, f.Sum())
	}
}

func TestAKillLosesNothingAndMakesNothingDurable(t *testing.T) {
	f := New()
	makeDurable(t, f, create(t, f, "/x", []byte("old")))
	file, err := f.OpenReadWrite("/x", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteAt([]byte("new"), 0); err != nil {
		t.Fatal(err)
	}
	create(t, f, "/y", []byte("unsynced"))
	if err := f.Link("/x", "/z"); err != nil {
		t.Fatal(err)
	}
	killed, sum := f.KillClone(), f.Sum()
	if killed.Sum() != sum {
		t.Error("the next process finds something else")
	}
	if lost := killed.CrashClone(Crash{}); lost.Sum() != f.CrashClone(Crash{}).Sum() || string(read(t, lost, "/x")) != "old" {
		t.Error("a power failure after it does not lose the same")
	}
	if _, err := file.WriteAt([]byte("late"), 0); err != nil {
		t.Fatal(err)
	}
	create(t, f, "/late", nil)
	if killed.Sum() != sum {
		t.Error("the next process sees what the old one does")
	}
	if err := killed.Alter("/x", func([]byte) []byte { return []byte("both") }); err != nil {
		t.Fatal(err)
	}
	if got := read(t, killed, "/z"); string(got) != "both" || string(read(t, f, "/x")) != "late" {
		t.Errorf("a link has become a file of its own, or the old process sees what the new one does: %q", got)
	}
}
