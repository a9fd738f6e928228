package filelog_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// A sync that fails leaves what was written in the page cache, where the next
// opening finds it; a crash after that takes it away.
func TestOpeningDoesNotBuildOnWhatAFailedOpeningLeftInThePageCache(t *testing.T) {
	broken := errors.New("the disk reports an error")
	for fail := 1; fail < 12; fail++ {
		fs := faultfs.New()
		l, err := filelog.Open(small(fs, "/hub/log"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, l, "first", true)
		write(t, l, "second", true)
		write(t, l, "third", false) // beyond the last mark, and in the page cache
		fs.SetFault(faultfs.FailNth(faultfs.OpSync, fs.Count(faultfs.OpSync)+fail, broken))
		if failed, err := filelog.Open(small(fs, "/hub/log")); err == nil {
			_ = failed.Close() // all syncs of the opening have succeeded
		}
		fs.SetFault(nil)
		l, err = filelog.Open(small(fs, "/hub/log"))
		if err != nil {
			t.Fatalf("after sync %d has failed: %v", fail, err)
		}
		write(t, l, "fourth", true)
		end := l.End()
		for seed := range uint64(8) {
			left := fs.CrashClone(faultfs.Crash{Rand: rand.New(rand.NewPCG(seed, 1)), KeepSectors: float64(seed%3) / 2, KeepNames: 1, Fill: faultfs.FillAny})
			found, err := filelog.Open(small(left, "/hub/log"))
			if err != nil {
				t.Fatalf("after sync %d has failed, and a crash: %v", fail, err)
			}
			if found.End() != end {
				t.Fatalf("after sync %d has failed, and a crash: the log ends at %d, not at %d", fail, found.End(), end)
			}
		}
	}
}

// What an opening copies is durable once it has succeeded. The next one, which finds the
// copies of one that has failed in the page cache, leaves the file that has the groups
// themselves alone until its own are.
func TestOpeningLeavesDurableGroupsAloneOfWhichItOnlySeesCopies(t *testing.T) {
	const most = 10
	for groups := 1; groups <= most; groups++ {
		for fail := 1; fail < 12; fail++ {
			fs := faultfs.New()
			l, err := filelog.Open(small(fs, dir))
			if err != nil {
				t.Fatal(err)
			}
			for range groups {
				write(t, l, strings.Repeat("g", 2500), true)
			}
			end := l.End()
			l.Abandon()
			fs.SetFault(faultfs.FailNth(faultfs.OpSync, fs.Count(faultfs.OpSync)+fail, errors.New("the disk reports an error")))
			if failed, err := filelog.Open(small(fs, dir)); err == nil {
				failed.Abandon()
			}
			fs.SetFault(nil)
			var left []*faultfs.FS
			fs.SetAfter(func(faultfs.Op) { left = append(left, fs.CrashClone(faultfs.Crash{KeepNames: 1})) })
			if l, err = filelog.Open(small(fs, dir)); err != nil {
				t.Fatalf("%d groups, after sync %d has failed: %v", groups, fail, err)
			}
			fs.SetAfter(nil)
			l.Abandon()
			for i, after := range left {
				found, err := filelog.Open(small(after, dir))
				if err != nil {
					t.Fatalf("%d groups, after sync %d has failed, and a crash after operation %d: %v", groups, fail, i+1, err)
				}
				if found.End() != end {
					t.Fatalf("%d groups, after sync %d has failed, and a crash after operation %d: the log ends at %d, not at %d", groups, fail, i+1, found.End(), end)
				}
				found.Abandon()
			}
		}
	}
}

// A sync of the log's state that fails leaves that state in the page cache, where
// the next opening finds it; what a crash leaves is the one before, in the slot
// that is written next.
func TestOpeningDoesNotBuildOnAStateThatIsInThePageCacheOnly(t *testing.T) {
	for fail := 1; fail < 50; fail++ {
		for crash, ended := 1, false; !ended; crash++ {
			fs := faultfs.New()
			l, err := filelog.Open(tiny(fs))
			if err != nil {
				t.Fatal(err)
			}
			fs.SetFault(faultfs.FailNth(faultfs.OpSync, fs.Count(faultfs.OpSync)+fail, errors.New("the disk reports an error")))
			durable := fill(l)
			left := reopen(fs, crash)
			ended = left == nil
			for i, disk := range left {
				opts := tiny(disk)
				opts.Least = l.Reached()
				found, err := filelog.Open(opts)
				if err != nil {
					t.Fatalf("sync %d failed, power lost at operation %d of the next opening, disk %d: %v", fail, crash, i, err)
				}
				if found.End() < durable {
					t.Fatalf("sync %d failed, power lost at operation %d of the next opening, disk %d: the log ends at %d, %d was durable", fail, crash, i, found.End(), durable)
				}
			}
		}
	}
}

// reopen opens the log on a disk that loses its power before an operation, and
// returns what may be left; nothing if the opening has come to its end before.
func reopen(fs *faultfs.FS, crash int) (left []*faultfs.FS) {
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen {
			return nil
		}
		crash--
		for seed := uint64(0); crash == 0 && seed < 6; seed++ {
			left = append(left, fs.CrashClone(faultfs.Crash{Rand: rand.New(rand.NewPCG(seed, 1)), KeepSectors: float64(seed%3) / 2, KeepNames: 1, Fill: faultfs.FillAny}))
		}
		if crash <= 0 {
			return faultfs.ErrKilled
		}
		return nil
	})
	if _, err := filelog.Open(tiny(fs)); err == nil {
		return nil
	}
	return left
}

