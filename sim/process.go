package sim

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/worker"
)

// process is one opening of the hub, with a worker.
type process struct {
	w          *world
	nr         int
	clock      *clock
	fs         *faultfs.FS
	files      *files // the same, as it uses it
	log        *wal
	durable    substrate.Offset // up to where its log has reported itself durable
	stored     substrate.Store  // what its store has applied
	eng        *netherite.Stepped
	worker     *worker.Worker
	jobs       []netherite.Job
	dead       bool
	retaining  bool // instances that have reached their retention are being purged
	paused     bool // it does nothing at all
	hung       bool // its worker does nothing
	alone      bool // it has no worker
	replaced   bool // somebody else opens the hub: a zombie
	superseded bool // somebody else has opened its log since
	spectators []*spectator
}

// logger drops what an engine tells of, unless there is a trace.
func (w *world) logger() *slog.Logger {
	if w.trace == nil {
		return slog.New(slog.DiscardHandler)
	}
	return slog.New(slog.NewTextHandler(indent{w.trace}, &slog.HandlerOptions{
		Level: slog.LevelWarn,
		ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
			if a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	}))
}

type indent struct{ out io.Writer }

// Write implements io.Writer.
func (i indent) Write(b []byte) (int, error) {
	_, err := i.out.Write(append([]byte("       | "), b...))
	return len(b), err
}

// open begins a process, which recovers the hub and then serves it. If it cannot,
// for a fault of the disk, another one tries later.
func (w *world) open() {
	w.opened++
	p := &process{w: w, nr: w.opened, fs: w.fs}
	p.clock = &clock{w: w, p: p}
	p.files = &files{FS: w.fs, p: p, open: map[string]int{}}
	p.fs.SetFault(w.diskFault())
	w.store.SetFault(w.storeFault)
	for _, old := range w.procs {
		old.replaced = true
	}
	w.procs = append(w.procs, p)
	w.note("open", uint64(p.nr), 0)
	w.spawn("open", p, func() {
		s, err := netherite.OpenStepped(w.options(p))
		switch {
		case w.crashed || p.dead:
			return
		case err != nil:
			if !errors.Is(err, errInjected) && !errors.Is(err, engine.ErrDiskFull) {
				w.fail("the hub cannot be opened: %w", err)
				return
			}
			w.note("not opened", uint64(p.nr), 0)
			p.nothingOpen("could not open the hub")
			w.end(p)
			w.after(time.Duration(1+w.faulty.IntN(2000*max(1, min(w.unopened, 10))))*time.Millisecond, w.openIfClosed)
			return
		}
		p.eng, w.unopened = s, 0
		w.meet(p)
		w.retain(p)
		w.note("opened", uint64(p.nr), uint64(p.durable))
	})
}

// openIfClosed opens the hub unless a process has it.
func (w *world) openIfClosed() {
	if w.serving() == nil && !w.opening() {
		w.open()
	}
}

// serving is the process that clients use, or nil. One that was replaced does not
// serve, even if the other one could not open the hub.
func (w *world) serving() *process {
	if n := len(w.procs); n > 0 && w.procs[n-1].eng != nil && !w.procs[n-1].replaced {
		return w.procs[n-1]
	}
	return nil
}

func (w *world) opening() bool { return len(w.procs) > 0 && w.procs[len(w.procs)-1].eng == nil }

func (w *world) options(p *process) netherite.SteppedOptions {
	o := netherite.SteppedOptions{Park: w.park, KeeperTick: w.plan.keeperTick, FullPause: 100 * time.Millisecond, EvictAlways: w.plan.evictAlways}
	o.OnEvent = func(id int, ev partition.Event) { w.onEvent(p, id, ev) }
	o.OnMessage = func(_ int, m *model.Message) { w.spoilMessage(m) }
	o.Storage, o.Clock, o.Logger = &storage{w, p}, p.clock, w.logger()
	o.Random = &stream{w: w}
	o.Release, o.Checkpoint, o.MaxBatch = w.plan.release, w.plan.checkpoint, w.plan.maxBatch
	o.MaxEntityBatch, o.Resend, o.Retention = w.plan.maxBatch, w.plan.resend, w.plan.retention
	o.Transport, o.CheckReplay = w.transport(p), w.plan.checkReplay
	o.Window, o.MaxPayload = w.plan.window, w.plan.limit
	o.Backoff = []time.Duration{0, 100 * time.Millisecond, time.Second}
	return o
}

