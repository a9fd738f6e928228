package filelog_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// TestFullDiskIsNoticedAndForgottenInTheBackground runs in virtual time.
func TestFullDiskIsNoticedAndForgottenInTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		opts := small(fs, dir)
		opts.Inline = false
		l, err := filelog.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		usage, err := fs.GetDiskUsage(dir)
		if err != nil {
			t.Fatal(err)
		}
		fs.SetCapacity(int64(usage.UsedBytes))
		mustWrite(t, l, true, string(make([]byte, 2000)))
		synctest.Wait()
		if !l.LowOnSpace() {
			t.Fatal("no space for another segment, and not low on space")
		}
		for err == nil {
			err = l.Write(make([]byte, 1000))
		}
		if !errors.Is(err, substrate.ErrDiskFull) {
			t.Fatal(err)
		}
		fs.SetCapacity(1 << 30)
		<-time.After(2 * time.Second) // nobody writes
		synctest.Wait()
		if l.LowOnSpace() {
			t.Fatal("still low on space")
		}
		mustWrite(t, l, true, string(make([]byte, 1000)))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

func TestPreparationInTheBackgroundKeepsAheadOfNeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := faultfs.New()
		opts := small(fs, dir)
		opts.Inline = false
		l, err := filelog.Open(opts)
		if err != nil {
			t.Fatal(err)
		}
		for range 100 {
			synctest.Wait()
			creates := fs.Count(faultfs.OpCreate)
			mustWrite(t, l, true, string(make([]byte, 900)))
			if fs.Count(faultfs.OpCreate) > creates+1 {
				t.Fatal("a write had to make a segment itself")
			}
			if err := l.Trim(l.End()); err != nil {
				t.Fatal(err)
			}
		}
		if s := l.Stats(); s.Segments > 2 || s.SegmentsBegun < 5 {
			t.Fatalf("%d segments of a trimmed log, %d begun", s.Segments, s.SegmentsBegun)
		}
		names, err := fs.List(dir)
		if err != nil || len(names) > 6 {
			t.Fatalf("files %v, %v", names, err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	})
}

// Nobody writes to a log that is low on space. So who would hear that it has failed?
func TestLogThatFailsWhileItIsLowOnSpaceIsNotLowOnSpaceForEver(t *testing.T) {
	fs := faultfs.New()
	l, err := filelog.Open(small(fs, dir))
	if err != nil {
		t.Fatal(err)
	}
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		t.Fatal(err)
	}
	fs.SetCapacity(int64(usage.UsedBytes))
	for !l.LowOnSpace() {
		mustWrite(t, l, true, string(make([]byte, 100)))
	}
	fs.SetCapacity(1 << 30)
	fs.SetFault(func(op faultfs.Op) error {
		if strings.HasSuffix(op.Path, ".tmp") {
			return errors.New("the disk reports an error")
		}
		return nil
	})
	for range 3 {
		if !l.LowOnSpace() {
			break
		}
	}
	if l.LowOnSpace() {
		t.Fatal("still low on space, although the log has failed")
	}
	if err := l.Write([]byte("group")); !errors.Is(err, substrate.ErrFailed) {
		t.Errorf("write to a log that has failed: %v", err)
	}
}
