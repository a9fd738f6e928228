package filelog_test

import (
	"errors"
	"strings"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// lacking is a log on a full disk, with small files that hold nothing any more, that
// cannot take a group that is larger than its prepared segment.
func lacking(t *testing.T) (*faultfs.FS, *filelog.Log) {
	t.Helper()
	fs := faultfs.New()
	l, err := filelog.Open(small(fs, dir))
	if err != nil {
		t.Fatal(err)
	}
	for l.End() < 40_000 { // some segments of the least size, and larger ones after them
		mustWrite(t, l, true, strings.Repeat("x", 1000))
	}
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes))
	if err := l.Write(make([]byte, 200_000)); !errors.Is(err, substrate.ErrDiskFull) {
		t.Fatal(err)
	}
	if err := l.Trim(16_000); err != nil { // only small ones are free
		t.Fatal(err)
	}
	return fs, l
}

// A prepared segment that is too small for a group stays what the log has noted that
// it is, whatever else a full disk leaves room for: a crash at any operation finds all
// that was there.
func TestPreparedSegmentThatIsTooSmallIsReplacedByALargerOneOnly(t *testing.T) {
	fs, l := lacking(t)
	var left []*faultfs.FS
	fs.SetAfter(func(faultfs.Op) { left = append(left, fs.CrashClone(keepAll)) })
	for {
		if err := l.Write(make([]byte, 3000)); errors.Is(err, substrate.ErrDiskFull) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	fs.SetAfter(nil)
	l.Abandon()
	for i, after := range left {
		after.SetCapacity(1 << 30)
		l, err := filelog.Open(small(after, dir))
		if err != nil {
			t.Fatalf("after operation %d of %d: %v", i+1, len(left), err)
		}
		l.Abandon()
	}
}

// Once there is space for the group that was refused, the log says so, although the
// segment that was prepared is still there.
func TestLogThatHasRefusedALargeGroupSeesThatThereIsSpaceAgain(t *testing.T) {
	fs, l := lacking(t)
	if !l.LowOnSpace() {
		t.Error("a group was refused, and the log is not low on space")
	}
	fs.SetCapacity(1 << 30)
	if l.LowOnSpace() {
		t.Error("there is space, and the log is low on it")
	}
	mustWrite(t, l, true, string(make([]byte, 200_000)))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A file that could not be renamed for want of space is still there to be reused.
func TestFreeFilesAreReusedAfterTheirRenameHadNoSpace(t *testing.T) {
	fs, l := lacking(t)
	refuse := true
	fs.SetFault(func(op faultfs.Op) error {
		if refuse && op.Kind == faultfs.OpRename && strings.HasSuffix(op.Path, ".log") {
			return syscall.ENOSPC
		}
		return nil
	})
	var err error
	for err == nil { // uses up the prepared segment, and finds no other
		err = l.Write(make([]byte, 3000))
	}
	if !errors.Is(err, substrate.ErrDiskFull) {
		t.Fatal(err)
	}
	for range 5 {
		if err := l.Write(make([]byte, 3000)); !errors.Is(err, substrate.ErrDiskFull) {
			t.Fatal(err)
		}
	}
	refuse = false
	mustWrite(t, l, true, string(make([]byte, 3000)))
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// A freed file takes the name of the next segment. Who has opened the log meanwhile
// writes to one of that name.
func TestReusedSegmentReplacesNoneOfALaterOpening(t *testing.T) {
	for n := 1; n <= 12; n++ {
		fs, old := lacking(t)
		fs.SetCapacity(1 << 30)
		var later *filelog.Log
		made := 0
		fs.SetFault(func(op faultfs.Op) error {
			if op.Kind != faultfs.OpCreate || !strings.HasSuffix(op.Path, ".tmp") || strings.Contains(op.Path, "identity") {
				return nil
			}
			if made++; made == n {
				fs.SetFault(nil)
				large := small(fs, dir) // so that it leaves the free files alone
				large.MinSegmentBytes, large.MaxSegmentBytes = 64<<10, 64<<10
				var err error
				if later, err = filelog.Open(large); err != nil {
					t.Fatal(err)
				}
			}
			return syscall.ENOSPC
		})
		var err error
		for err == nil {
			err = old.Write(make([]byte, 5000)) // not into the smallest file, which the later one removes
		}
		if later == nil {
			continue // it makes no more
		}
		for range 10 {
			mustWrite(t, later, true, strings.Repeat("more", 1000))
		}
		found, err := filelog.Open(small(fs.CrashClone(keepAll), dir))
		if err != nil {
			t.Fatalf("opened at attempt %d to make a segment: %v", n, err)
		}
		if found.End() != later.End() {
			t.Errorf("opened at attempt %d to make a segment: the log ends at %d, the later opening had synced it up to %d", n, found.End(), later.End())
		}
	}
}
