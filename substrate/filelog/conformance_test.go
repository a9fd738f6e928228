package filelog_test

import (
	"math/rand/v2"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/substratetest"
)

// small are options that make a log use many segments.
func small(fs vfs.FS, dir string) filelog.Options {
	return filelog.Options{FS: fs, Dir: dir, MinSegmentBytes: 4 << 10, MaxSegmentBytes: 16 << 10, Inline: true}
}

func TestConformanceOnOperatingSystem(t *testing.T) {
	substratetest.TestLog(t, func(t *testing.T) substratetest.LogMedium {
		dir := filepath.Join(t.TempDir(), "hub", "log")
		m := &medium{fs: vfs.Default, dir: dir}
		return substratetest.LogMedium{Open: m.open, Crash: func(*rand.Rand) { m.end() }}
	})
}

func TestConformanceWithBackgroundPreparation(t *testing.T) {
	substratetest.TestLog(t, func(t *testing.T) substratetest.LogMedium {
		m := &medium{fs: vfs.Default, dir: filepath.Join(t.TempDir(), "log"), background: true}
		return substratetest.LogMedium{Open: m.open, Crash: func(*rand.Rand) { m.end() }}
	})
}

func TestConformanceOnCrashableMemory(t *testing.T) {
	for name, percent := range map[string]int{"Keep0": 0, "Keep50": 50, "Keep100": 100} {
		t.Run(name, func(t *testing.T) {
			substratetest.TestLog(t, func(*testing.T) substratetest.LogMedium {
				fs := vfs.NewCrashableMem()
				m := &medium{fs: fs, dir: "/hub/log"}
				return substratetest.LogMedium{Open: m.open, Crash: func(rng *rand.Rand) {
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
					m.end()
					m.fs = fs
				}}
			})
		})
	}
}

func TestConformanceOnTearingFileSystem(t *testing.T) {
	for name, crash := range crashes() {
		t.Run(name, func(t *testing.T) {
			substratetest.TestLog(t, func(*testing.T) substratetest.LogMedium { return tearing(crash) })
		})
	}
}

// crashes are ways to treat what was not synced.
func crashes() map[string]faultfs.Crash {
	return map[string]faultfs.Crash{
		"LoseAll":   {},
		"LoseZero":  {Fill: faultfs.FillZero},
		"KeepAll":   {KeepSectors: 1, KeepNames: 1},
		"KeepHalf":  {KeepSectors: 0.5, KeepNames: 0.5, Fill: faultfs.FillAny},
		"KeepMost":  {KeepSectors: 0.9, KeepNames: 0.9, Fill: faultfs.FillAny},
		"TearNoise": {KeepSectors: 0.5, KeepNames: 1, Fill: faultfs.FillNoise},
	}
}

func tearing(crash faultfs.Crash) substratetest.LogMedium {
	fs := faultfs.New()
	m := &medium{fs: fs, dir: "/hub/log"}
	failNext := func(kind faultfs.Kind) func(error) {
		return func(err error) {
			var done atomic.Bool
			fs.SetFault(func(op faultfs.Op) error {
				if op.Kind != kind || done.Swap(true) {
					return nil
				}
				return err
			})
		}
	}
	return substratetest.LogMedium{
		Open: m.open,
		Crash: func(rng *rand.Rand) {
			crash.Rand = rng
			next := fs.CrashClone(crash)
			fs.Kill()
			m.end()
			fs = next
			m.fs = fs
		},
		FailWrite: failNext(faultfs.OpWrite),
		FailSync:  failNext(faultfs.OpSync),
		Fill: func(full bool) {
			usage, _ := fs.GetDiskUsage("/")
			capacity := int64(usage.UsedBytes) + 30_000
			if !full {
				capacity = 1 << 40
			}
			fs.SetCapacity(capacity)
		},
	}
}

// medium is a directory that a log lives in.
type medium struct {
	fs         vfs.FS
	dir        string
	background bool
	log        *filelog.Log
}

func (m *medium) open() (substrate.Log, error) {
	opts := small(m.fs, m.dir)
	opts.Inline = !m.background
	l, err := filelog.Open(opts)
	if err != nil {
		return nil, err
	}
	m.log = l
	return l, nil
}

// end makes the log refuse, as after a crash of its process.
func (m *medium) end() { m.log.Abandon() }
