package faultfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math"
	"os"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/cespare/xxhash/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system. It is safe for concurrent use.
type FS struct {
	mu       sync.Mutex
	root     *inode
	fault    Fault
	after    func(Op)
	counts   map[Kind]int
	capacity int64
	locks    map[string]bool
	open     map[*file]bool
	killed   bool
}

var _ vfs.FS = (*FS)(nil)

// New returns an empty file system without limits or faults.
func New() *FS { return newFS(newDir()) }

func newFS(root *inode) *FS {
	return &FS{root: root, counts: make(map[Kind]int), locks: make(map[string]bool), open: make(map[*file]bool), capacity: math.MaxInt64}
}

// SetFault installs a fault, or removes it if nil.
func (f *FS) SetFault(fault Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.fault = fault
}

// SetAfter installs a function that is called, without a lock, after each
// operation that may have changed something, whether it succeeded or not; nil
// removes it. What CrashClone then finds, for each operation and each way to
// crash, is all that a crash before or after any operation can leave.
func (f *FS) SetAfter(after func(Op)) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.after = after
}

// done tells that an operation has been performed.
func (f *FS) done(op Op) {
	f.mu.Lock()
	after := f.after
	f.mu.Unlock()
	if after != nil {
		after(op)
	}
}

// SetCapacity limits the bytes of all files together. What is over it already
// stays. A write that would grow a file beyond fails with the operating system's
// error for a full disk; one over what is there does not.
func (f *FS) SetCapacity(bytes int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.capacity = bytes
}

// Count returns how many operations of a kind there have been.
func (f *FS) Count(kind Kind) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.counts[kind]
}

// Kill makes every later operation fail, as for a process that is gone.
func (f *FS) Kill() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.killed = true
}

// CrashClone returns what would be found after a crash now: a disk of the same
// capacity. This file system is not changed, and can go on.
func (f *FS) CrashClone(c Crash) *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	clone := newFS(f.root.clone(&c, make(map[*inode]*inode), "/"))
	clone.capacity = f.capacity
	return clone
}

// KillClone returns what the next process finds if the one that uses this file system
// is killed now: all is there, and no more of it is durable than before. What the old
// process still does, the new one does not see. It has the same capacity, and no faults.
func (f *FS) KillClone() *FS {
	f.mu.Lock()
	defer f.mu.Unlock()
	clone := newFS(f.root.copy(make(map[*inode]*inode)))
	clone.capacity = f.capacity
	return clone
}

// Sum is a hash of all names and bytes that a reader would find now, synced or
// not.
func (f *FS) Sum() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	h := xxhash.New()
	f.root.sum(h)
	return h.Sum64()
}

// Alter changes a file's bytes in place, in memory and on the disk, as a failing
// disk does. The function may return a shorter slice.
func (f *FS) Alter(name string, change func(data []byte) []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name)
	if err != nil {
		return err
	}
	n.own()
	n.data = change(n.data)
	n.sync()
	return nil
}

// before counts an operation and asks the fault.
func (f *FS) before(kind Kind, name string, size int) error {
	_, err := f.begin(kind, name, size)
	return err
}

// begin is before for an operation that done is called for.
func (f *FS) begin(kind Kind, name string, size int) (Op, error) {
	f.mu.Lock()
	f.counts[kind]++
	op := Op{Kind: kind, Path: clean(name), N: f.counts[kind], Size: size}
	fault, killed := f.fault, f.killed
	f.mu.Unlock()
	if killed {
		return op, ErrKilled
	}
	if fault == nil {
		return op, nil
	}
	return op, fault(op)
}

func clean(name string) string {
	if strings.HasPrefix(name, "/") && !strings.Contains(name, "//") && !strings.Contains(name, "/.") && !strings.HasSuffix(name, "/") {
		return name // as path.Clean would leave it, at a tenth of the cost
	}
	return path.Clean("/" + name)
}

func pathError(op, name string, err error) error {
	return &fs.PathError{Op: op, Path: clean(name), Err: err}
}

// find returns the file or directory of that name.
func (f *FS) find(name string) (*inode, error) {
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(clean(name), "/"), "/") {
		if part == "" {
			continue
		}
		next := n.children[part]
		if next == nil {
			return nil, pathError("find", name, fs.ErrNotExist)
		}
		n = next
	}
	return n, nil
}

// parent returns the directory that a name is in, and its last element.
func (f *FS) parent(name string) (*inode, string, error) {
	dir, last := path.Split(clean(name))
	n, err := f.find(dir)
	if err != nil {
		return nil, "", err
	}
	if !n.isDir() || last == "" {
		return nil, "", pathError("find", name, fs.ErrInvalid)
	}
	return n, last, nil
}

// at runs a change of the directory that a name is in.
func (f *FS) at(kind Kind, name string, change func(dir *inode, last string) error) error {
	op, err := f.begin(kind, name, 0)
	if err != nil {
		if errors.Is(err, ErrLie) {
			return nil
		}
		return pathError(string(kind), name, err)
	}
	defer f.done(op) // when the lock is released
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, last, err := f.parent(name)
	if err != nil {
		return err
	}
	return change(dir, last)
}

// Create implements vfs.FS.
func (f *FS) Create(name string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	n := newFile()
	err := f.at(OpCreate, name, func(dir *inode, last string) error {
		if old := dir.children[last]; old != nil && old.isDir() {
			return pathError("create", name, fs.ErrExist)
		}
		dir.change(entry{set: last, node: n})
		return nil
	})
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.handle(n, name, true), nil
}

