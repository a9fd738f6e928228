package hubtest

import (
	"io"
	"slices"
	"strings"
	"sync"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

// Disk holds a hub's data: the real log and store, on a file system that loses
// at a crash what was not synced.
type Disk struct {
	FS         *faultfs.FS
	Partitions int
	// SegmentBytes is the size of the log's files; 0 is the log's default.
	SegmentBytes int64

	mu           sync.Mutex    // an engine may open all anew just as it crashes
	log          substrate.Log // as last opened
	open, former []io.Closer   // of the process that may crash, and of the one that has
}

// files is the file system as it is now.
func (d *Disk) files() *faultfs.FS {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.FS
}

// last is the log as last opened.
func (d *Disk) last() substrate.Log {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.log
}

// opened notes what is to be closed after a crash.
func (d *Disk) opened(c io.Closer) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if l, ok := c.(substrate.Log); ok {
		d.log = l
	}
	d.open = append(d.open, c)
}

var _ netherite.SideStorage = (*Disk)(nil)

var hubID = [16]byte{9}

// Parameters implements netherite.Storage.
func (d *Disk) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: hubID, Partitions: d.Partitions}
}

// OpenLog implements netherite.Storage.
func (d *Disk) OpenLog() (substrate.Log, error) {
	l, err := filelog.Open(filelog.Options{FS: d.files(), Dir: "/hub/log", Hub: hubID, MinSegmentBytes: d.SegmentBytes, MaxSegmentBytes: d.SegmentBytes})
	if err != nil {
		return nil, err
	}
	d.opened(l)
	return l, nil
}

// OpenStore implements netherite.Storage.
func (d *Disk) OpenStore(memory int64) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: d.files(), Dir: "/hub/store", MemoryBytes: min(memory, 4<<20), Owned: d.last().Owned})
	if err != nil {
		return nil, err
	}
	d.opened(s)
	return s, nil
}

// OpenSideFiles implements netherite.SideStorage.
func (d *Disk) OpenSideFiles() (substrate.SideFiles, error) {
	return sidefile.Open(d.files(), "/hub/side", hubID).Guarded(d.last().Owned), nil
}

// Close implements netherite.Storage.
func (d *Disk) Close() error { return nil }

// InStore is for faultfs.Crash.Whole: Pebble's files are written to in sectors
// that have been synced before, which a drive must not destroy.
func InStore(name string) bool { return strings.HasPrefix(name, "/hub/store/") }

// crash replaces the file system by what a crash now leaves of it. The process
// that uses the former one does not know yet.
func (d *Disk) crash(left func(*faultfs.FS) *faultfs.FS) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.FS = left(d.FS)
	d.former, d.open = d.open, nil
}

// discard closes what the process that is gone had open, only to have its memory
// and goroutines back: its files are gone.
func (d *Disk) discard() {
	d.mu.Lock()
	all := append(d.former, d.open...)
	d.former, d.open = nil, nil
	d.mu.Unlock()
	for _, f := range slices.Backward(all) { // a store before its log, which it asks
		_ = f.Close()
	}
}
