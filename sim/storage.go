package sim

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sidefile"
)

const (
	hubDir  = "/hub/log"
	sideDir = "/hub/parked"
)

var errInjected = errors.New("the disk reports an error")

// storage is where a process finds the hub: the log on the machine's file
// system, as in production, and the twin of the store.
type storage struct {
	w *world
	p *process
}

var _ netherite.SideStorage = (*storage)(nil)

// Parameters implements netherite.Storage.
func (s *storage) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: [16]byte{1}, Partitions: s.w.plan.partitions}
}

// OpenLog implements netherite.Storage.
func (s *storage) OpenLog() (substrate.Log, error) {
	if s.p.replaced { // the lock of the directory is somebody else's
		return nil, engine.ErrHeld
	}
	s.w.unopened++
	inner, err := filelog.Open(filelog.Options{
		FS: s.p.files, Dir: hubDir, Hub: filelog.HubID{1}, Inline: true,
		MinSegmentBytes: s.w.plan.segment, MaxSegmentBytes: 4 * s.w.plan.segment,
	})
	if err != nil {
		return nil, err
	}
	l := &wal{Log: inner, w: s.w, p: s.p}
	s.w.calm = s.w.now
	s.p.log, s.p.durable = l, inner.End() // what an opening finds is durable
	for _, other := range s.w.procs {
		other.superseded = other != s.p
	}
	if err := s.w.prefix.Opened(inner); err != nil && !s.w.crashed && !s.p.dead && !errors.Is(err, errInjected) {
		s.w.fail("log prefix: %w", err)
	}
	return l, nil
}

// OpenStore implements netherite.Storage.
func (s *storage) OpenStore(int64) (substrate.Store, error) {
	inner, err := s.w.store.Open()
	if err != nil {
		return nil, err
	}
	s.p.stored = inner
	return &store{Store: inner, w: s.w, p: s.p}, nil
}

// OpenSideFiles implements netherite.SideStorage.
func (s *storage) OpenSideFiles() (substrate.SideFiles, error) {
	return &sideFiles{sidefile.Open(s.p.files, sideDir, [16]byte{1}), s.p}, nil
}

// Close implements netherite.Storage.
func (s *storage) Close() error { return nil }

// wal is a log that takes its time, and tells the checkers.
type wal struct {
	substrate.Log
	w *world
	p *process

	releases releases
	trimmed  substrate.Offset // what is before it is not needed any more
}

// Write implements substrate.Log.
func (l *wal) Write(group []byte) error {
	at := l.End()
	err := l.Log.Write(group)
	if l.releases.lacking = errors.Is(err, substrate.ErrDiskFull); l.releases.lacking {
		l.releases.lacks++
	}
	if err != nil {
		if !l.p.superseded {
			l.w.prefix.Tried(at, group)
		}
		return err
	}
	if l.p.superseded {
		l.w.fail("zombie: process %d has written to the log after another one had opened it", l.p.nr)
		return nil
	}
	l.w.prefix.Wrote(at, group)
	return nil
}

// Sync implements substrate.Log.
func (l *wal) Sync() error {
	l.w.sync()
	end := l.End()
	if err := l.Log.Sync(); err != nil {
		return err
	}
	if l.w.crashed {
		return nil
	}
	l.w.note("synced", uint64(l.p.nr), uint64(end))
	if l.p.superseded {
		if end > l.p.durable {
			l.w.fail("zombie: process %d has made the log durable up to %d after another one had opened it", l.p.nr, end)
		}
		return nil
	}
	l.p.durable = end
	l.w.prefix.SyncedTo(end)
	return nil
}

// sync takes as long as a sync does. A slow one may outlast the chaos in which it began.
func (w *world) sync() {
	if w.chaos && w.plan.has(SlowDisks) && w.disk.IntN(50) == 0 {
		w.fault(SlowDisks, "slow disk", 0, 0)
		w.sleep(time.Duration(w.disk.Int64N(int64(w.plan.slow))))
		w.calm = w.now
		return
	}
	w.sleep(time.Duration(50+w.disk.IntN(400)) * time.Microsecond)
}

// Trim implements substrate.Log.
func (l *wal) Trim(before substrate.Offset) error {
	begin := l.Begin()
	err := l.Log.Trim(before)
	if err == nil {
		l.trimmed = max(l.trimmed, before)
	}
	if err == nil && l.Begin() != begin {
		l.p.notAZombie("trimmed the log")
	}
	return err
}

// store is a store that makes what was applied durable late, at one moment. The
// production store looks whose it is then; this one leaves that to the engine.
type store struct {
	substrate.Store
	w *world
	p *process
}

