package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/enginetest"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// countdown fails one storage operation.
type countdown struct {
	mu     sync.Mutex
	left   int // operations before the one that fails; negative: none does
	failed bool
}

var errInjected = errors.New("injected storage fault")

func (c *countdown) set(n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.left, c.failed = n, c.failed && n < 0
}

func (c *countdown) has() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.failed
}

func (c *countdown) check() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.left < 0 {
		return nil
	}
	c.left--
	if c.left >= 0 {
		return nil
	}
	c.failed = true
	return errInjected
}

// disk is what holds a hub's data.
type disk interface {
	netherite.Storage
	// crash loses what is not durable.
	crash()
	// delete loses all.
	delete()
}

// memoryDisk is a disk in memory.
type memoryDisk struct {
	*memory
	fault *countdown
}

func newMemoryDisk(partitions int, fault *countdown) *memoryDisk {
	d := &memoryDisk{newMemory(partitions), fault}
	d.arm()
	return d
}

func (d *memoryDisk) arm() {
	d.log.SetFault(func(mem.Op, int) error { return d.fault.check() })
	d.store.SetFault(func(mem.Op, int) error { return d.fault.check() })
}

func (d *memoryDisk) OpenLog() (substrate.Log, error) {
	if err := d.fault.check(); err != nil {
		return nil, err
	}
	return d.memory.OpenLog()
}

func (d *memoryDisk) crash() {
	d.log.Crash(mem.KeepNone)
	d.store.Crash(mem.KeepNone, mem.KeepNone)
}

func (d *memoryDisk) delete() {
	d.memory = newMemory(d.params.Partitions)
	d.arm()
}

// fileDisk is a disk with a file system that loses, at a crash, what was not
// synced.
type fileDisk struct {
	partitions int
	fault      *countdown
	fs         *faultfs.FS
	open       []interface{ Close() error } // of the process that may crash
}

func newFileDisk(partitions int, fault *countdown) *fileDisk {
	d := &fileDisk{partitions: partitions, fault: fault}
	d.use(faultfs.New())
	return d
}

func (d *fileDisk) use(fs *faultfs.FS) {
	d.fs = fs
	fs.SetFault(func(faultfs.Op) error { return d.fault.check() })
}

func (d *fileDisk) Parameters() netherite.Parameters {
	return netherite.Parameters{Hub: [16]byte{7}, Partitions: d.partitions}
}

func (d *fileDisk) OpenLog() (substrate.Log, error) {
	l, err := filelog.Open(filelog.Options{FS: d.fs, Dir: "/hub/log", Hub: [16]byte{7}, MinSegmentBytes: 64 << 10, MaxSegmentBytes: 1 << 20})
	if err != nil {
		return nil, err
	}
	d.open = append(d.open, l)
	return l, nil
}

func (d *fileDisk) OpenStore(memory int64) (substrate.Store, error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: d.fs, Dir: "/hub/store", MemoryBytes: min(memory, 4<<20)})
	if err != nil {
		return nil, err
	}
	d.open = append(d.open, s)
	return s, nil
}

func (d *fileDisk) Close() error { return nil }

func (d *fileDisk) crash() {
	after := d.fs.CrashClone(faultfs.Crash{})
	d.fs.SetFault(nil)
	for _, c := range d.open {
		_ = c.Close() // only to have its memory back; what it writes is of no use
	}
	d.open = nil
	d.use(after)
}

func (d *fileDisk) delete() { d.use(faultfs.New()) }

// underTest is the storage of a hub for the conformance suite.
type underTest struct {
	clock  hubtest.Flowing
	disk   disk
	fault  countdown
	adapt  func(*netherite.Options)
	engine *netherite.Engine
}

var (
	_ enginetest.Storage = (*underTest)(nil)
	_ enginetest.Gauge   = (*underTest)(nil)
)

func (u *underTest) Clock() enginetest.Clock { return u.clock }

func (u *underTest) Open(o enginetest.Options) (engine.Engine, error) {
	opts := netherite.Options{
		Storage: u.disk, Clock: u.clock, Logger: o.Logger, MaxPayload: o.MaxPayload, Memory: o.Memory,
		Gather: -1, Backoff: []time.Duration{0, time.Millisecond}, Retention: -1,
		Checkpoint: netherite.Checkpoint{Records: max(o.CheckpointRecords, 0)},
	}
	if o.CheckpointRecords < 0 {
		opts.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	}
	// The replay checker compares with all that was ever in memory, so that
	// nothing is evicted while it is on.
	opts.CheckReplay = o.Memory == 0 && !o.Bulk
	u.adapt(&opts)
	e, err := netherite.Open(opts)
	if err != nil {
		return nil, err
	}
	u.engine = e
	return e, nil
}

func (u *underTest) Checkpoint(ctx context.Context) error { return u.engine.Checkpoint(ctx) }

func (u *underTest) Crash() {
	u.engine.Kill(false)
	u.disk.crash()
}

func (u *underTest) Fail(n int)   { u.fault.set(n) }
func (u *underTest) Failed() bool { return u.fault.has() }
func (u *underTest) Held() int64  { return u.engine.Stats().StateBytes }

func (u *underTest) Check() error {
	if s := u.engine.Stats(); s.Panics > 0 || s.Parked > 0 {
		return fmt.Errorf("%d panics of the core, %d partitions parked", s.Panics, s.Parked)
	}
	return nil
}

func (u *underTest) Delete() error {
	u.disk.delete()
	return nil
}
