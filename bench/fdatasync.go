package bench

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// probeWrites is how many writes each probe of the disk makes.
const probeWrites = 1_000

// probeBlock is the size of a probe's write in bytes.
const probeBlock = 4096

// disk is how long a 4 KiB write with fdatasync takes: the median and the longest
// over blocks that are written already, and the median growing a file.
type disk struct{ over, longest, growing time.Duration }

// probeDisk measures the disk that dir is on.
func probeDisk(dir string) (d disk, err error) {
	name := filepath.Join(dir, "fdatasync.probe")
	f, err := vfs.Default.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return d, fmt.Errorf("probe the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(name)) }()
	if d.growing, _, err = probe(f); err == nil {
		d.over, d.longest, err = probe(f)
	}
	return d, err
}

func probe(f vfs.File) (median, longest time.Duration, err error) {
	block := make([]byte, probeBlock)
	times := make([]time.Duration, probeWrites)
	for i := range times {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i)*probeBlock); err != nil {
			return 0, 0, fmt.Errorf("probe the disk: %w", err)
		}
		if err := f.SyncData(); err != nil {
			return 0, 0, fmt.Errorf("probe the disk: %w", err)
		}
		times[i] = time.Since(begin)
	}
	slices.Sort(times)
	return times[len(times)/2], times[len(times)-1], nil
}

// median sorts times; 0 if there are none.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	slices.Sort(times)
	return times[len(times)/2]
}

func medianMillis(times []time.Duration) float64 {
	return float64(median(times).Microseconds()) / 1000
}
