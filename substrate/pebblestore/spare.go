package pebblestore

import (
	"errors"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	spareName = "spare"
	// spareBytes is more than the manifests of both databases grow by before
	// nothing else is written any more.
	spareBytes = 256 << 10
)

// spare is a file that is removed when a manifest meets a full disk, so that it
// can be written. While it is gone nothing else is, so that no more manifests
// have to be.
type spare struct {
	fs    vfs.FS
	name  string
	there atomic.Bool
	mu    sync.Mutex
}

// spend removes the file. It returns false if it was gone already.
func (s *spare) spend() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.there.Load() {
		return false
	}
	s.there.Store(false)
	return s.fs.Remove(s.name) == nil
}

// restore makes the file unless it is there.
func (s *spare) restore() error {
	if s.there.Load() {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.there.Load() {
		return nil
	}
	if info, err := s.fs.Stat(s.name); err != nil || info.Size() < spareBytes {
		if err := writeZeros(s.fs, s.name, spareBytes); err != nil {
			_ = s.fs.Remove(s.name) // a part of it would only be in the way
			return err
		}
	}
	s.there.Store(true)
	return nil
}

// writeZeros makes a file that takes up space.
func writeZeros(fs vfs.FS, name string, size int64) error {
	f, err := fs.Create(name, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	chunk := make([]byte, min(size, 256<<10))
	for left := size; left > 0 && err == nil; left -= int64(len(chunk)) {
		_, err = f.Write(chunk[:min(left, int64(len(chunk)))])
	}
	if err == nil {
		err = f.Sync() // some file systems find room only now
	}
	return errors.Join(err, f.Close())
}
