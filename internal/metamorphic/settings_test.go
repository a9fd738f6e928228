package metamorphic_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/worker"
)

// setting is a set of options that must not make a difference.
type setting struct {
	name       string
	partitions int
	release    netherite.Release
	checkpoint checkpoints
	evict      bool          // nothing is kept in memory between steps, no live copies either
	liveCopies int           // kept by the worker; 0 is its default
	segment    int64         // bytes of a file of the log
	batch      int           // messages of a step; 0 is the default
	slots      int           // items that a worker has at a time; 0 is the default
	gather     time.Duration // how long a commit waits for work under way; 0 is the default, below 0 not at all
	sealed     bool          // payloads are encrypted
	lossy      bool
	restartAt  int // after this line of the script
	restart    func(*player) error
}

// checkpoints says when there is one.
type checkpoints uint8

const (
	byDefault checkpoints = iota
	every
	none
)

// crash ends the hub at once after a line, whatever that has set in motion.
func crash(keep float64) func(*player) error {
	return func(p *player) error {
		rng := rand.New(rand.NewPCG(uint64(p.setting.restartAt), 5))
		return p.hub.Crash(faultfs.Crash{Rand: rng, KeepSectors: keep, Fill: faultfs.FillAny, Whole: hubtest.InStore})
	}
}

func reopen(p *player) error { return p.hub.Restart(p.ctx) }

// settings are the fixed ones. The first is what the others are compared with.
var settings = []setting{
	{name: "defaults", partitions: 4},
	{name: "one partition", partitions: 1},
	{name: "many partitions", partitions: 32},
	{name: "released by partition", partitions: 4, release: netherite.ReleasePartition},
	{name: "released when durable", partitions: 4, release: netherite.ReleaseConservative, checkpoint: none},
	{name: "checkpoint after every line", partitions: 4, checkpoint: every},
	{name: "nothing in memory", partitions: 4, evict: true},
	{name: "one live copy", partitions: 4, liveCopies: 1, checkpoint: none},
	{name: "tiny segments", partitions: 4, segment: 4 << 10, checkpoint: every},
	{name: "one message at a time", partitions: 4, batch: 1, slots: 1},
	{name: "commits that wait for no work", partitions: 4, gather: -1},
	{name: "commits that wait for all work", partitions: 32, gather: time.Hour},
	{name: "sealed payloads", partitions: 4, sealed: true},
	{name: "lossy transport", partitions: 4, lossy: true},
	{name: "crash", partitions: 4, gather: -1, restartAt: 40, restart: crash(0)},
	{name: "crash with sealed payloads, nothing in memory", partitions: 4, evict: true, sealed: true, restartAt: 45, restart: crash(0.5)},
	{name: "crash of what nothing is kept of", partitions: 32, evict: true, release: netherite.ReleasePartition, restartAt: 25, restart: crash(0.5)},
	{name: "restart", partitions: 4, segment: 8 << 10, restartAt: 30, restart: reopen},
	{name: "crash with a lossy transport", partitions: 4, lossy: true, restartAt: 35, restart: crash(1)},
}

// randomSetting draws every option by itself.
func randomSetting(rng *rand.Rand, lines int) setting {
	s := setting{
		partitions: []int{1, 2, 4, 32}[rng.IntN(4)], release: netherite.Release(rng.IntN(3)), checkpoint: checkpoints(rng.IntN(3)), evict: rng.IntN(3) == 0,
		liveCopies: []int{0, 1, -1}[rng.IntN(3)], segment: []int64{0, 4 << 10, 64 << 10}[rng.IntN(3)], batch: []int{0, 1, 3}[rng.IntN(3)], slots: []int{0, 1}[rng.IntN(2)],
		lossy: rng.IntN(4) == 0, restartAt: rng.IntN(lines), gather: []time.Duration{0, -1, time.Hour}[rng.IntN(3)], sealed: rng.IntN(3) == 0,
	}
	s.restart = []func(*player) error{nil, reopen, crash(0), crash(0.5), crash(1)}[rng.IntN(5)]
	s.name = fmt.Sprintf("%+v", s)
	return s
}

// play plays a script in a new hub with the setting.
func (s setting) play(ctx context.Context, script []operation) (said []string, err error) {
	if s.restart == nil {
		s.restartAt = -1
	}
	p := &player{setting: s, clock: &watched{Clock: mem.NewClock(time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC))}, ctx: ctx}
	o := hubtest.Options{
		Disk: &hubtest.Disk{FS: faultfs.New(), Partitions: s.partitions, SegmentBytes: s.segment},
		Engine: netherite.Options{
			Clock: p.clock, Release: s.release, CheckReplay: true, EvictAlways: s.evict, Gather: s.gather, Retention: -1, MaxBatch: s.batch, MaxEntityBatch: s.batch,
			Random: rand.NewChaCha8([32]byte{1}),
		},
		Worker: worker.Options{Handlers: code, CacheCount: s.liveCopies, Orchestrations: s.slots, Entities: s.slots, Activities: s.slots, SlowStep: 1 << 60},
	}
	if s.sealed {
		o.Worker.Codec = sealing
	}
	if s.evict {
		o.Worker.CacheCount = -1
	}
	switch s.checkpoint {
	case every:
		o.Engine.Checkpoint.Records = 1
	case none:
		o.Engine.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
	}
	if s.lossy {
		p.lossy = hubtest.NewLossy(1, p.clock.Clock)
		o.Engine.Transport, o.Engine.Resend = p.lossy.Transport, hubtest.Resend
	}
	if p.hub, err = hubtest.Open(o); err != nil {
		return nil, err
	}
	said, err = p.play(script)
	if closeErr := p.hub.Close(ctx); err == nil && closeErr != nil {
		err = fmt.Errorf("close: %w", closeErr)
	}
	return said, err
}
