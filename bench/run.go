package bench

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// Run opens a hub in cfg.Dir, runs the workload, checks its result, and calls
// done with the figures while the hub is still open. RecoveryMillis is left to
// the caller, who can kill the process.
func Run(ctx context.Context, cfg Config, done func(*Result)) (err error) {
	if err := cfg.Validate(); err != nil {
		return err
	}
	if cfg.Profile == "mem" {
		runtime.MemProfileRate = memoryRate
	}
	w := find(cfg.Workload)
	r := &Result{
		Workload: w.name, Unit: w.unit, Partitions: cfg.Partitions,
		Release: cfg.Release, Version: cfg.Version, Check: "ok",
		Rate: cfg.Rate, Count: cfg.Count, Preload: cfg.Preload, WarmupSeconds: cfg.Warmup.Seconds(),
		Memory: cmp.Or(cfg.Memory, DefaultMemory),
	}
	r.place()
	if !cfg.SkipProbe {
		cfg.phase("speed of the disk")
		if err := r.probe(cfg.Dir); err != nil {
			return err
		}
	}
	d := w.make()
	on, err := start(ctx, &cfg, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, on.Close(context.WithoutCancel(ctx))) }()
	e := &env{hub: on, cfg: &cfg, runID: runID()}
	if err := prepare(ctx, e, d); err != nil {
		return err
	}
	if err := r.run(ctx, e, d, w); err != nil {
		return err
	}
	if s, ok := on.(*Served); ok {
		if err := s.Kill(); err != nil {
			return fmt.Errorf("kill the server: %w", err)
		}
	}
	done(r)
	return nil
}

// runID is unique: a reused hub may hold instances of other runs.
func runID() string {
	var b [6]byte
	_, _ = rand.Read(b[:]) // never fails
	return "r" + hex.EncodeToString(b[:])
}

// start opens the hub here, or has it served.
func start(ctx context.Context, cfg *Config, d driver) (hub, error) {
	if cfg.Connect != nil {
		return cfg.Connect(ctx, cfg)
	}
	h, err := open(cfg, d)
	return &own{h}, err
}

// home is the hub's directory: a server has several hubs in its own.
func (c *Config) home() string { return filepath.Join(c.Dir, c.Home) }

// open opens the hub with the workload's code.
func open(cfg *Config, d driver) (*netherite.Hub, error) {
	release, err := netherite.ParseRelease(cfg.Release)
	if err != nil {
		return nil, err
	}
	return netherite.Open(cfg.home(), netherite.Serve(cfg.handlers(d)...), netherite.Partitions(cfg.Partitions), netherite.ReleaseLevel(release),
		netherite.Memory(int64(cmp.Or(cfg.Memory, DefaultMemory))<<20))
}

// prepare fills the hub and sets the workload up.
func prepare(ctx context.Context, e *env, d driver) error {
	if e.cfg.Preload > 0 {
		e.cfg.phase("preload, %d instances", e.cfg.Preload)
	}
	if err := preload(ctx, e); err != nil {
		return fmt.Errorf("preload: %w", err)
	}
	if err := d.setup(ctx, e); err != nil {
		return fmt.Errorf("set up %s: %w", e.cfg.Workload, err)
	}
	return nil
}

// counters are what the figures are differences of.
type counters struct {
	at     time.Time
	cpu    time.Duration
	device int64
	stats  netherite.Stats
	server time.Duration // CPU of the other processes
	worker time.Duration
}

func read(h hub, dir string) counters {
	c := counters{at: time.Now(), cpu: CPUTime(), device: deviceBytes(dir), stats: h.Stats()}
	if s, ok := h.(*Served); ok {
		c.at, c.server, c.worker = time.Now(), s.last().server.CPU, s.last().worker.CPU
	}
	return c
}

