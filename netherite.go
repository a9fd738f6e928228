// Package netherite opens a task hub inside a program: durable orchestrations,
// activities and entities (package durable) on the partitioned engine
// (engine/netherite), in one directory, with no server and no database.
//
//	hub, err := netherite.Open("hub-data", netherite.Serve(Greet, Tour))
//	if err != nil {
//		return err
//	}
//	defer hub.Close(context.Background())
//	run, err := Tour.Start(ctx, hub, []string{"Tokyo", "Seattle"})
//	if err != nil {
//		return err
//	}
//	greetings, err := run.Wait(ctx)
//
// What Start has acknowledged is on disk and will be run to its end, across
// crashes of the program or the machine. One process at a time has a hub open.
package netherite

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/internal/nospace"
	"github.com/netherite-go/netherite/internal/plainlog"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/spans"
)

// Hub is an open task hub. Handles of package durable take it to start, find and
// message instances. It is safe for concurrent use.
type Hub struct {
	engine  *core.Engine
	worker  *worker.Worker // nil: the hub runs nothing
	server  *owner.Server  // nil: in memory, or no socket could be made
	codec   durable.Codec
	limit   int
	tracer  trace.TracerProvider
	ended   *spans.Terminated // nil: nothing is traced
	files   bool              // in a directory
	place   *directory        // nil unless it is
	clock   substrate.Clock
	copying turn // of backups
	metrics interface{ Unregister() error }

	once sync.Once
	err  error
}

var _ durable.Hub = (*Hub)(nil)

// Open opens the hub in a directory, creating both if need be, recovers it, and
// runs the code given with Serve. The directory's owner reaches the hub from
// other processes through the netherite command as long as it is open.
//
// Errors wrap engine.ErrHeld (naming the process that has the hub open),
// ErrForeign (the directory holds something else, or a part of another hub),
// ErrNewerFormat, ErrDamaged (naming file and offset, or the part that is missing, and
// the next step), ErrDiskFull or ErrInvalid. A directory of which a part is missing or
// another hub's stays as it is.
func Open(dir string, opts ...Option) (*Hub, error) {
	s := settings{}
	s.engine.Clock = sysclock.New()
	s.worker.Clock = s.engine.Clock
	for i, o := range opts {
		if o == nil {
			return nil, fmt.Errorf("open task hub %s: %w: option %d of %d is nil", dir, engine.ErrInvalid, i+1, len(opts))
		}
		o(&s)
	}
	h, err := s.open(dir)
	if err != nil {
		return nil, fmt.Errorf("open task hub %s: %w", dir, advise(dir, spaceError(err)))
	}
	return h, nil
}

// spaceError names a lack of space, whichever of the hub's files it was that did
// not fit: the lock's, the log's, the store's, or the socket's.
func spaceError(err error) error {
	if nospace.Is(err) {
		return kind.Of(engine.ErrDiskFull, err)
	}
	return err
}

func (s *settings) open(dir string) (*Hub, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	w, err := s.newWorker()
	if err != nil {
		return nil, err
	}
	if s.engine.Logger == nil {
		s.engine.Logger = slog.Default()
	}
	s.engine.Logger = plainlog.Logger(s.engine.Logger)
	if s.engine.Storage, err = s.openStorage(dir); err != nil {
		return nil, err
	}
	e, err := core.Open(s.engine)
	if err != nil {
		return nil, err
	}
	h := &Hub{engine: e, worker: w, codec: s.worker.Codec, limit: s.engine.MaxPayload, tracer: s.worker.Tracer, files: s.storage == nil && !s.volatile, clock: s.engine.Clock}
	h.place, _ = s.engine.Storage.(*directory)
	if err := h.begin(s, dir); err != nil {
		return nil, errors.Join(err, h.Close(context.Background()))
	}
	return h, nil
}

// newWorker makes the worker for the code, which is complete before the hub is
// recovered. It gets an eighth of the memory for what it keeps alive.
func (s *settings) newWorker() (*worker.Worker, error) {
	if !s.serves {
		return nil, nil
	}
	memory := s.engine.Memory
	if memory == 0 {
		memory = core.DefaultMemory
	}
	if s.worker.CacheBytes == 0 {
		s.worker.CacheBytes = memory / 8
	}
	w, err := worker.New(s.worker)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrInvalid, err)
	}
	return w, nil
}

func (s *settings) openStorage(dir string) (core.Storage, error) {
	switch {
	case s.storage != nil:
		return s.storage, nil
	case s.volatile:
		return newMemory(s.partitions), nil
	}
	d := &directory{
		dir: dir, fs: s.fs, partitions: s.partitions, mustExist: s.mustExist, logger: s.engine.Logger, segments: s.segments, ballast: defaultBallast,
	}
	if s.ballast != 0 {
		d.ballast = max(s.ballast, 0)
	}
	return d, d.acquire()
}