// Link implements vfs.FS.
func (f *FS) Link(from, to string) error {
	return f.at(OpLink, to, func(dir *inode, last string) error {
		n, err := f.find(from)
		if err != nil {
			return err
		}
		if dir.children[last] != nil {
			return pathError("link", to, fs.ErrExist)
		}
		dir.change(entry{set: last, node: n})
		return nil
	})
}

// Open implements vfs.FS.
func (f *FS) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	return f.openFile(name, false)
}

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string, c vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.openFile(name, true)
	if errors.Is(err, fs.ErrNotExist) {
		return f.Create(name, c)
	}
	return file, err
}

// OpenDir implements vfs.FS.
func (f *FS) OpenDir(name string) (vfs.File, error) { return f.openFile(name, false) }

func (f *FS) openFile(name string, writable bool) (vfs.File, error) {
	if err := f.before(OpOpen, name, 0); err != nil {
		return nil, pathError("open", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return f.handle(n, name, writable && !n.isDir()), nil
}

// handle makes an open file. f.mu is held.
func (f *FS) handle(n *inode, name string, writable bool) *file {
	h := &file{fs: f, node: n, name: clean(name), writable: writable}
	f.open[h] = true
	return h
}

// Handles lists the files and directories that are open, and the locks that are
// held, by name, in order; one that is open twice is there twice.
func (f *FS) Handles() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	names := make([]string, 0, len(f.open)+len(f.locks))
	for h := range f.open { // order-free: sorted below
		names = append(names, h.name)
	}
	for name := range f.locks { // order-free: sorted below
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Remove implements vfs.FS.
func (f *FS) Remove(name string) error {
	return f.at(OpRemove, name, func(dir *inode, last string) error {
		n := dir.children[last]
		if n == nil {
			return pathError("remove", name, fs.ErrNotExist)
		}
		if len(n.children) > 0 {
			return pathError("remove", name, errors.New("directory is not empty"))
		}
		dir.change(entry{unset: last})
		return nil
	})
}

// RemoveAll implements vfs.FS.
func (f *FS) RemoveAll(name string) error {
	err := f.at(OpRemove, name, func(dir *inode, last string) error {
		if dir.children[last] != nil {
			dir.change(entry{unset: last})
		}
		return nil
	})
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Rename implements vfs.FS. Within one directory it is one change.
func (f *FS) Rename(from, to string) error {
	return f.at(OpRename, from, func(dir *inode, last string) error {
		n := dir.children[last]
		if n == nil {
			return pathError("rename", from, fs.ErrNotExist)
		}
		target, newLast, err := f.parent(to)
		if err != nil {
			return err
		}
		if target == dir {
			dir.change(entry{unset: last, set: newLast, node: n})
			return nil
		}
		target.change(entry{set: newLast, node: n})
		dir.change(entry{unset: last})
		return nil
	})
}

// ReuseForWrite implements vfs.FS.
func (f *FS) ReuseForWrite(from, to string, _ vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.Rename(from, to); err != nil {
		return nil, err
	}
	return f.openFile(to, true)
}

// MkdirAll implements vfs.FS.
func (f *FS) MkdirAll(name string, _ os.FileMode) error {
	op, err := f.begin(OpMkdir, name, 0)
	if err != nil {
		return pathError("mkdir", name, err)
	}
	defer f.done(op) // when the lock is released
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.root
	for part := range strings.SplitSeq(strings.Trim(clean(name), "/"), "/") {
		if part == "" {
			continue
		}
		if n.children[part] == nil {
			n.change(entry{set: part, node: newDir()})
		}
		if n = n.children[part]; !n.isDir() {
			return pathError("mkdir", name, errors.New("not a directory"))
		}
	}
	return nil
}

// Lock implements vfs.FS.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	name = clean(name)
	if f.locks[name] {
		return nil, pathError("lock", name, errors.New("held"))
	}
	f.locks[name] = true
	return unlock(func() {
		f.mu.Lock()
		defer f.mu.Unlock()
		delete(f.locks, name)
	}), nil
}

type unlock func()

// Close implements io.Closer.
func (u unlock) Close() error {
	u()
	return nil
}

// List implements vfs.FS. The names are in order.
func (f *FS) List(name string) ([]string, error) {
	if err := f.before(OpList, name, 0); err != nil {
		return nil, pathError("list", name, err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return slices.Sorted(maps.Keys(n.children)), nil
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.find(name)
	if err != nil {
		return nil, err
	}
	return info{name: path.Base(clean(name)), size: int64(len(n.data)), dir: n.isDir()}, nil
}

// PathBase implements vfs.FS.
func (f *FS) PathBase(name string) string { return path.Base(name) }

// PathJoin implements vfs.FS.
func (f *FS) PathJoin(parts ...string) string { return path.Join(parts...) }

// PathDir implements vfs.FS.
func (f *FS) PathDir(name string) string { return path.Dir(name) }

// GetDiskUsage implements vfs.FS.
func (f *FS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	used := f.used()
	return vfs.DiskUsage{
		AvailBytes: uint64(max(f.capacity-used, 0)), TotalBytes: uint64(f.capacity), UsedBytes: uint64(used),
	}, nil
}

// Unwrap implements vfs.FS.
func (f *FS) Unwrap() vfs.FS { return nil }

// used returns the bytes of all files that have a name.
func (f *FS) used() (bytes int64) {
	seen := make(map[*inode]bool)
	var add func(*inode)
	add = func(n *inode) {
		if seen[n] {
			return
		}
		seen[n] = true
		bytes += int64(len(n.data))
		for _, child := range n.children {
			add(child)
		}
	}
	add(f.root)
	return bytes
}
