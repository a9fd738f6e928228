package pebblestore

import (
	"context"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// handles are the files that Pebble has open. A dead store's goroutines never
// close theirs: the store does when it is closed itself, so that a host whose disk
// fails now and then does not run out of them.
type handles struct {
	mu       sync.Mutex
	open     map[*handle]bool
	released bool
	spoiled  spoiled
}

// mayOpen never returns if the store is closed: that it cannot open a file would make
// Pebble try again, without end.
func (h *handles) mayOpen() {
	h.mu.Lock()
	released := h.released
	h.mu.Unlock()
	if released {
		stay()
	}
}

// add takes note of a file that has just been opened.
func (h *handles) add(name string, file vfs.File) vfs.File {
	n := &handle{File: file, of: h, name: name}
	h.mu.Lock()
	released := h.released
	if !released {
		if h.open == nil {
			h.open = map[*handle]bool{}
		}
		h.open[n] = true
	}
	h.mu.Unlock()
	if released {
		_ = file.Close() // nobody will use it
		stay()
	}
	return n
}

// releaseWithin is how long release waits for calls that are under way.
const releaseWithin = time.Second

// release closes what is still open. Nobody but goroutines that a dead store has
// left behind may use it then: they stop where they are. A file that the system
// does not answer for is closed when it does, and not waited for.
func (h *handles) release() {
	h.mu.Lock()
	h.released = true
	left := h.open
	h.open = nil
	h.mu.Unlock()
	limit, cancel := context.WithTimeout(context.Background(), releaseWithin)
	defer cancel()
	for n := range left { // order-free: closes each
		closed := make(chan struct{})
		go func() {
			defer close(closed)
			n.busy.Lock()
			defer n.busy.Unlock()
			if !n.closed {
				n.closed = true
				_ = n.File.Close() // nothing depends on what it has
			}
		}()
		select {
		case <-closed:
		case <-limit.Done():
		}
	}
}

// stay never returns. See fence.check for why an error would not do.
func stay() { select {} }

// handle is an open file, which is not closed in the middle of a call.
type handle struct {
	vfs.File
	of     *handles
	name   string
	busy   sync.RWMutex // held by calls, and to close
	closed bool
}

func (n *handle) begin() {
	n.busy.RLock()
	if n.closed {
		n.busy.RUnlock()
		stay()
	}
}

// Close implements vfs.File.
func (n *handle) Close() error {
	n.of.mu.Lock()
	delete(n.of.open, n)
	n.of.mu.Unlock()
	n.busy.Lock()
	defer n.busy.Unlock()
	if n.closed {
		return nil
	}
	n.closed = true
	return n.File.Close()
}

// Read implements vfs.File.
func (n *handle) Read(p []byte) (int, error) {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Read(p)
}

// ReadAt implements vfs.File.
func (n *handle) ReadAt(p []byte, at int64) (int, error) {
	n.begin()
	defer n.busy.RUnlock()
	if err := n.of.spoiled.at(n.name, at); err != nil {
		return 0, err
	}
	return n.File.ReadAt(p, at)
}

// Write implements vfs.File.
func (n *handle) Write(p []byte) (int, error) {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Write(p)
}

// WriteAt implements vfs.File.
func (n *handle) WriteAt(p []byte, at int64) (int, error) {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.WriteAt(p, at)
}

// Preallocate implements vfs.File.
func (n *handle) Preallocate(offset, length int64) error {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Preallocate(offset, length)
}

// Prefetch implements vfs.File.
func (n *handle) Prefetch(offset, length int64) error {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Prefetch(offset, length)
}

// Stat implements vfs.File.
func (n *handle) Stat() (vfs.FileInfo, error) {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Stat()
}

// Sync implements vfs.File.
func (n *handle) Sync() error {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.Sync()
}

// SyncData implements vfs.File.
func (n *handle) SyncData() error {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.SyncData()
}

// SyncTo implements vfs.File.
func (n *handle) SyncTo(length int64) (fullSync bool, err error) {
	n.begin()
	defer n.busy.RUnlock()
	return n.File.SyncTo(length)
}
