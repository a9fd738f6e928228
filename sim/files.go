package sim

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate/faultfs"
)

// files is the machine's file system as one process uses it: it knows what that has
// open. A killed process needs not close anything, and changes nothing any more; one
// that ends in good order has to, and whatever became of the nodes that it has had.
type files struct {
	vfs.FS
	p    *process
	open map[string]int // how often, by name
}

// alive fails once the process is dead: it may have been killed in the middle of a
// call, whose deferred ones run.
func (f *files) alive() error {
	if f.p.dead {
		return faultfs.ErrKilled
	}
	return nil
}

// handle is a file, directory or lock that is open.
type handle struct {
	vfs.File
	fs     *files
	name   string
	closed bool
}

// Write implements vfs.File.
func (h *handle) Write(b []byte) (int, error) {
	if err := h.fs.alive(); err != nil {
		return 0, err
	}
	return h.File.Write(b)
}

// WriteAt implements vfs.File.
func (h *handle) WriteAt(b []byte, at int64) (int, error) {
	if err := h.fs.alive(); err != nil {
		return 0, err
	}
	return h.File.WriteAt(b, at)
}

// Sync implements vfs.File.
func (h *handle) Sync() error {
	if err := h.fs.alive(); err != nil {
		return err
	}
	return h.File.Sync()
}

// SyncData implements vfs.File.
func (h *handle) SyncData() error {
	if err := h.fs.alive(); err != nil {
		return err
	}
	return h.File.SyncData()
}

// Close implements vfs.File. A file that reports an error is closed as well.
func (h *handle) Close() error {
	if !h.closed {
		h.closed = true
		h.fs.closed(h.name)
	}
	return h.File.Close()
}

func (f *files) closed(name string) {
	if f.open[name]--; f.open[name] == 0 {
		delete(f.open, name)
	}
}

func (f *files) opened(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	f.open[name]++
	return &handle{File: file, fs: f, name: name}, nil
}

// Create implements vfs.FS.
func (f *files) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.alive(); err != nil {
		return nil, err
	}
	file, err := f.FS.Create(name, c)
	return f.opened(name, file, err)
}

// Open implements vfs.FS.
func (f *files) Open(name string, o ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(name, o...)
	return f.opened(name, file, err)
}

// OpenReadWrite implements vfs.FS.
func (f *files) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	if err := f.alive(); err != nil {
		return nil, err
	}
	file, err := f.FS.OpenReadWrite(name, c, o...)
	return f.opened(name, file, err)
}

// OpenDir implements vfs.FS.
func (f *files) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	return f.opened(name, file, err)
}

// ReuseForWrite implements vfs.FS.
func (f *files) ReuseForWrite(before, name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.alive(); err != nil {
		return nil, err
	}
	file, err := f.FS.ReuseForWrite(before, name, c)
	return f.opened(name, file, err)
}

// Remove implements vfs.FS.
func (f *files) Remove(name string) error {
	if err := f.alive(); err != nil {
		return err
	}
	return f.FS.Remove(name)
}

// RemoveAll implements vfs.FS.
func (f *files) RemoveAll(name string) error {
	if err := f.alive(); err != nil {
		return err
	}
	return f.FS.RemoveAll(name)
}

// Rename implements vfs.FS.
func (f *files) Rename(from, to string) error {
	if err := f.alive(); err != nil {
		return err
	}
	return f.FS.Rename(from, to)
}

// Link implements vfs.FS.
func (f *files) Link(from, to string) error {
	if err := f.alive(); err != nil {
		return err
	}
	return f.FS.Link(from, to)
}

// MkdirAll implements vfs.FS.
func (f *files) MkdirAll(dir string, perm os.FileMode) error {
	if err := f.alive(); err != nil {
		return err
	}
	return f.FS.MkdirAll(dir, perm)
}

// Lock implements vfs.FS.
func (f *files) Lock(name string) (io.Closer, error) {
	lock, err := f.FS.Lock(name)
	if err != nil {
		return nil, err
	}
	f.open[name]++
	return &held{lock, f, name}, nil
}

// held is a lock on a file.
type held struct {
	io.Closer
	fs   *files
	name string
}

// Close implements io.Closer.
func (h *held) Close() error {
	h.fs.closed(h.name)
	return h.Closer.Close()
}

// shut ends the last process in good order, unless something of it is under way.
func (p *process) shut() {
	for _, t := range p.w.tasks {
		if t.p == p {
			return
		}
	}
	p.disconnect()
	p.eng.Engine().Kill(true)
	p.nothingOpen("was closed")
}

// nothingOpen checks that a process has nothing open any more.
func (p *process) nothingOpen(because string) {
	if len(p.files.open) > 0 && !p.w.crashed {
		p.w.fail("handles: process %d %s, and still has open: %s", p.nr, because, strings.Join(slices.Sorted(maps.Keys(p.files.open)), ", "))
	}
}
