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

// probeDisk measures the median time of a 4 KiB write with fdatasync in dir:
// over blocks that are written already, and growing a file.
func probeDisk(dir string) (over, growing time.Duration, err error) {
	name := filepath.Join(dir, "fdatasync.probe")
	f, err := vfs.Default.OpenReadWrite(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return 0, 0, fmt.Errorf("probe the disk: %w", err)
	}
	defer func() { err = errors.Join(err, f.Close(), os.Remove(name)) }()
	if growing, err = probe(f); err == nil {
		over, err = probe(f)
	}
	return over, growing, err
}

func probe(f vfs.File) (time.Duration, error) {
	block := make([]byte, probeBlock)
	times := make([]time.Duration, probeWrites)
	for i := range times {
		begin := time.Now()
		if _, err := f.WriteAt(block, int64(i)*probeBlock); err != nil {
			return 0, fmt.Errorf("probe the disk: %w", err)
		}
		if err := f.SyncData(); err != nil {
			return 0, fmt.Errorf("probe the disk: %w", err)
		}
		times[i] = time.Since(begin)
	}
	return median(times), nil
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
