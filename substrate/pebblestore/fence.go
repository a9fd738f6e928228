package pebblestore

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// fence stands between Pebble and the files. It counts what is written, slows
// down attempts to write to a full disk, and lets nothing through once the store
// is dead: Pebble's goroutines cannot be stopped from outside, but they must not
// change files that may be open again in a new store. That may be one of another
// process, if the lock of the directory has failed: so it looks whose the store is,
// and kills it if it has been taken over.
//
// Whoever opens the hub says so before it reads the store. It finds what was there
// then, and no change comes after but one between whose look and whose call of the
// system a pause has fallen.
type fence struct {
	vfs.FS
	dead   atomic.Bool
	full   atomic.Int64 // attempts in a row that met a full disk
	onFull func()       // called at such an attempt
	onDie  func(error)  // ends the store
	owned  func() error // whether the store is somebody else's by now; may be nil
	quit   chan struct{}
	spare  spare
	pace   pacer
	watch  watch
	files  handles
	copies copies

	written, syncs atomic.Int64
}

// mayChange reports whether files may be changed now. If the store is somebody
// else's, it dies.
func (f *fence) mayChange() bool {
	if f.owned != nil && !f.dead.Load() {
		if err := f.owned(); err != nil && !planted.ZombieCheckpoint {
			f.onDie(err)
		}
	}
	return !f.dead.Load()
}

// check never returns if files may not be changed. An error would not do: Pebble tries
// a failed flush or compaction again, without end. Nor would ending the
// goroutine: half-way through a compaction, deferred calls of Pebble panic. Only
// goroutines of Pebble and of Store.guard get here, and nobody waits for them
// then. They cost the memory of the dead store until the process ends.
func (f *fence) check() {
	if !f.mayChange() {
		stay()
	}
}

const (
	firstFullWait = 10 * time.Millisecond
	maxFullWait   = time.Second
)

// after looks at the outcome of an operation that may need space. Pebble tries a
// failed flush again at once and without end; the wait makes that bearable.
func (f *fence) after(err error) error {
	_ = f.watch.note(err)
	switch {
	case err == nil:
		if f.full.Load() > 0 {
			f.full.Store(0)
		}
	case nospace.Is(err):
		n := f.full.Add(1)
		f.onFull()
		f.pause(min(firstFullWait<<min(n-1, 10), maxFullWait))
	}
	return err
}

// pause waits. It reports false if the store is being closed meanwhile, which ends it.
func (f *fence) pause(d time.Duration) bool {
	wait := time.NewTimer(d)
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-f.quit:
		return false
	}
}

// Unwrap implements vfs.FS.
func (f *fence) Unwrap() vfs.FS { return f.FS }

// Lock implements vfs.FS. The directory is locked by whoever opened the hub;
// Pebble's lock would outlive a dead store and keep a new one out.
func (f *fence) Lock(string) (io.Closer, error) { return io.NopCloser(nil), nil }

// Create implements vfs.FS.
func (f *fence) Create(name string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.check()
	if err := f.admit(name); err != nil {
		return nil, f.after(err)
	}
	file, err := f.FS.Create(name, c)
	if nospace.Is(err) && f.vital(name) && f.spare.spend() {
		file, err = f.FS.Create(name, c)
	}
	wrapped, err := f.wrap(name, file, f.after(err))
	if err != nil {
		return nil, err
	}
	return f.pace.paced(wrapped, c), nil
}

// admit refuses to write to files that are not vital while the spare is spent.
func (f *fence) admit(name string) error {
	if f.vital(name) {
		return nil
	}
	return f.spare.restore()
}

// vital reports whether a file is a manifest, or the marker that names it. Pebble
// cannot go on when it fails to write one: the spare is for that.
func (f *fence) vital(name string) bool {
	base := f.PathBase(name)
	return strings.HasPrefix(base, "MANIFEST-") || strings.HasPrefix(base, "marker.")
}

// OpenReadWrite implements vfs.FS.
func (f *fence) OpenReadWrite(name string, c vfs.DiskWriteCategory, opts ...vfs.OpenOption) (vfs.File, error) {
	f.check()
	file, err := f.FS.OpenReadWrite(name, c, opts...)
	return f.wrap(name, file, f.after(err))
}

// OpenDir implements vfs.FS.
func (f *fence) OpenDir(name string) (vfs.File, error) {
	file, err := f.FS.OpenDir(name)
	if f.watch.note(err) != nil {
		return nil, err
	}
	return &fencedDir{File: f.files.add(name, file), fence: f}, nil
}

// fencedDir is a directory that Pebble may sync.
type fencedDir struct {
	vfs.File
	fence *fence
}