// stream makes session IDs.
type stream struct{ w *world }

// Read implements io.Reader.
func (s *stream) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = byte(s.w.schedule.Uint32())
	}
	return len(b), nil
}

// meet gives a process that has just opened the hub a worker, at once or after a while.
func (w *world) meet(p *process) {
	if !w.chaos || !w.plan.has(WorkerLosses) || w.faulty.IntN(3) > 0 {
		w.connect(p)
		return
	}
	w.fault(WorkerLosses, "no worker yet", uint64(p.nr), 0)
	w.connectIn(time.Duration(w.faulty.IntN(3000))*time.Millisecond, p)
}

// connectIn gives a process a worker after a while without any.
func (w *world) connectIn(d time.Duration, p *process) {
	p.alone = true
	w.after(d, func() {
		if p.alone = false; !p.dead {
			w.connect(p)
		}
	})
}

// connect gives a process a worker.
func (w *world) connect(p *process) {
	var err error
	p.worker, err = worker.New(worker.Options{
		Handlers: w.workload.handlers, Clock: p.clock, Stepped: true, SlowStep: 24 * time.Hour,
		CacheCount: w.plan.cache, Logger: slog.New(slog.DiscardHandler),
	})
	if err == nil {
		err = p.worker.Run(&feed{p.eng.Engine(), p})
	}
	if err != nil {
		w.fail("connect a worker: %w", err)
	}
}

