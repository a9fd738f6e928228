package filelog_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
)

// recordBytes is about the length of a record: a Hello5 has 12 of 470 bytes together.
const recordBytes = 40

// appendGroup is one group commit, frame included, with and without its sync.
var appendGroup = alloctest.Group{Name: "Append", Ops: appendOps()}

func appendOps() (ops []alloctest.Op) {
	for _, records := range []int{1, 64, 1000} {
		for _, sync := range []bool{false, true} {
			name := fmt.Sprintf("records=%d", records)
			if sync {
				name += "-sync"
			}
			ops = append(ops, alloctest.Op{Name: name, Runs: 500, Setup: func(tb testing.TB) func() {
				return appending(tb, records*recordBytes, sync)
			}})
		}
	}
	return ops
}

// appending returns what writes a group to a log on a real directory. What the log
// has is trimmed now and then, so that segments are used again as they are in a hub.
func appending(tb testing.TB, size int, sync bool) func() {
	l := openLog(tb)
	group := make([]byte, size)
	alloctest.Report(tb, func(b *testing.B) {
		s := l.Stats()
		b.SetBytes(int64(size))
		b.ReportMetric(float64(s.SyncNanos)/float64(max(s.Syncs, 1)), "sync-ns")
	})
	return func() {
		err := l.Write(group)
		if err == nil && sync {
			err = l.Sync()
		}
		if err == nil && l.End()-l.Begin() > 64<<20 {
			err = l.Trim(l.End())
		}
		if err != nil {
			tb.Fatal(err)
		}
	}
}

func openLog(tb testing.TB) *filelog.Log {
	l, err := filelog.Open(filelog.Options{Dir: tb.TempDir()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := l.Close(); err != nil {
			tb.Error(err)
		}
	})
	return l
}

// replayGroup reads a log of 16 MiB in groups of 64 records back, and checks it.
var replayGroup = alloctest.Group{Name: "Replay", Ops: []alloctest.Op{{Name: "bytes=16MiB", Runs: 5, Slack: 0.5, Setup: func(tb testing.TB) func() {
	const groups = (16 << 20) / (64 * recordBytes)
	l := openLog(tb)
	group := bytes.Repeat([]byte("netherite "), 64*recordBytes/10)
	for range groups {
		if err := l.Write(group); err != nil {
			tb.Fatal(err)
		}
	}
	if err := l.Sync(); err != nil {
		tb.Fatal(err)
	}
	alloctest.Report(tb, func(b *testing.B) {
		b.ReportMetric(64*groups*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	})
	return func() {
		n := 0
		err := l.Replay(l.Begin(), func(substrate.Offset, []byte) error { n++; return nil })
		if err != nil || n != groups {
			tb.Fatal(n, err)
		}
	}
}}}}

func BenchmarkAppend(b *testing.B) { appendGroup.Bench(b) }
func BenchmarkReplay(b *testing.B) { replayGroup.Bench(b) }

func TestAllocations(t *testing.T) { alloctest.Check(t, appendGroup, replayGroup) }
