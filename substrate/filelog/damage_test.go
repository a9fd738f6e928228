package filelog_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

const dir = "/hub/log"

var keepAll = faultfs.Crash{KeepSectors: 1, KeepNames: 1}

func mustOpen(t testing.TB, fs *faultfs.FS) *filelog.Log {
	t.Helper()
	l, err := filelog.Open(small(fs, dir))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func mustWrite(t testing.TB, l *filelog.Log, sync bool, groups ...string) {
	t.Helper()
	for _, g := range groups {
		if err := l.Write([]byte(g)); err != nil {
			t.Fatal(err)
		}
	}
	if sync {
		if err := l.Sync(); err != nil {
			t.Fatal(err)
		}
	}
}

func contents(t testing.TB, l *filelog.Log) (groups []string) {
	t.Helper()
	if err := l.Replay(l.Begin(), func(_ substrate.Offset, g []byte) error {
		groups = append(groups, string(g))
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return groups
}

// long makes a log of three incarnations and several segments, the second one
// not closed, and returns what it holds.
func long(t testing.TB) (*faultfs.FS, []string) {
	t.Helper()
	fs := faultfs.New()
	serial := 0
	for incarnation := range 3 {
		l := mustOpen(t, fs)
		for range 12 {
			serial++
			mustWrite(t, l, serial%3 > 0, fmt.Sprintf("%d-%0*d", serial, serial*37%900, serial))
		}
		if incarnation == 1 {
			l.Abandon()
		} else if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	l := mustOpen(t, fs)
	groups := contents(t, l)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	return fs, groups
}

func flip(at int64, bit int) func([]byte) []byte {
	return func(data []byte) []byte {
		data[at] ^= 1 << bit
		return data
	}
}

func TestFlippedBitIsNamedOrHarmless(t *testing.T) {
	fs, want := long(t)
	rng := rand.New(rand.NewPCG(5, 5))
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	named := 0
	for _, name := range names {
		info, err := fs.Stat(path.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		for at := int64(0); at < info.Size(); at += 1 + rng.Int64N(120) {
			hurt := fs.CrashClone(keepAll)
			if err := hurt.Alter(path.Join(dir, name), flip(at, rng.IntN(8))); err != nil {
				t.Fatal(err)
			}
			if flipOutcome(t, hurt, name, at, want) {
				named++
			}
		}
	}
	if named < 200 {
		t.Fatalf("only %d flips were named", named)
	}
}

// flipOutcome wants a log with one flipped bit to be refused by the name of the
// file and the place, or to be complete. It reports whether it was refused.
func flipOutcome(t *testing.T, fs *faultfs.FS, name string, at int64, want []string) bool {
	t.Helper()
	report, err := filelog.Verify(fs, dir, substrate.Reach{})
	if err != nil {
		t.Fatalf("%s offset %d: verify: %v", name, at, err)
	}
	l, err := filelog.Open(small(fs, dir))
	if err == nil {
		defer l.Abandon()
		if got := contents(t, l); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Fatalf("%s offset %d: %d groups of %d and no word", name, at, len(got), len(want))
		}
		// Padding and the second copy of the state carry nothing: Open does not
		// look at them, Verify does.
		if len(report.Damage) > 0 {
			t.Fatalf("%s offset %d: opened, but verify says %v", name, at, report.Damage)
		}
		for _, d := range report.Trifles {
			where := d.Offset == at && strings.Contains(d.Detail, "padding") ||
				d.Offset == at&^511 && strings.Contains(d.Detail, "a copy of the log's state")
			if d.File != name || !where {
				t.Fatalf("%s offset %d: verify says %v", name, at, report.Trifles)
			}
		}
		return false
	}
	damage, ok := errors.AsType[*substrate.Damage](err)
	if !ok || damage.File != name || damage.Offset > at || len(report.Damage) == 0 || report.Damage[0].File != name {
		t.Fatalf("%s offset %d: %v; verify: %v", name, at, err, report.Damage)
	}
	return true
}

func TestFlipInLastUnmarkedGroupIsReportedAsDropped(t *testing.T) {
	for at := int64(0); at < 90; at++ {
		fs := faultfs.New()
		l := mustOpen(t, fs)
		mustWrite(t, l, true, "one")
		mustWrite(t, l, true, "the last, acknowledged, not marked")
		fs = fs.CrashClone(keepAll)
		l.Abandon()
		// The open frame is one sector, the first group another.
		if err := fs.Alter(dir+"/0000000000000001.log", flip(1024+at, 3)); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, fs)
		if s := l.Stats(); s.DroppedBytes == 0 || s.CleanStart {
			t.Fatalf("flip at %d: %+v", at, s)
		}
		if got := contents(t, l); len(got) != 1 || got[0] != "one" {
			t.Fatalf("flip at %d: %q", at, got)
		}
		l.Abandon()
	}
}

// The segment that is written to, and the one prepared to follow it, are missed
// although no frame tells of them.
func TestLossOfTheLastSegmentsIsNamed(t *testing.T) {
	fs, _ := long(t)
	l := mustOpen(t, fs)
	for i := range 40 {
		mustWrite(t, l, true, fmt.Sprintf("%0*d", 700, i))
	}
	fs = fs.CrashClone(keepAll)
	l.Abandon()
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	names = slices.DeleteFunc(names, func(name string) bool { return !strings.HasSuffix(name, ".log") })
	for _, name := range names[len(names)-2:] {
		for how, lose := range map[string]func(*faultfs.FS) error{
			"removed": func(fs *faultfs.FS) error { return fs.Remove(path.Join(dir, name)) },
			"emptied": func(fs *faultfs.FS) error {
				return fs.Alter(path.Join(dir, name), func([]byte) []byte { return nil })
			},
			"halved": func(fs *faultfs.FS) error {
				return fs.Alter(path.Join(dir, name), func(data []byte) []byte { return data[:len(data)/2] })
			},
		} {
			hurt := fs.CrashClone(keepAll)
			if err := lose(hurt); err != nil {
				t.Fatal(err)
			}
			_, err := filelog.Open(small(hurt, dir))
			if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != name || damage.Kind != "short" {
				t.Errorf("%s %s: %v", name, how, err)
			}
		}
	}
}

func TestTornTailIsCutOffAndReported(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	mustWrite(t, l, true, "kept")
	mustWrite(t, l, false, string(bytes.Repeat([]byte("torn"), 400)), "behind it")
	rng := rand.New(rand.NewPCG(1, 1))
	for _, fill := range []faultfs.Fill{faultfs.FillOld, faultfs.FillZero, faultfs.FillNoise} {
		for range 20 {
			clone := fs.CrashClone(faultfs.Crash{Rand: rng, KeepSectors: 0.7, KeepNames: 1, Fill: fill})
			l := mustOpen(t, clone)
			got := contents(t, l)
			if len(got) < 3 && got[0] == "kept" && len(got[len(got)-1]) != 9 {
				if s := l.Stats(); s.CleanStart || len(got) == 1 && fill == faultfs.FillNoise && s.DroppedBytes == 0 {
					t.Fatalf("%d groups left: %+v", len(got), s)
				}
			}
			l.Abandon()
		}
	}
	l.Abandon()
}

func TestStaleFramesOfRecycledSegmentsAreIgnored(t *testing.T) {
	fs := faultfs.New()
	l := mustOpen(t, fs)
	var last string
	for i := range 200 {
		last = fmt.Sprintf("%d-%0900d", i, i)
		mustWrite(t, l, true, last)
		if err := l.Trim(l.End()); err != nil {
			t.Fatal(err)
		}
	}
	if fs.Count(faultfs.OpRename) < 10 {
		t.Fatal("no segments were reused, the test shows nothing")
	}
	clone := fs.CrashClone(faultfs.Crash{})
	l.Abandon()
	l = mustOpen(t, clone)
	got := contents(t, l)
	if n := len(got); n == 0 || got[n-1] != last || n > 20 {
		t.Fatalf("%d groups", len(got))
	}
	l.Abandon()
}

func TestForeignFilesAreRefused(t *testing.T) {
	mine, _ := long(t)
	other, _ := long(t)
	copyFile := func(name string) {
		t.Helper()
		var data []byte
		if err := errors.Join(
			other.Alter(path.Join(dir, name), func(d []byte) []byte { data = bytes.Clone(d); return d }),
			mine.Alter(path.Join(dir, name), func([]byte) []byte { return data }),
		); err != nil {
			t.Fatal(err)
		}
	}
	copyFile("0000000000000002.log")
	_, err := filelog.Open(small(mine, dir))
	damage, ok := errors.AsType[*substrate.Damage](err)
	if !ok || !errors.Is(err, substrate.ErrForeign) || damage.File != "0000000000000002.log" {
		t.Fatalf("a segment of another hub: %v", err)
	}
	mine, _ = long(t)
	copyFile("identity")
	if _, err := filelog.Open(small(mine, dir)); !errors.Is(err, substrate.ErrForeign) {
		t.Fatalf("an identity of another hub: %v", err)
	}
	opts := small(other, dir)
	opts.Hub = filelog.HubID{1}
	if _, err := filelog.Open(opts); !errors.Is(err, substrate.ErrForeign) {
		t.Fatalf("a log of another hub: %v", err)
	}
	if err := other.Alter(dir+"/identity", func(d []byte) []byte { copy(d, "GIF89a.."); return d }); err != nil {
		t.Fatal(err)
	}
	if _, err := filelog.Open(small(other, dir)); !errors.Is(err, substrate.ErrForeign) {
		t.Fatalf("no file of ours: %v", err)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	for _, name := range []string{"identity", "0000000000000001.log"} {
		fs, _ := long(t)
		if err := fs.Alter(path.Join(dir, name), filelog.RaiseVersion); err != nil {
			t.Fatal(err)
		}
		if _, err := filelog.Open(small(fs, dir)); !errors.Is(err, substrate.ErrNewerFormat) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := filelog.Verify(fs, dir, substrate.Reach{}); !errors.Is(err, substrate.ErrNewerFormat) {
			t.Errorf("verify %s: %v", name, err)
		}
	}
}

func TestMissingAndShortFilesAreNamed(t *testing.T) {
	for name, want := range map[string]string{"identity": "identity", "0000000000000001.log": "0000000000000001.log", "0000000000000002.log": "0000000000000002.log"} {
		fs, _ := long(t)
		if err := fs.Remove(path.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
		_, err := filelog.Open(small(fs, dir))
		if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != want {
			t.Errorf("without %s: %v", name, err)
		}
		for _, size := range []int{0, 100, 512, 1500} {
			fs, _ := long(t)
			if err := fs.Alter(path.Join(dir, name), func(d []byte) []byte { return d[:size] }); err != nil {
				t.Fatal(err)
			}
			_, err := filelog.Open(small(fs, dir))
			if damage, ok := errors.AsType[*substrate.Damage](err); !ok || damage.File != want {
				t.Errorf("%s cut to %d bytes: %v", name, size, err)
			}
		}
	}
}

func TestVerifyChangesNothingAndCounts(t *testing.T) {
	fs, want := long(t)
	writes, renames, removes := fs.Count(faultfs.OpWrite), fs.Count(faultfs.OpRename), fs.Count(faultfs.OpRemove)
	r, err := filelog.Verify(fs, dir, substrate.Reach{})
	if err != nil || len(r.Damage) != 0 || int(r.Groups) != len(want) || !r.Closed || r.Durable != r.End || r.Segments == 0 {
		t.Fatalf("%+v, %v", r, err)
	}
	n := 0
	if err := filelog.Groups(fs, dir, r.Begin, func(_ substrate.Offset, g []byte, _ filelog.Place) error {
		if string(g) != want[n] {
			t.Fatalf("group %d differs", n)
		}
		n++
		return nil
	}); err != nil || n != len(want) {
		t.Fatalf("%d groups, %v", n, err)
	}
	if fs.Count(faultfs.OpWrite) != writes || fs.Count(faultfs.OpRename) != renames || fs.Count(faultfs.OpRemove) != removes {
		t.Fatal("something was changed")
	}
}

func TestVerifyListsAllDamage(t *testing.T) {
	fs, _ := long(t)
	for _, name := range []string{"0000000000000001.log", "0000000000000003.log"} {
		if err := fs.Alter(path.Join(dir, name), flip(600, 1)); err != nil {
			t.Fatal(err)
		}
	}
	r, err := filelog.Verify(fs, dir, substrate.Reach{})
	if err != nil || len(r.Damage) != 2 || len(r.Trifles) != 0 {
		t.Fatalf("%v, %v, %v", r.Damage, r.Trifles, err)
	}
	// The first sector of a file has a frame that is shorter: the rest of it is padding.
	if err := fs.Alter(path.Join(dir, "0000000000000002.log"), flip(511, 1)); err != nil {
		t.Fatal(err)
	}
	again, err := filelog.Verify(fs, dir, substrate.Reach{})
	if err != nil || len(again.Damage) != 2 || len(again.Trifles) != 1 || again.Trifles[0].File != "0000000000000002.log" || again.Trifles[0].Offset != 511 {
		t.Fatalf("%v, %v, %v", again.Damage, again.Trifles, err)
	}
}

func TestWriteAndSyncAllocateNothing(t *testing.T) {
	l, err := filelog.Open(filelog.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	group := make([]byte, 1000)
	if n := testing.AllocsPerRun(100, func() {
		if err := errors.Join(l.Write(group), l.Sync()); err != nil {
			t.Fatal(err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestLogOpensOnAnAlmostFullDisk(t *testing.T) {
	fs, want := long(t)
	usage, err := fs.GetDiskUsage("/")
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes) + 64<<10) // far less than a segment
	l, err := filelog.Open(filelog.Options{FS: fs, Dir: dir, Inline: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, l); len(got) != len(want) {
		t.Fatalf("%d groups of %d", len(got), len(want))
	}
	mustWrite(t, l, true, "more")
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