// begin starts what runs on the recovered engine.
func (h *Hub) begin(s *settings, dir string) (err error) {
	if h.place != nil {
		if err := h.place.complete(); err != nil {
			return err
		}
	}
	if h.worker != nil {
		if err := h.worker.Run(h.engine); err != nil {
			return err
		}
	}
	if t := spans.New(h.tracer); t != nil {
		if h.ended, err = t.FollowTerminated(h.engine, h.worker == nil, s.engine.Logger); err != nil {
			return err
		}
	}
	if s.meter != nil {
		if h.metrics, err = register(s.meter, s.meterAttrs, h); err != nil {
			return err
		}
	}
	if s.storage != nil || s.volatile || s.fs != nil {
		return nil
	}
	var l net.Listener
	if l, err = owner.Listen(dir); err != nil {
		return fmt.Errorf("serve the directory's owner: %w", err)
	}
	h.server = owner.Serve(l, h.engine, manager{h})
	return nil
}

// Engine is the engine's client interface: what the handles of package durable
// use, and all there is for instances without a handle.
func (h *Hub) Engine() engine.Client { return h.engine }

// Feed is the engine's feed of work items, for workers of another kind than the
// code given with Serve: those that a door lets in.
func (h *Hub) Feed() engine.Feed { return h.engine }

// Codec is what turns values into payloads; nil is JSON.
func (h *Hub) Codec() durable.Codec { return h.codec }

// PayloadLimit is the bound of one payload in bytes, 0 for the default.
func (h *Hub) PayloadLimit() int { return h.limit }

// TracerProvider is what makes the hub's spans, nil for none.
func (h *Hub) TracerProvider() trace.TracerProvider { return h.tracer }

// Partitions is the number of partitions that the hub was created with.
func (h *Hub) Partitions() int { return h.engine.Partitions() }

// Stats are the figures of a hub since Open.
type Stats = core.Stats

// Stats returns the hub's figures.
func (h *Hub) Stats() Stats { return h.engine.Stats() }

// Health says what keeps the hub from serving everything; nil if nothing does.
// It wraps engine.ErrDiskFull while a disk is full, and engine.ErrUnavailable
// while the hub recovers and for each partition that is parked.
func (h *Hub) Health() error { return h.engine.Health() }

// Checkpoint writes all that has happened to the store, so that a restart
// replays only what comes later. Durability never needs it.
func (h *Hub) Checkpoint(ctx context.Context) error { return h.engine.Checkpoint(ctx) }

// Working reports whether anything goes on that needs no time to pass, and how
// many activities run. It is for tests with a clock of their own.
func (h *Hub) Working() (working bool, activities int) { return h.engine.Working() }

// Drain hands out no more work and waits until workers have returned what they have,
// or for ctx: the code given with Serve, of which activities are cancelled then, and
// those that a door lets in. Their results are taken, and calls are answered; what
// follows from them waits for the next Open. Close is to follow, which drains by
// itself, but refuses calls meanwhile. The error is ctx's if workers still had
// something, which is run again after the next Open, or engine.ErrClosed if the hub is
// closed meanwhile.
func (h *Hub) Drain(ctx context.Context) error {
	var wg sync.WaitGroup
	if h.worker != nil {
		wg.Go(func() { _ = h.worker.Close(ctx) })
	}
	err := h.engine.Drain(ctx)
	wg.Wait()
	return err
}

// Close closes the hub. A backup that is under way is cancelled and waited for. New
// requests are refused with engine.ErrClosed, steps that run end, and so do activities
// until ctx ends: then they are cancelled, and run again after the next Open. All is
// checkpointed, so that it replays nothing. A second call returns what the first did.
func (h *Hub) Close(ctx context.Context) error {
	h.once.Do(func() { h.err = h.close(ctx) })
	return h.err
}

// beginClose tells activities that the hub closes, before anything is refused that they
// may ask for.
func (h *Hub) beginClose() {
	if h.worker != nil {
		h.worker.BeginClose()
	}
}

func (h *Hub) close(ctx context.Context) error {
	h.beginClose()
	h.copying.end()
	var err error
	if h.metrics != nil {
		err = h.metrics.Unregister()
	}
	if h.server != nil {
		err = errors.Join(err, h.server.Close())
	}
	if h.ended != nil {
		h.ended.Close(ctx)
	}
	var wg sync.WaitGroup
	if h.worker != nil {
		// An end of ctx only means that activities run again.
		wg.Go(func() { _ = h.worker.Close(ctx) })
	}
	err = errors.Join(err, h.engine.Close(ctx))
	wg.Wait()
	return err
}

// Kill ends the hub as a crash of the process would: nothing more is done or
// checkpointed. It is for tests of what survives.
func (h *Hub) Kill() {
	h.once.Do(func() {
		h.beginClose()
		h.copying.end()
		if h.server != nil {
			_ = h.server.Close()
		}
		h.engine.Kill(h.files)
		if h.ended != nil {
			h.ended.Abandon()
		}
		if h.worker != nil {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			_ = h.worker.Close(ctx)
		}
	})
}
