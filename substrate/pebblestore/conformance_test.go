package pebblestore_test

import (
	"math/rand/v2"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/substratetest"
)

const dir = "/hub/store"

func open(fs vfs.FS, dir string) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, MemoryBytes: 4 << 20})
	if err != nil {
		return nil, err
	}
	return s, nil
}

// medium is a directory that a store lives in.
type medium struct {
	fs    vfs.FS
	dir   string
	store *pebblestore.Store
}

func (m *medium) open() (substrate.Store, error) {
	s, err := open(m.fs, m.dir)
	if err == nil {
		m.store = s.(*pebblestore.Store)
	}
	return s, err
}

// end ends the store as a crash would, and closes it, so that Pebble's goroutines do
// not look for their files for ever.
func (m *medium) end() {
	m.store.Die()
	_ = m.store.Close()
}

func (m *medium) conformance() substratetest.StoreMedium {
	return substratetest.StoreMedium{
		Open:       m.open,
		Crash:      func(*rand.Rand) { m.end() },
		OpenExport: func(dir string) (substrate.Store, error) { return open(m.fs, dir) },
		ExportDir:  filepath.Join(filepath.Dir(m.dir), "copy"),
		Scale:      4,
	}
}

func TestConformanceOnOperatingSystem(t *testing.T) {
	leaktest.StoresDie(t)
	substratetest.TestStore(t, func(t *testing.T) substratetest.StoreMedium {
		m := &medium{fs: vfs.Default, dir: filepath.Join(t.TempDir(), "store")}
		return m.conformance()
	})
}

func TestConformanceOnCrashableMemory(t *testing.T) {
	leaktest.StoresDie(t)
	for name, percent := range map[string]int{"Keep0": 0, "Keep50": 50, "Keep100": 100} {
		t.Run(name, func(t *testing.T) {
			substratetest.TestStore(t, func(*testing.T) substratetest.StoreMedium {
				fs := vfs.NewCrashableMem()
				m := &medium{fs: fs, dir: dir}
				c := m.conformance()
				c.Crash = func(rng *rand.Rand) {
					fs = fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
					m.end()
					m.fs = fs
				}
				return c
			})
		})
	}
}

func TestConformanceOnTearingFileSystem(t *testing.T) {
	leaktest.StoresDie(t)
	for name, crash := range crashes() {
		t.Run(name, func(t *testing.T) {
			substratetest.TestStore(t, func(*testing.T) substratetest.StoreMedium { return tearing(crash) })
		})
	}
}

// crashes are ways to treat what was not synced. A sector that does not survive
// keeps its old bytes: Pebble appends to sectors that hold synced data.
func crashes() map[string]faultfs.Crash {
	return map[string]faultfs.Crash{
		"LoseAll":  {},
		"KeepHalf": {KeepSectors: 0.5, KeepNames: 0.5},
		"KeepAll":  {KeepSectors: 1, KeepNames: 1},
	}
}

func tearing(crash faultfs.Crash) substratetest.StoreMedium {
	fs := faultfs.New()
	m := &medium{fs: fs, dir: dir}
	c := m.conformance()
	c.Crash = func(rng *rand.Rand) {
		crash.Rand = rng
		next := fs.CrashClone(crash)
		fs.Kill()
		m.end()
		fs = next
		m.fs = fs
	}
	c.FailFlush = func(err error) {
		var done atomic.Bool
		fs.SetFault(func(op faultfs.Op) error {
			if op.Kind != faultfs.OpSync || !strings.Contains(op.Path, "MANIFEST") || done.Swap(true) {
				return nil
			}
			return err
		})
	}
	return c
}
