package hubtest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

// Options say what hub to run. Engine.Storage is the Disk; both sides get
// Engine.Clock, by default the system's.
type Options struct {
	Disk   *Disk
	Engine netherite.Options
	Worker worker.Options
}

// Hub is a hub with its worker, and a durable.Hub.
type Hub struct {
	opts     Options
	failures atomic.Int64

	mu     sync.RWMutex // held while there is no engine
	engine *netherite.Engine
	worker *worker.Worker
}

var _ durable.Hub = (*Hub)(nil)

// Open opens the hub.
func Open(o Options) (*Hub, error) {
	if o.Engine.Clock == nil {
		o.Engine.Clock = sysclock.New()
	}
	o.Engine.Storage, o.Worker.Clock = o.Disk, o.Engine.Clock
	if o.Engine.Logger == nil {
		o.Engine.Logger = slog.New(slog.DiscardHandler)
	}
	h := &Hub{opts: o}
	h.mu.Lock()
	defer h.mu.Unlock()
	return h, h.open()
}

func (h *Hub) open() error {
	w, err := worker.New(h.opts.Worker)
	if err != nil {
		return err
	}
	e, err := netherite.Open(h.opts.Engine)
	if err != nil {
		return err
	}
	h.engine, h.worker = e, w
	return w.Run(e)
}

// Now returns the engine that runs now. While the hub crashes, it waits for the
// next one.
func (h *Hub) Now() *netherite.Engine {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.engine
}

// Engine implements durable.Hub.
func (h *Hub) Engine() engine.Client { return h.Now() }

// Codec implements durable.Hub: clients have that of the worker.
func (h *Hub) Codec() durable.Codec { return h.opts.Worker.Codec }

// Crash ends the hub as a power failure does, at any moment, in the middle of
// what it is doing, and opens what that has left. Calls under way fail with
// engine.ErrClosed, or are answered by a hub that is no more: a client that finds
// Failures changed by then has not received the answer.
func (h *Hub) Crash(c faultfs.Crash) error {
	return h.end(func(fs *faultfs.FS) *faultfs.FS { return fs.CrashClone(c) })
}

// Kill is Crash for a process that is killed, while power stays: the next one finds all
// that was written, but a later Crash may lose what was never synced.
func (h *Hub) Kill() error { return h.end((*faultfs.FS).KillClone) }

func (h *Hub) end(left func(*faultfs.FS) *faultfs.FS) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.failures.Add(1)
	h.opts.Disk.crash(left)
	h.engine.Kill(false)
	if err := h.endWorker(); err != nil {
		return err
	}
	h.opts.Disk.discard()
	if err := h.open(); err != nil {
		return fmt.Errorf("open after a crash: %w", err)
	}
	return nil
}

// Failures counts the crashes and kills. It is to be read before Engine is called.
func (h *Hub) Failures() int64 { return h.failures.Load() }

// endWorker closes the worker of an engine that is gone.
func (h *Hub) endWorker() error {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := h.worker.Close(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("close the worker: %w", err)
	}
	return nil
}

// Restart closes the hub in good order and opens it again.
func (h *Hub) Restart(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	if err := h.close(ctx); err != nil {
		return err
	}
	return h.open()
}

// Close closes the hub.
func (h *Hub) Close(ctx context.Context) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.close(ctx)
}

func (h *Hub) close(ctx context.Context) error {
	err := errors.Join(h.worker.Close(ctx), h.engine.Close(ctx))
	h.opts.Disk.open, h.opts.Disk.former = nil, nil
	return err
}

// settlePatience is how long, in real time, work may take that needs no time.
const settlePatience = 5 * time.Minute

// Settle waits until nothing goes on that needs no time to pass.
func (h *Hub) Settle() error {
	e, began := h.Now(), time.Now()
	for {
		working, activities := e.Working()
		if !working && activities == 0 {
			return nil
		}
		if time.Since(began) > settlePatience {
			return fmt.Errorf("the hub has not come to rest for %v: %d activities run", settlePatience, activities)
		}
		runtime.Gosched()
	}
}
