package pebblestore

import (
	"sync"

	"github.com/netherite-go/netherite/internal/nospace"
)

const ballastName = "ballast"

// ballast is a file whose only use is that it can be removed.
type ballast struct {
	mu    sync.Mutex
	known bool // whether there is the file has been looked up
	there bool
}

// ReleaseBallast removes the ballast file, so that there is space to finish what
// is under way. The store does it by itself when it meets a full disk; an owner
// that knows earlier may, too. It is made again when there is space.
func (s *Store) ReleaseBallast() {
	b := &s.ballast
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.there || !s.fence.mayChange() {
		return
	}
	if err := s.opts.FS.Remove(s.ballastFile()); err != nil {
		s.opts.Logger.Warn("cannot release the ballast", "dir", s.opts.Dir, "err", err)
		return
	}
	b.there = false
	s.opts.Logger.Warn("disk is full: released the ballast to finish what is under way", "dir", s.opts.Dir, "bytes", s.opts.BallastBytes)
}

// SpendBallast removes the ballast file of a store that is not open, for an opening that
// has met a full disk, of this store or of what lies beside it: it takes space each time,
// for new manifests for example, before the store could release anything. It reports
// whether there was one. Once there is space, the opened store makes it again.
func SpendBallast(opts Options) bool {
	opts = opts.withDefaults()
	name := opts.FS.PathJoin(opts.Dir, ballastName)
	if info, err := opts.FS.Stat(name); err != nil || !info.Mode().IsRegular() || info.Size() == 0 || opts.FS.Remove(name) != nil {
		return false
	}
	opts.Logger.Warn("disk is full: released the ballast to open what is there", "dir", opts.Dir)
	return true
}

// metFull is called whenever an operation has met a full disk, before it pauses
// and is tried again: who waits for it is told.
func (s *Store) metFull() {
	s.ReleaseBallast()
	notify(s.noSpace)
}

func (s *Store) ballastFile() string { return s.opts.FS.PathJoin(s.opts.Dir, ballastName) }

// restoreBallast makes the ballast file if it is wanted and there is four times
// its size. A file system that cannot tell gets it at Open only.
func (s *Store) restoreBallast() {
	b := &s.ballast
	b.mu.Lock()
	defer b.mu.Unlock()
	size := s.opts.BallastBytes
	if size <= 0 || b.there || !s.fence.mayChange() {
		return
	}
	first := !b.known
	b.known = true
	if info, err := s.opts.FS.Stat(s.ballastFile()); err == nil && info.Size() >= size {
		b.there = true
		return
	}
	usage, err := s.opts.FS.GetDiskUsage(s.opts.Dir)
	if err != nil && !first || err == nil && usage.AvailBytes < 4*uint64(size) {
		return
	}
	if err := writeZeros(s.opts.FS, s.ballastFile(), size); err != nil {
		_ = s.opts.FS.Remove(s.ballastFile()) // a part of it would only be in the way
		if !nospace.Is(err) {
			s.opts.Logger.Warn("cannot make the ballast", "dir", s.opts.Dir, "err", err)
		}
		return
	}
	b.there = true
}
