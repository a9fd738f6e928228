package filelog_test

import (
	"testing"

	"github.com/netherite-go/netherite/substrate/filelog"
)

// BenchmarkAppendSync is one group commit of 4 KiB, frame included.
func BenchmarkAppendSync(b *testing.B) { benchmarkAppend(b, 4096-80, true) }

// BenchmarkAppendSyncSmall is one of 500 bytes: two sectors.
func BenchmarkAppendSyncSmall(b *testing.B) { benchmarkAppend(b, 500, true) }

// BenchmarkAppend is a group of 4 KiB without the sync.
func BenchmarkAppend(b *testing.B) { benchmarkAppend(b, 4096-80, false) }

func benchmarkAppend(b *testing.B, bytes int, sync bool) {
	l, err := filelog.Open(filelog.Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	group := make([]byte, bytes)
	b.SetBytes(int64(bytes))
	b.ReportAllocs()
	for b.Loop() {
		if err := l.Write(group); err != nil {
			b.Fatal(err)
		}
		if sync {
			if err := l.Sync(); err != nil {
				b.Fatal(err)
			}
		}
		if l.End()-l.Begin() > 64<<20 {
			if err := l.Trim(l.End()); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.StopTimer()
	s := l.Stats()
	b.ReportMetric(float64(s.SyncNanos)/float64(max(s.Syncs, 1)), "sync-ns")
	if err := l.Close(); err != nil {
		b.Fatal(err)
	}
}
