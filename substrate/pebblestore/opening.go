package pebblestore

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/substrate"
)

// When Pebble does not open a database, it says what it did not like, in many
// ways: few of its messages are marked as corruption. But what it reads comes through
// the fence. So if every call of the file system has gone well, it is the content that
// is wrong.

// watch notes whether calls of the file system fail, while a database is opened.
type watch struct {
	on     atomic.Bool
	failed atomic.Bool
}

// begin starts to watch.
func (w *watch) begin() {
	w.failed.Store(false)
	w.on.Store(true)
}

// note takes the outcome of a call. That there is no such file, no more of one, or
// something else of its name, is no failure of the file system.
func (w *watch) note(err error) error {
	if err != nil && w.on.Load() && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, substrate.ErrDamaged) && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		w.failed.Store(true)
	}
	return err
}

// end stops watching and judges why the database was not opened.
func (w *watch) end(database string, err error) error {
	w.on.Store(false)
	known := errors.Is(err, substrate.ErrDamaged) || errors.Is(err, substrate.ErrNewerFormat) ||
		errors.Is(err, substrate.ErrDiskFull) || errors.Is(err, substrate.ErrFailed)
	if err == nil || known || w.failed.Load() {
		return err
	}
	return &substrate.Damage{File: database, Kind: "chain", Detail: words(err)}
}

// Open implements vfs.FS.
func (f *fence) Open(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	if f.hidesOptions(name) {
		return noOptions(), nil
	}
	f.files.mayOpen()
	open := f.FS.Open
	if f.watch.on.Load() {
		open = f.openPlain
	}
	file, err := open(name, opts...)
	if f.watch.note(err) != nil {
		return nil, err
	}
	file = f.files.add(name, file)
	if f.watch.on.Load() {
		file = &watchedFile{File: file, watch: &f.watch}
	}
	return file, nil
}

// openPlain is substrate.OpenPlain, with the database in the name of the file.
func (f *fence) openPlain(name string, opts ...vfs.OpenOption) (vfs.File, error) {
	file, err := substrate.OpenPlain(f.FS, name, opts...)
	if damage, ok := errors.AsType[*substrate.Damage](err); ok && damage.File != "" {
		in := *damage
		in.File = f.PathBase(f.PathDir(name)) + "/" + damage.File
		return nil, &in
	}
	return file, err
}

// List implements vfs.FS.
func (f *fence) List(dir string) ([]string, error) {
	names, err := f.FS.List(dir)
	return names, f.watch.note(err)
}

// Stat implements vfs.FS.
func (f *fence) Stat(name string) (vfs.FileInfo, error) {
	info, err := f.FS.Stat(name)
	return info, f.watch.note(err)
}

// watchedFile is a file that is read while a database is opened.
type watchedFile struct {
	vfs.File
	watch *watch
}

// Read implements vfs.File.
func (f *watchedFile) Read(p []byte) (int, error) {
	n, err := f.File.Read(p)
	return n, f.watch.note(err)
}

// ReadAt implements vfs.File.
func (f *watchedFile) ReadAt(p []byte, at int64) (int, error) {
	n, err := f.File.ReadAt(p, at)
	return n, f.watch.note(err)
}