// Apply implements substrate.Store.
func (s *store) Apply(b substrate.Batch, partition int, stamp substrate.Stamp) error {
	err := s.Store.Apply(b, partition, stamp)
	if err == nil {
		s.w.note("applied", uint64(partition), uint64(stamp.Offset))
		s.p.notAZombie("written a checkpoint")
		if stamp.Offset > s.w.prefix.Synced() && !s.w.crashed {
			s.w.fail("checkpoint: partition %d is stamped %d, but only %d of the log is durable", partition, stamp.Offset, s.w.prefix.Synced())
		}
	}
	return err
}

// Flush implements substrate.Store.
func (s *store) Flush() error {
	err := s.Store.Flush()
	if err == nil {
		s.p.notAZombie("flushed the store")
	}
	s.w.sync()
	return err
}

// Close implements substrate.Store.
func (s *store) Close() error {
	s.p.notAZombie("closed the store, which flushes it,")
	return s.Store.Close()
}

// notAZombie fails the seed if a process has done something although another one
// has opened the hub since it did.
func (p *process) notAZombie(what string) {
	if p.superseded && !p.w.crashed {
		p.w.fail("zombie: process %d has %s after another one had opened the hub", p.nr, what)
	}
}

// sideFiles tells the checkers of changes.
type sideFiles struct {
	substrate.SideFiles
	p *process
}

// Put implements substrate.SideFiles.
func (f *sideFiles) Put(partition int, fill func(add func(end substrate.Offset, chunk []byte) error) error) error {
	err := f.SideFiles.Put(partition, fill)
	if err == nil {
		f.p.notAZombie("written a side file")
	}
	return err
}

// Remove implements substrate.SideFiles.
func (f *sideFiles) Remove(partition int) error {
	err := f.SideFiles.Remove(partition)
	if err == nil {
		f.p.notAZombie("removed a side file")
	}
	return err
}

// diskFault is what the file system asks before each operation.
func (w *world) diskFault() faultfs.Fault {
	return func(op faultfs.Op) error {
		if w.crashed {
			return faultfs.ErrKilled
		}
		if !w.chaos {
			return nil
		}
		if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpList {
			return w.diskError(op, 10*w.plan.errorOf)
		}
		if w.crashIn > 0 {
			if w.crashIn--; w.crashIn == 0 {
				w.losePower("crash at "+string(op.Kind), uint64(op.N))
				return faultfs.ErrKilled
			}
		}
		// Files are seldom being made, and what half of one is taken for matters.
		if w.plan.has(Crashes) && strings.HasSuffix(op.Path, ".tmp") && w.disk.IntN(20) == 0 {
			w.losePower("crash with an unfinished file at "+string(op.Kind), uint64(op.N))
			return faultfs.ErrKilled
		}
		return w.diskError(op, w.plan.errorOf)
	}
}

// diskError is an error of one in so many operations, a rarer one in an opening that
// follows one that has failed: that of a long log is a thousand operations, and would
// never succeed.
func (w *world) diskError(op faultfs.Op, of int) error {
	if !w.plan.has(DiskErrors) || w.disk.IntN(of*max(1, w.unopened)) > 0 {
		return nil
	}
	w.fault(DiskErrors, "disk error at "+string(op.Kind), digest(op.Path), uint64(op.N))
	return fmt.Errorf("%s %s: %w", op.Kind, strings.TrimPrefix(op.Path, "/hub/"), errInjected)
}

// storeFault is what the store asks before it applies or flushes.
func (w *world) storeFault(op mem.Op, n int) error {
	if !w.chaos || w.crashed {
		return nil
	}
	switch {
	case w.storeFull && (op == mem.OpApply || op == mem.OpFlush):
		return substrate.ErrDiskFull
	case !w.plan.has(StoreErrors):
	case (op == mem.OpApply || op == mem.OpFlush) && w.disk.IntN(60) == 0,
		(op == mem.OpGet || op == mem.OpScan) && w.disk.IntN(4000) == 0:
		w.fault(StoreErrors, "store error at "+string(op), uint64(n), 0)
		return errInjected
	}
	return nil
}

// losePower stops everything at this very moment. What is left on the disk is
// decided now; the rest follows when the running step has returned.
func (w *world) losePower(how string, detail uint64) {
	if w.crashed {
		return
	}
	w.fault(Crashes, how, detail, 0)
	w.crashed = true
	c := faultfs.Crash{Rand: w.disk, KeepSectors: [...]float64{0, 0.1, 0.5, 1}[w.disk.IntN(4)],
		KeepNames: [...]float64{0, 0.5, 1}[w.disk.IntN(3)], Fill: faultfs.Fill(w.disk.IntN(4))}
	left := w.fs.CrashClone(c)
	w.fs.Kill()
	w.fs = left
	keep := mem.KeepRandom(w.disk)
	w.store.Crash(keep, keep)
}
