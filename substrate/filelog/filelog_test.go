package filelog

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

func TestSmoke(t *testing.T) {
	fs := vfs.NewMem()
	var all []string
	for range 5 {
		l, err := Open(Options{FS: fs, Dir: "/hub/log", MinSegmentBytes: 4096, MaxSegmentBytes: 16384, Inline: true})
		if err != nil {
			t.Fatal(err)
		}
		for i := range 50 {
			g := fmt.Sprintf("%d-%d-%0*d", l.Incarnation(), i, i*17, 0)
			all = append(all, g)
			if err := l.Write([]byte(g)); err != nil {
				t.Fatal(err)
			}
			if i%3 == 0 {
				if err := l.Sync(); err != nil {
					t.Fatal(err)
				}
			}
		}
		i := 0
		if err := l.Replay(l.Begin(), func(at substrate.Offset, g []byte) error {
			if string(g) != all[i] {
				t.Fatalf("%d: %q %q", i, g, all[i])
			}
			i++
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if i != len(all) {
			t.Fatal(i, len(all))
		}
		t.Logf("%+v", l.Stats())
		if l.Incarnation()%2 == 0 {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
		}
		r, err := Verify(fs, "/hub/log")
		t.Logf("%+v %v", r, err)
	}
}

func BenchmarkAppendSync(b *testing.B) {
	benchAppend(b, true)
}

func BenchmarkAppend(b *testing.B) {
	benchAppend(b, false)
}

func benchAppend(b *testing.B, sync bool) {
	l, err := Open(Options{Dir: b.TempDir()})
	if err != nil {
		b.Fatal(err)
	}
	group := make([]byte, 4000)
	b.SetBytes(int64(len(group)))
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
