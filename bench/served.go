package bench

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
)

// hub is what a workload runs on: one that is open in this process, or one that
// a server has open.
type hub interface {
	durable.Hub
	Stats() netherite.Stats
	Checkpoint(context.Context) error
	Close(context.Context) error
	// profile records a profile until stop is called.
	profile(kind, file string) (stop func() error, err error)
}

// own is a hub of this process.
type own struct{ *netherite.Hub }

func (*own) profile(kind, file string) (func() error, error) { return startProfile(kind, file) }

// StartProfile records a profile of this process: of one of the kinds that
// Profiles lists, or none if that is empty.
func StartProfile(kind, file string) (stop func() error, err error) { return startProfile(kind, file) }

// Figures are what a process of the server, or of its worker, says of itself.
type Figures struct {
	Stats netherite.Stats // of the hub; the worker has none
	CPU   time.Duration
	RSS   int64 // bytes
	Peak  int64 // bytes
}

// OwnFigures are those of this process.
func OwnFigures() Figures { return Figures{CPU: CPUTime(), RSS: residentBytes(), Peak: peakRSS()} }

// Served is a hub that a server in a process of its own has open, with a worker in
// another one. The clients are in this process.
type Served struct {
	durable.Hub
	// Server and Worker ask the processes for their figures, Save has the server
	// make a checkpoint.
	Server, Worker func(context.Context) (Figures, error)
	Save           func(context.Context) error
	// Profile has the processes record profiles, each in a file of its own. It may
	// be nil.
	Profile func(kind, file string) (stop func() error, err error)
	// Kill ends both processes with SIGKILL, and the connection.
	Kill func() error
	// Ready is how long the server took from its start until it could be used;
	// Idle what it has resident then, in bytes.
	Ready time.Duration
	Idle  int64

	mu    sync.Mutex
	heard heard
}

var _ hub = (*Served)(nil)

// hear asks both processes.
func (s *Served) hear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	for _, p := range []struct {
		ask func(context.Context) (Figures, error)
		to  *Figures
	}{{s.Server, &s.heard.server}, {s.Worker, &s.heard.worker}} {
		f, err := p.ask(ctx)
		if err == nil {
			*p.to = f
		}
		s.heard.err = errors.Join(s.heard.err, err)
	}
}

// heard are the figures that were heard last.
type heard struct {
	server, worker Figures
	err            error
}

func (s *Served) last() heard {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// patience is how long a process may take to answer that is very busy.
const patience = 30 * time.Second

// Stats implements hub. It asks the server.
func (s *Served) Stats() netherite.Stats {
	s.hear()
	return s.last().server.Stats
}

// Checkpoint implements hub.
func (s *Served) Checkpoint(ctx context.Context) error { return errors.Join(s.last().err, s.Save(ctx)) }

func (s *Served) profile(kind, file string) (func() error, error) {
	if kind == "" || s.Profile == nil {
		return func() error { return nil }, nil
	}
	return s.Profile(kind, file)
}

// Close implements hub.
func (s *Served) Close(context.Context) error { return s.Kill() }

// Handlers is the code of a workload, for the worker of a server.
func Handlers(cfg Config) ([]durable.Handler, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	return cfg.handlers(find(cfg.Workload).make()), nil
}

// handlers is the code that the hub needs.
func (c *Config) handlers(d driver) []durable.Handler {
	list := d.handlers()
	if c.Preload > 0 && c.Workload != "hello5" {
		list = append(list, (&hello{}).handlers()...)
	}
	return list
}

// fillServed adds what a server's run has beside.
func (r *Result) fillServed(s *Served, begin, end counters) {
	perOp := func(d time.Duration) float64 { return float64(d.Microseconds()) / float64(max(r.Completed, 1)) }
	r.Remote, r.ReadyMillis, r.IdleRSS = true, float64(s.Ready.Microseconds())/1000, s.Idle
	r.ServerCPUPerOp, r.WorkerCPUPerOp = perOp(end.server-begin.server), perOp(end.worker-begin.worker)
	r.CPUPerOp += r.ServerCPUPerOp + r.WorkerCPUPerOp
	r.PeakRSS = s.last().server.Peak
}
