package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"math"
	"os"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// file is an open file or directory.
type file struct {
	fs       *FS
	node     *inode
	name     string
	writable bool
	pos      int64
	closed   bool
}

var _ vfs.File = (*file)(nil)

// Close implements vfs.File.
func (f *file) Close() error {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if f.closed {
		return pathError("close", f.name, fs.ErrClosed)
	}
	f.closed = true
	delete(f.fs.open, f)
	return nil
}

// Read implements vfs.File.
func (f *file) Read(p []byte) (int, error) {
	n, err := f.ReadAt(p, f.pos)
	f.pos += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// ReadAt implements vfs.File.
func (f *file) ReadAt(p []byte, at int64) (int, error) {
	if err := f.fs.before(OpRead, f.name, len(p)); err != nil {
		return 0, pathError("read", f.name, err)
	}
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("read"); err != nil {
		return 0, err
	}
	if at >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[at:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write implements vfs.File.
func (f *file) Write(p []byte) (int, error) {
	n, err := f.WriteAt(p, f.pos)
	f.pos += int64(n)
	return n, err
}

// WriteAt implements vfs.File.
func (f *file) WriteAt(p []byte, at int64) (int, error) {
	operation, fault := f.fs.begin(OpWrite, f.name, len(p))
	defer f.fs.done(operation) // when the lock is released
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("write"); err != nil {
		return 0, err
	}
	switch {
	case !f.writable:
		return 0, pathError("write", f.name, fs.ErrPermission)
	case errors.Is(fault, ErrLie):
		return len(p), nil
	case errors.Is(fault, ErrKilled):
		return 0, pathError("write", f.name, fault)
	case fault != nil:
		half := len(p) / 2 / SectorBytes * SectorBytes
		f.node.write(p[:half], at)
		return half, pathError("write", f.name, fault)
	}
	if grow := at + int64(len(p)) - int64(len(f.node.data)); grow > 0 && f.fs.capacity < math.MaxInt64 {
		if room := max(f.fs.capacity-f.fs.used(), 0); grow > room {
			fits := max(int64(len(p))-grow+room, 0)
			f.node.write(p[:fits], at)
			return int(fits), pathError("write", f.name, errNoSpace)
		}
	}
	f.node.write(p, at)
	return len(p), nil
}

func (f *file) check(op string) error {
	if f.closed {
		return pathError(op, f.name, fs.ErrClosed)
	}
	return nil
}

// Sync implements vfs.File.
func (f *file) Sync() error {
	kind := OpSync
	if f.node.isDir() {
		kind = OpSyncDir
	}
	operation, fault := f.fs.begin(kind, f.name, 0)
	defer f.fs.done(operation) // when the lock is released
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("sync"); err != nil {
		return err
	}
	switch {
	case errors.Is(fault, ErrLie):
		return nil
	case errors.Is(fault, syscall.EINTR): // it has not come to its end, so the next one does all of it
		return pathError("sync", f.name, fault)
	case fault != nil:
		f.node.failSync()
		return pathError("sync", f.name, fault)
	case f.node.isDir():
		f.node.syncDir()
	default:
		f.node.sync()
	}
	return nil
}

// SyncData implements vfs.File.
func (f *file) SyncData() error { return f.Sync() }

// SyncTo implements vfs.File. It promises nothing, and does nothing.
func (f *file) SyncTo(int64) (fullSync bool, err error) { return false, nil }

// Preallocate implements vfs.File.
func (f *file) Preallocate(_, _ int64) error { return nil }

// Prefetch implements vfs.File.
func (f *file) Prefetch(_, _ int64) error { return nil }

// Fd implements vfs.File.
func (f *file) Fd() uintptr { return vfs.InvalidFd }

// Stat implements vfs.File.
func (f *file) Stat() (vfs.FileInfo, error) {
	f.fs.mu.Lock()
	defer f.fs.mu.Unlock()
	if err := f.check("stat"); err != nil {
		return nil, err
	}
	return info{name: f.name, size: int64(len(f.node.data)), dir: f.node.isDir()}, nil
}

// info implements vfs.FileInfo.
type info struct {
	name string
	size int64
	dir  bool
}

func (i info) Name() string { return i.name }
func (i info) Size() int64  { return i.size }
func (i info) IsDir() bool  { return i.dir }
func (i info) Sys() any     { return nil }

// ModTime is always the zero time: the file system has no clock.
func (i info) ModTime() time.Time { return time.Time{} }

func (i info) Mode() os.FileMode {
	if i.dir {
		return os.ModeDir | 0o700
	}
	return 0o600
}

// DeviceID implements vfs.FileInfo.
func (i info) DeviceID() vfs.DeviceID { return vfs.DeviceID{} }