// fill writes, syncs and trims until the log fails, or a hundred times, and returns
// what was durable.
func fill(l substrate.Log) (durable substrate.Offset) {
	for range 100 {
		if l.Write(make([]byte, 900)) != nil || l.Sync() != nil {
			return durable
		}
		durable = l.End()
		if l.Trim(durable-1000) != nil {
			return durable
		}
	}
	return durable
}

// tiny is a log whose segments are all of a size, so that each is used again soon.
func tiny(fs vfs.FS) filelog.Options {
	o := small(fs, "/hub/log")
	o.MaxSegmentBytes = o.MinSegmentBytes
	return o
}

func write(t *testing.T, l substrate.Log, group string, sync bool) {
	t.Helper()
	err := l.Write([]byte(group))
	if err == nil && sync {
		err = l.Sync()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Two openings at a time are what the lock of the directory prevents, where it
// works. Each attempt is the first one of an earlier opening: what has been refused
// once is over for good, and would be refused for that.
func TestAnEarlierOpeningIsRefusedWhateverItTries(t *testing.T) {
	group := func(n int) []byte { return []byte(strings.Repeat("g", n)) }
	for name, try := range map[string]struct {
		left int // bytes that the earlier opening has written, and not synced
		call func(substrate.Log) error
	}{
		"owned":                  {0, substrate.Log.Owned},
		"write":                  {0, func(l substrate.Log) error { return l.Write(group(5)) }},
		"write to a new segment": {0, func(l substrate.Log) error { return l.Write(group(15 << 10)) }},
		"sync":                   {5, substrate.Log.Sync},
		"trim":                   {0, func(l substrate.Log) error { return l.Trim(l.End()) }},
		"close":                  {0, substrate.Log.Close},
		"close of what it wrote": {5, substrate.Log.Close},
	} {
		t.Run(name, func(t *testing.T) {
			fs := faultfs.New()
			old := opened(t, fs)
			for range 4 { // several segments
				write(t, old, string(group(6000)), true)
			}
			if try.left > 0 {
				write(t, old, string(group(try.left)), false)
			}
			l := opened(t, fs)
			begin, end := l.Begin(), l.End()
			if err := l.Owned(); err != nil {
				t.Errorf("the later opening: %v", err)
			}
			if err := try.call(old); !errors.Is(err, substrate.ErrFailed) {
				t.Errorf("it was let through: %v", err)
			}
			write(t, l, "third", true)
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if again := opened(t, fs); again.Begin() != begin || again.End() != end+5 {
				t.Errorf("the log is from %d to %d, want %d to %d", again.Begin(), again.End(), begin, end+5)
			}
		})
	}
}

// opened opens the log.
func opened(t *testing.T, fs vfs.FS) *filelog.Log {
	t.Helper()
	l, err := filelog.Open(small(fs, "/hub/log"))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// A new segment takes a while to be made. Who has opened the log meanwhile writes
// to one of the same name.
func TestSegmentThatTookTooLongReplacesNoneOfALaterOpening(t *testing.T) {
	fs := faultfs.New()
	old, err := filelog.Open(small(fs, "/hub/log"))
	if err != nil {
		t.Fatal(err)
	}
	var later substrate.Log
	fs.SetFault(func(op faultfs.Op) error {
		if later == nil && strings.HasSuffix(op.Path, ".tmp") && !strings.Contains(op.Path, "identity") {
			fs.SetFault(nil)
			if later, err = filelog.Open(small(fs, "/hub/log")); err != nil {
				t.Fatal(err)
			}
			write(t, later, "of the later one", true)
		}
		return nil
	})
	for later == nil {
		if err := old.Write(make([]byte, 1000)); err != nil {
			break
		}
	}
	end := later.End()
	found, err := filelog.Open(small(fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1}), "/hub/log"))
	if err != nil {
		t.Fatal(err)
	}
	if found.End() != end {
		t.Errorf("the log ends at %d, the later opening had synced it up to %d", found.End(), end)
	}
}

// What cannot be read once may be whole: it is not taken for damage, which is for ever.
func TestReadThatFailsIsNoDamage(t *testing.T) {
	for n := 1; ; n++ {
		fs := faultfs.New()
		l, err := filelog.Open(small(fs, "/hub/log"))
		if err != nil {
			t.Fatal(err)
		}
		write(t, l, "first", true)
		write(t, l, "second", false)
		before := fs.Count(faultfs.OpRead)
		fs.SetFault(faultfs.FailNth(faultfs.OpRead, before+n, errors.New("the disk reports an error")))
		later, err := filelog.Open(small(fs, "/hub/log"))
		if errors.Is(err, substrate.ErrDamaged) {
			t.Errorf("read %d of an opening has failed: %v", n, err)
		}
		if err == nil && fs.Count(faultfs.OpRead) < before+n {
			_ = later.Close()
			return // it reads no more often
		}
		if n > 1000 {
			t.Fatal("it never succeeds")
		}
	}
}
