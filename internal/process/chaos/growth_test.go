//go:build unix

package chaos

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// sighting is what a process uses at a moment.
type sighting struct {
	at         time.Duration
	operations int // since the one before, and how long they took
	p50, p99   time.Duration
	cpu        time.Duration // of the process, for each of them; 0 where the system does not tell
	rss        int64         // bytes; 0 where the system does not tell
	files      int64         // open; the same
	goroutines int64
	directory  int64 // bytes
	retired    int64 // instances that retention has purged
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// String implements fmt.Stringer.
func (g sighting) String() string {
	return fmt.Sprintf("%6.0fs %6d operations, p50 %.1f ms, p99 %.1f ms, CPU %d us; %d MiB resident, %d files, %d goroutines, %d MiB on disk, %d retired",
		g.at.Seconds(), g.operations, ms(g.p50), ms(g.p99), g.cpu.Microseconds(), g.rss>>20, g.files, g.goroutines, g.directory>>20, g.retired)
}

// growth bounds how much the last third of a run may use beyond the middle third:
// a tenth more, and a slack for what comes and goes.
type growth struct {
	what  string
	of    func(sighting) int64
	slack int64
}

var growths = []growth{
	{"resident bytes", func(g sighting) int64 { return g.rss }, 16 << 20},
	{"open files", func(g sighting) int64 { return g.files }, 8},
	{"goroutines", func(g sighting) int64 { return g.goroutines }, 4 * soakWorkers}, // each worker has a connection, which has several,
	{"CPU nanoseconds of an operation", func(g sighting) int64 { return int64(g.cpu) }, 500_000},
	{"bytes on disk", func(g sighting) int64 { return g.directory }, 32 << 20},
}

const (
	growthFrom = 2 * time.Minute // a shorter run has no steady state
	// The median of the p99s of the last third may be so much more than that of the
	// middle third. It is generous, as other programs use the machine, too.
	latencyFactor = 2
	latencySlack  = 100 * time.Millisecond
)

// judge says what grows.
func judge(seen []sighting) (wrong []error) {
	if len(seen) == 0 {
		return []error{errors.New("nothing was seen")}
	}
	if seen[len(seen)-1].at < growthFrom || len(seen) < 9 {
		return nil
	}
	third := len(seen) / 3
	middle, last := seen[third:2*third], seen[2*third:]
	for _, g := range growths {
		before, after := greatest(middle, g.of), greatest(last, g.of)
		if limit := before + before/10 + g.slack; after > limit {
			wrong = append(wrong, fmt.Errorf("%s grow: at most %d in the middle third, %d in the last, more than %d", g.what, before, after, limit))
		}
	}
	before, after := medianP99(middle), medianP99(last)
	if limit := latencyFactor*before + latencySlack; after > limit {
		wrong = append(wrong, fmt.Errorf("latency grows: p99 %v in the middle third, %v in the last, more than %v", before, after, limit))
	}
	return wrong
}

func greatest(seen []sighting, of func(sighting) int64) (most int64) {
	for _, g := range seen {
		most = max(most, of(g))
	}
	return most
}

func medianP99(seen []sighting) time.Duration {
	list := make([]time.Duration, len(seen))
	for i, g := range seen {
		list[i] = g.p99
	}
	p50, _ := spread(list)
	return p50
}

// visitor adds up the sizes of regular files.
func visitor(n *int64) filepath.WalkFunc {
	return func(_ string, info fs.FileInfo, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist):
			return nil
		case err == nil && info.Mode().IsRegular():
			*n += info.Size()
		}
		return err
	}
}

// TestGrowthIsSeen lets one thing after the other grow without end.
func TestGrowthIsSeen(t *testing.T) {
	steady := func(i int) sighting {
		wave := int64(i % 5)
		return sighting{
			at: time.Duration(i) * time.Minute, operations: 1, cpu: time.Millisecond, p99: 20*time.Millisecond + time.Duration(wave)*time.Millisecond,
			rss: 200<<20 + wave<<20, files: 60 + wave, goroutines: 100 + wave, directory: 90<<20 + wave<<23,
		}
	}
	for what, grow := range map[string]func(*sighting, int){
		"":               func(*sighting, int) {},
		"resident bytes": func(g *sighting, i int) { g.rss += int64(i) * 8 << 20 },
		"open files":     func(g *sighting, i int) { g.files += int64(i) * 3 },
		"goroutines":     func(g *sighting, i int) { g.goroutines += int64(i) * 25 },
		"CPU":            func(g *sighting, i int) { g.cpu += time.Duration(i) * 200 * time.Microsecond },
		"bytes on disk":  func(g *sighting, i int) { g.directory += int64(i) * 8 << 20 },
		"latency":        func(g *sighting, i int) { g.p99 += time.Duration(i*i) * time.Millisecond },
	} {
		var seen []sighting
		for i := range 30 {
			g := steady(i)
			grow(&g, i)
			seen = append(seen, g)
		}
		wrong := judge(seen)
		if what == "" && len(wrong) > 0 || what != "" && (len(wrong) != 1 || !strings.HasPrefix(wrong[0].Error(), what)) {
			t.Errorf("%q grows: %v", what, wrong)
		}
	}
}