// run warms up, measures the window, and checks.
func (r *Result) run(ctx context.Context, e *env, d driver, w *workload) error {
	cfg := *e.cfg
	if w.name == "waiting" {
		// Its count is that of the sleepers; the window goes by time, if one is given.
		cfg.Count, cfg.Warmup, cfg.Duration = 0, 0, cmp.Or(cfg.Duration, wakingLimit)
	}
	r.Clients = cfg.Clients
	l := &load{cfg: &cfg, gauges: func() gauges {
		s := e.hub.Stats()
		if far, ok := e.hub.(*Served); ok {
			return gauges{rss: far.last().server.RSS, checkpoints: s.CaughtUp, segments: s.Log.SegmentsBegun}
		}
		return gauges{rss: residentBytes(), checkpoints: s.CaughtUp, segments: s.Log.SegmentsBegun}
	}, op: func(ctx context.Context, client, n int) (int64, error) { return d.op(ctx, e, client, n) }}
	e.admit = l.admitted
	own, probes := d.(prober)
	if probes = probes && !cfg.SkipProbe; probes {
		if err := own.before(ctx, e, r); err != nil {
			return fmt.Errorf("before %s: %w", w.name, err)
		}
	}
	if cfg.Warmup > 0 {
		cfg.phase("warm-up, %v", cfg.Warmup)
	}
	l.warmUp(ctx)
	stop, err := e.hub.profile(cfg.Profile, cfg.ProfileFile)
	if err != nil {
		return err
	}
	cfg.phase("window, %s", cfg.length())
	begin := read(e.hub, cfg.Dir)
	h := l.measure(ctx)
	seconds := time.Since(begin.at).Seconds()
	if err := stop(); err != nil {
		return err
	}
	cfg.phase("checks")
	within := e.hub.Stats().CaughtUp - begin.stats.CaughtUp // the final one is forced
	if err := e.hub.Checkpoint(ctx); err != nil {
		return fmt.Errorf("final checkpoint: %w", err)
	}
	end := read(e.hub, cfg.Dir)
	r.fill(l, e.hub, h, begin, end, seconds)
	r.Checkpoints = within
	r.Began = begin.at.UTC().Format(time.RFC3339)
	if probes {
		if err := own.after(ctx, e, r); err != nil {
			return fmt.Errorf("after %s: %w", w.name, err)
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	r.Sample = e.samples.first()
	if failed := l.firstFail.Load(); failed != nil {
		r.Check = (*failed).Error()
	} else if err := errors.Join(d.check(ctx, e), e.samples.check(ctx, e), r.query(ctx, e)); err != nil {
		r.Check = err.Error()
	}
	r.judge()
	r.judgeProfile(cfg.Profile)
	r.judgeDisk(!cfg.SkipProbe)
	return nil
}

// fill computes the figures of the window.
func (r *Result) fill(l *load, on hub, h *hdrhistogram.Histogram, begin, end counters, seconds float64) {
	units := max(l.units.Load(), 1)
	r.Completed, r.Failed, r.Refused, r.Calls = l.units.Load(), l.failed.Load(), l.refused.Load(), l.calls.Load()
	r.RefusedWhy = l.refusedWhy()
	r.Seconds = seconds
	r.PerSecond = float64(r.Completed) / seconds
	r.P50, r.P95, r.P99, r.P999, r.Max = millisAt(h, 50), millisAt(h, 95), millisAt(h, 99), millisAt(h, 99.9), float64(h.Max())/1000
	r.Percentiles, r.Series, r.WorstSecond = distribution(h), l.points, worstSecond(l.points)
	perOp := func(n int64) float64 { return float64(n) / float64(units) }
	r.CPUPerOp = perOp((end.cpu - begin.cpu).Microseconds())
	r.LogBytesPerOp = perOp(end.stats.Log.GroupBytes - begin.stats.Log.GroupBytes)
	r.StoreBytesPerOp = perOp(end.stats.Store.WrittenBytes - begin.stats.Store.WrittenBytes)
	r.DeviceBytesPerOp = perOp(end.device - begin.device)
	r.Syncs = end.stats.Log.Syncs - begin.stats.Log.Syncs
	r.SyncsPerOp = perOp(r.Syncs)
	r.PartitionCheckpoints = end.stats.Checkpoints - begin.stats.Checkpoints
	r.PeakRSS = peakRSS()
	if s, ok := on.(*Served); ok {
		r.fillServed(s, begin, end)
	}
}

// probe measures the disk under the directory's lock: the hub of another process
// is neither disturbed nor measured.
func (r *Result) probe(dir string) (err error) {
	lock, err := dirlock.Acquire(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	d, err := probeDisk(dir)
	r.FdatasyncP50 = float64(d.over.Microseconds()) / 1000
	r.FdatasyncMax = float64(d.longest.Microseconds()) / 1000
	r.FdatasyncAppendP50 = float64(d.growing.Microseconds()) / 1000
	return err
}

// Recover opens the hub in dir again, after the process that had it open was
// killed, and returns how long it took until the status of an instance was
// answered.
func Recover(ctx context.Context, cfg Config, sample string) (time.Duration, error) {
	w := find(cfg.Workload)
	begin := time.Now()
	hub, err := open(&cfg, w.make())
	if err != nil {
		return 0, fmt.Errorf("reopen after the kill: %w", err)
	}
	var m *model.Instance
	if sample != "" {
		m, err = hub.Engine().Get(ctx, sample, engine.GetOptions{})
	} else {
		_, err = hub.Engine().Query(ctx, engine.Query{PageSize: 1})
	}
	took := time.Since(begin)
	if err == nil && m != nil && !m.Status.Ended() {
		err = fmt.Errorf("instance %s was acknowledged as ended and is %s after the kill", sample, m.Status)
	}
	return took, errors.Join(err, hub.Close(ctx))
}
