package netherite_test

import (
	"errors"
	"io"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// memory is a hub in memory that can crash and fail.
type memory struct {
	params netherite.Parameters
	log    *mem.LogDisk
	store  *mem.StoreDisk
}

func newMemory(partitions int) *memory {
	return &memory{params: netherite.Parameters{Partitions: partitions}, log: mem.NewLogDisk(), store: mem.NewStoreDisk()}
}

func (m *memory) Parameters() netherite.Parameters         { return m.params }
func (m *memory) OpenLog() (substrate.Log, error)          { return m.log.Open() }
func (m *memory) OpenStore(int64) (substrate.Store, error) { return m.store.Open() }
func (m *memory) Close() error                             { return nil }

// failSyncOnce has the next sync of the log fail.
func (m *memory) failSyncOnce() {
	var failed atomic.Bool
	m.log.SetFault(func(op mem.Op, _ int) error {
		if op == mem.OpSync && !failed.Swap(true) {
			return errors.New("broken")
		}
		return nil
	})
}

// files is a hub on a file system. An opening that was killed, with its goroutines
// left behind, changes nothing any more once there is a later one.
type files struct {
	fs         vfs.FS
	dir        string
	partitions int
	log        *filelog.Log // as last opened
}

func (f *files) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: [16]byte{1}, Partitions: f.partitions}
}

func (f *files) OpenLog() (l substrate.Log, err error) {
	f.log, err = filelog.Open(filelog.Options{FS: f.fs, Dir: f.fs.PathJoin(f.dir, "log"), Hub: [16]byte{1}})
	return f.log, err
}

func (f *files) OpenStore(memory int64) (substrate.Store, error) {
	return pebblestore.Open(pebblestore.Options{Create: true, FS: f.fs, Dir: f.fs.PathJoin(f.dir, "store"), MemoryBytes: memory, Owned: f.log.Owned})
}

func (f *files) Close() error { return nil }

// openings are the logs and stores that were opened on a disk.
type openings struct {
	mu   sync.Mutex
	open []io.Closer
}

func (o *openings) add(c io.Closer) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.open = append(o.open, c)
}

// end closes what a hub that was killed has left, once what the crash leaves has
// been copied: what is written now is of no use to anybody, and the goroutines of the
// store end. What the hub has closed itself says that it is.
func (o *openings) end() {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, c := range slices.Backward(o.open) {
		_ = c.Close()
	}
	o.open = nil
}