// disconnect takes a process's worker away, with all that it has.
func (p *process) disconnect() {
	if p.worker == nil { // none has come
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_ = p.worker.Close(ctx) // cancelled: nothing is waited for
}

// onEvent is called with every event that a partition admits.
func (w *world) onEvent(p *process, id int, ev partition.Event) {
	w.steps++
	p.log.releases.admitted(ev)
	var subject uint64
	switch e := ev.(type) {
	case *partition.Opened:
		w.openings++
	case *partition.Start:
		subject = digest(e.Request.Instance)
		w.onRequest(e, &e.Client, e.Request.Instance)
	case *partition.Command:
		subject = digest(e.Instance)
		w.onRequest(e, &e.Client, e.Instance)
	case *partition.StepDone:
		subject = e.Ord
	case *partition.EntityDone:
		subject = e.Ord
	case *partition.TaskDone:
		subject = e.Ord<<8 | uint64(uint8(e.Task))
	case *partition.Received:
		subject = e.First
	case *partition.TimersFired:
		for _, t := range e.Timers {
			if err := w.inTime(t.FireAt); err != nil {
				w.fail("%w", err)
			}
		}
	}
	w.spoil(p, id, ev)
	w.note("event", uint64(ev.Kind())<<8|uint64(id), subject)
}

// job has the engine do something, in a task if it may wait.
func (p *process) job(j netherite.Job) {
	w := p.w
	w.note("job", uint64(p.nr), uint64(j.Kind)<<8|uint64(j.Partition))
	if j.Kind == netherite.RunPartition {
		p.log.releases.before(p)
		p.listen()
		p.eng.Do(j)
		p.log.releases.appended(p, j.Partition)
		p.listenTo(j.Partition)
		return
	}
	if j.Kind == netherite.RunRecovery {
		w.note("node recovers", uint64(p.nr), 0)
	}
	w.spawn("job", p, func() {
		if p.eng.Do(j); j.Kind == netherite.RunRecovery && !p.eng.Failed() {
			w.unopened = 0
		}
	})
}

// goOn ends a pause. What should have been called meanwhile is called now.
func (p *process) goOn() {
	p.paused = false
	due := p.clock.due
	p.clock.due = nil
	for _, f := range due {
		f()
	}
}

// end takes a process out of the world. Nothing of it goes on.
func (w *world) end(p *process) {
	p.dead, p.clock.dead = true, true
	for i := range w.procs {
		if w.procs[i] == p {
			w.procs = append(w.procs[:i], w.procs[i+1:]...)
			break
		}
	}
	w.killTasks(p)
	if p.eng != nil {
		p.disconnect()
		p.eng.Engine().Kill(false)
	}
}

// powerFailure follows losePower: all processes are gone; one comes back.
func (w *world) powerFailure() {
	for len(w.procs) > 0 {
		w.end(w.procs[0])
	}
	w.crashed, w.crashIn = false, 0
	if w.chaos && w.faulty.IntN(3) == 0 { // and again, in the middle of the recovery
		w.crashIn = 1 + w.faulty.IntN(60)
	}
	w.after(w.seldom(5*time.Second, time.Minute), w.openIfClosed)
}

// kill ends all processes, but not the machine: what they wrote is there.
func (w *world) kill() { w.killed(w.procs) }

// killed ends processes. Of their store what was flushed is there, or more, where
// its memory was full before. (Which is left out if another one has the store open.)
func (w *world) killed(procs []*process) {
	for _, p := range slices.Clone(procs) {
		w.end(p)
	}
	if len(w.procs) == 0 && w.disk.IntN(2) == 0 {
		keep := mem.KeepRandom(w.disk)
		w.store.Crash(keep, keep)
	}
	w.after(w.seldom(3*time.Second, time.Minute), w.openIfClosed)
}

// feed is the engine's, whose connections hand in some results twice.
type feed struct {
	e *netherite.Engine
	p *process
}

// Connect implements engine.Feed.
func (f *feed) Connect(w engine.Worker) (engine.Connection, error) {
	c, err := f.e.Connect(&offers{w, f.p})
	if err != nil {
		return nil, err
	}
	return &conn{Connection: c, p: f.p}, nil
}

type conn struct {
	engine.Connection
	p *process
}

// again hands in a result for a second time, soon.
func (c *conn) again(kind string, hand func() error) {
	w := c.p.w
	if !w.chaos || !w.plan.has(TwinResults) || w.workers.IntN(20) > 0 {
		return
	}
	soon := 50
	if w.workers.IntN(4) == 0 {
		soon = 5000 // the connection may be closed by then
	}
	w.after(time.Duration(w.workers.IntN(soon))*time.Millisecond, func() {
		if c.p.dead {
			return
		}
		w.fault(TwinResults, kind+" again", uint64(c.p.nr), 0)
		// An activity may have been offered again under the same token, to the
		// same worker; then one more result is as good as any.
		if err := hand(); !errors.Is(err, engine.ErrStale) && kind != "activity" {
			w.fail("feed: a result of an item that had been completed was taken: %v", err)
		}
	})
}

// CompleteOrchestration implements engine.Connection.
func (c *conn) CompleteOrchestration(r *engine.OrchestrationResult) error {
	twin := *r
	err := c.Connection.CompleteOrchestration(r)
	c.again("step", func() error { return c.Connection.CompleteOrchestration(&twin) })
	return err
}

// CompleteActivity implements engine.Connection.
func (c *conn) CompleteActivity(r *engine.ActivityResult) error {
	twin := *r
	err := c.Connection.CompleteActivity(r)
	c.again("activity", func() error { return c.Connection.CompleteActivity(&twin) })
	return err
}

// CompleteEntity implements engine.Connection.
func (c *conn) CompleteEntity(r *engine.EntityResult) error {
	twin := *r
	err := c.Connection.CompleteEntity(r)
	c.again("batch", func() error { return c.Connection.CompleteEntity(&twin) })
	return err
}