// Sync implements vfs.File. Pebble panics when the sync of a directory fails
// after it has moved a marker, in a goroutine of its own too, so it must not see
// the error: the store dies.
func (d *fencedDir) Sync() error {
	d.fence.check()
	d.fence.syncs.Add(1)
	if err := d.File.Sync(); err != nil {
		d.fence.onDie(err)
		d.fence.check()
	}
	return nil
}

// ReuseForWrite implements vfs.FS.
func (f *fence) ReuseForWrite(from, to string, c vfs.DiskWriteCategory) (vfs.File, error) {
	f.check()
	file, err := f.FS.ReuseForWrite(from, to, c)
	return f.wrap(to, file, f.after(err))
}

// errUnlinkable is that a file cannot have a second name.
var errUnlinkable = errors.New("the file cannot be linked")

// Link implements vfs.FS. Linux says that it is not permitted where a file system has
// no links. Pebble copies a file that it cannot link for another reason, and for that
// one it must, too: if it may not, it will not be able to copy either.
func (f *fence) Link(from, to string) error {
	f.check()
	err := f.FS.Link(from, to)
	if err != nil && f.copies.take(from, to, err) {
		return nil
	}
	if errors.Is(err, os.ErrPermission) {
		err = fmt.Errorf("%w: %s", errUnlinkable, err.Error())
	}
	return f.after(err)
}

// Remove implements vfs.FS.
func (f *fence) Remove(name string) error {
	f.check()
	if f.copies.keep(name) {
		return nil
	}
	return f.watch.note(f.FS.Remove(name))
}

// RemoveAll implements vfs.FS.
func (f *fence) RemoveAll(name string) error {
	f.check()
	return f.watch.note(f.FS.RemoveAll(name))
}

// Rename implements vfs.FS.
func (f *fence) Rename(from, to string) error {
	f.check()
	return f.after(f.FS.Rename(from, to))
}

// MkdirAll implements vfs.FS.
func (f *fence) MkdirAll(dir string, perm os.FileMode) error {
	f.check()
	return f.after(f.FS.MkdirAll(dir, perm))
}

func (f *fence) wrap(name string, file vfs.File, err error) (vfs.File, error) {
	if err != nil {
		return nil, err
	}
	return &fencedFile{File: f.files.add(name, file), fence: f, name: name}, nil
}

// fencedFile is a file that Pebble may write to.
type fencedFile struct {
	vfs.File
	fence    *fence
	name     string
	unlooked int // bytes written since it was looked whose the store is
}

// lookBytes is how much may be written to a table without a look. Nobody reads it
// before it was synced and a manifest names it, and a table of another store by the
// same name is another file: Create removes what is there.
const lookBytes = 256 << 10

// checkWrite is check before a write.
func (f *fencedFile) checkWrite(bytes int) {
	f.unlooked += bytes
	if f.unlooked < lookBytes && strings.HasSuffix(f.name, ".sst") && !f.fence.dead.Load() {
		return
	}
	f.unlooked = 0
	f.fence.check()
}

// Write implements vfs.File.
func (f *fencedFile) Write(p []byte) (int, error) {
	f.checkWrite(len(p))
	if err := f.fence.admit(f.name); err != nil {
		return 0, f.fence.after(err)
	}
	n, err := f.File.Write(p)
	if nospace.Is(err) && f.fence.vital(f.name) && f.fence.spare.spend() {
		var more int
		more, err = f.File.Write(p[n:])
		n += more
	}
	f.fence.written.Add(int64(n))
	return n, f.fence.after(err)
}

// WriteAt implements vfs.File.
func (f *fencedFile) WriteAt(p []byte, at int64) (int, error) {
	f.fence.check()
	n, err := f.File.WriteAt(p, at)
	f.fence.written.Add(int64(n))
	return n, f.fence.after(err)
}

// Preallocate implements vfs.File.
func (f *fencedFile) Preallocate(offset, length int64) error {
	f.fence.check()
	return f.fence.after(substrate.Uninterrupted(func() error { return f.File.Preallocate(offset, length) }))
}

// Sync implements vfs.File.
func (f *fencedFile) Sync() error {
	f.fence.check()
	f.fence.syncs.Add(1)
	return f.fence.after(f.File.Sync())
}

// SyncData implements vfs.File.
func (f *fencedFile) SyncData() error {
	f.fence.check()
	f.fence.syncs.Add(1)
	return f.fence.after(substrate.Uninterrupted(f.File.SyncData))
}

// SyncTo implements vfs.File.
func (f *fencedFile) SyncTo(length int64) (fullSync bool, err error) {
	f.fence.check()
	err = substrate.Uninterrupted(func() (err error) {
		fullSync, err = f.File.SyncTo(length)
		return err
	})
	return fullSync, f.fence.after(err)
}
