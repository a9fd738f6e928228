package netherite

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// node is one incarnation: everything that is derived from one opening of the
// log. It fails as a whole.
type node struct {
	e      *Engine
	opts   *Options
	params Parameters
	clock  substrate.Clock
	log    *slog.Logger
	wal    substrate.Log
	store  substrate.Store
	side   substrate.SideFiles // nil if the storage has none
	commit *committer
	net    Transport
	keeper *keeper
	// keeping is held while log and store are copied.
	keeping keeping
	hosts   []*host
	window  int64 // of each pair of partitions, bytes

	// What is under way, for the decision when to commit.
	busy  atomic.Int64 // partitions that are awake
	steps atomic.Int64 // orchestration and entity items with workers
	tasks atomic.Int64 // activities with workers
	// atWork is the sum of what the partitions have last counted, see begin.
	atWork atomic.Int64
	given  atomic.Int64 // when the last activity was handed out, by Mono

	used     atomic.Int64  // bytes of all partitions' states
	captured atomic.Int64  // bytes of checkpoints on their way to the store
	paused   atomic.Bool   // hand-out is paused for lack of room
	drained  chan struct{} // has one when something came back and the engine drains

	dead   atomic.Bool
	failed chan struct{}
	once   sync.Once
	err    error

	stop chan struct{}
	wg   sync.WaitGroup
}

// fail ends the node; the engine replaces it. The first reason counts.
func (n *node) fail(err error) {
	n.once.Do(func() {
		n.err = err
		n.dead.Store(true)
		close(n.failed)
	})
}

// failure is why the node failed. It is called after failed is closed.
func (n *node) failure() error { return n.err }

// start starts the node's goroutines.
func (n *node) start() {
	for _, h := range n.hosts {
		n.wg.Go(func() { h.run(n.stop) })
	}
	n.wg.Go(func() {
		if err := n.commit.run(n.stop); err != nil {
			n.fail(err)
		}
	})
	n.wg.Go(func() { n.keeper.run(n.stop) })
}

// begin connects the partitions and makes them look for work.
func (n *node) begin() {
	for _, h := range n.hosts {
		h.do((*host).hello)
	}
}

// halt ends the node's goroutines and waits for them.
func (n *node) halt() {
	n.dead.Store(true)
	close(n.stop)
	n.net.Close()
	n.wg.Wait()
	for _, h := range n.hosts {
		h.alarm.stopTimer()
	}
}

// release closes the substrates. Those of a failed node have nothing left to say,
// and a store that is somebody else's by now is not written to.
func (n *node) release() error {
	var err error
	if n.owned() == nil || planted.ZombieCheckpoint {
		err = n.store.Close()
	} else {
		n.store.Abandon()
	}
	err = errors.Join(err, n.wal.Close()) // last: the store asks the log whose it is
	if errors.Is(err, substrate.ErrFailed) {
		return nil
	}
	return storageError(err)
}

// discard ends a node that was never started.
func (n *node) discard() error {
	n.net.Close()
	return n.release()
}

// drain waits until workers have returned what they have, or the node has failed, which
// makes that stale. The error is ctx's, or that the engine is closed. It hands out
// nothing any more.
func (n *node) drain(ctx context.Context) error {
	for n.steps.Load()+n.tasks.Load() > 0 {
		if n.opts.park != nil {
			n.opts.park(func() bool { return len(n.drained) > 0 || n.dead.Load() || ctx.Err() != nil })
		}
		select {
		case <-n.drained:
		case <-n.failed:
			return nil
		case <-n.stop:
			if isClosed(n.failed) {
				return nil
			}
			return engine.ErrClosed
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	n.cameBack() // somebody else may wait, too
	return nil
}

// over is why a node that has stopped has ended: it has failed, or the engine is closed.
func (n *node) over() error {
	if isClosed(n.failed) {
		return n.failure()
	}
	return engine.ErrClosed
}

// cameBack wakes who waits until workers have returned what they have.
func (n *node) cameBack() {
	select {
	case n.drained <- struct{}{}:
	default:
	}
}

// handedOut counts items on their way to a worker.
func (n *node) handedOut(steps, tasks int) {
	n.steps.Add(int64(steps))
	if tasks > 0 {
		n.given.Store(int64(n.clock.Mono()))
		n.tasks.Add(int64(tasks))
	}
}

// returned counts items that came back.
func (n *node) returned(kind engine.ItemKind, count int) {
	c := &n.steps
	if kind == engine.ActivityKind {
		c = &n.tasks
	}
	c.Add(-int64(count))
	if n.e.draining.Load() {
		n.cameBack()
	}
	n.unpause()
}

// working reports whether more records are about to come: a partition has
// input, a step is with a worker, or an activity has only just been started.
func (n *node) working(now time.Duration) bool {
	return n.busy.Load() > 0 || n.steps.Load() > 0 ||
		n.tasks.Load() > 0 && now-time.Duration(n.given.Load()) < n.opts.Gather
}
