package sim

import (
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// files is the machine's file system as one process uses it: it knows what that has
// open. A killed process needs not close anything; one that ends in good order has
// to, and whatever became of the nodes that it has had.
type files struct {
	vfs.FS
	open map[string]int // how often, by name
}

// handle is a file, directory or lock that is open.
type handle struct {
	vfs.File
	fs     *files
	name   string
	closed bool
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
	file, err := f.FS.ReuseForWrite(before, name, c)
	return f.opened(name, file, err)
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
