package pebblestore

import (
	"runtime"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Pebble's names for what writes a table.
const (
	flushCategory      vfs.DiskWriteCategory = "pebble-memtable-flush"
	compactionCategory vfs.DiskWriteCategory = "pebble-compaction"
)

const (
	// paceSlice is how long background work goes on before it rests.
	paceSlice = 500 * time.Microsecond
	// maxRest bounds one rest, where work took long because others came first.
	maxRest = 5 * time.Millisecond
	// A compaction that is not urgent rests so many times as long as it works.
	restPerWork = 3
)

// pacer makes flushes and compactions rest while they write tables, so that on
// few cores they do not take one of them for some hundred milliseconds: at half of
// the rate that two cores can do, the slowest of a thousand Hello5 took 90 ms then,
// and 9 to 24 ms with rests. A flush only lets others go first. A compaction rests the less
// the further behind compactions are, and not at all well before that holds up
// anybody.
type pacer struct {
	main, history atomic.Int32 // layers of level 0, as of the last flush
	quit          <-chan struct{}
}

// paced wraps a file that background work writes to.
func (p *pacer) paced(file vfs.File, c vfs.DiskWriteCategory) vfs.File {
	if c != flushCategory && c != compactionCategory {
		return file
	}
	return &pacedFile{File: file, pacer: p, compaction: c == compactionCategory, since: time.Now()}
}

// pacedFile is a table that is being written, block by block.
type pacedFile struct {
	vfs.File
	pacer      *pacer
	compaction bool
	since      time.Time // when the work since the last rest began
}

// Write implements vfs.File.
func (f *pacedFile) Write(b []byte) (int, error) {
	if worked := time.Since(f.since); worked >= paceSlice {
		if f.compaction {
			f.pacer.rest(worked)
		} else {
			runtime.Gosched()
		}
		f.since = time.Now()
	}
	return f.File.Write(b)
}

// rest lets others have the processor after so much work of a compaction.
func (p *pacer) rest(worked time.Duration) {
	d := restAfter(worked, max(p.main.Load(), p.history.Load()))
	if d <= 0 {
		runtime.Gosched()
		return
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-p.quit:
	}
}

// restAfter is in proportion to the work, and to how little more of it is urgent
// with so many layers in level 0.
func restAfter(worked time.Duration, layers int32) time.Duration {
	const (
		calm   = compactAt + 4 // with so many, a compaction has time
		urgent = maxLayers - 8 // and with so many it has none
	)
	slack := min(max(urgent-layers, 0), urgent-calm)
	return min(worked*restPerWork*time.Duration(slack)/(urgent-calm), maxRest)
}
