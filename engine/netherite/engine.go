package netherite

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/kind"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/substrate"
)

// Engine runs one hub on one node. It outlives the incarnations of the log.
type Engine struct {
	opts    Options
	params  Parameters
	log     *slog.Logger
	session *session
	feed    *feed
	watches watches
	metrics metrics
	ids     atomic.Uint64 // of instances that the engine names
	inbound atomic.Int64  // payload bytes of calls under way
	reads   reads

	largePayloads, longHistories seldom

	gate     gate          // of requests that change something
	draining atomic.Bool   // nothing is handed out any more
	closing  atomic.Bool   // client calls are refused
	closed   chan struct{} // waiting calls end
	ended    chan struct{} // Close is done
	done     chan struct{} // closed when the supervisor has ended
	stop     chan struct{} // tells the engine's goroutines to end
	aside    sync.WaitGroup

	mu      sync.Mutex
	current *node         // nil while there is none
	changed chan struct{} // closed when current changes
	reason  error         // why there is none
}

var _ engine.Engine = (*Engine)(nil)

// Open recovers the hub that lives in the given storage and runs it. No work is
// handed out before a worker connects. The engine owns the storage from now on,
// also when Open fails.
func Open(o Options) (*Engine, error) {
	e, n, err := open(o)
	if err != nil {
		return nil, err
	}
	e.enter(n)
	go e.supervise(n)
	e.aside.Go(e.retain)
	return e, nil
}

// open makes an engine and recovers its first node.
func open(o Options) (*Engine, *node, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, nil, errors.Join(err, closeStorage(o.Storage))
	}
	e := &Engine{
		opts: o, params: o.Storage.Parameters(), log: o.Logger,
		closed: make(chan struct{}), ended: make(chan struct{}), done: make(chan struct{}), stop: make(chan struct{}), changed: make(chan struct{}),
	}
	var id [16]byte
	if _, err := io.ReadFull(o.Random, id[:]); err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open hub: make a session ID: %w", err), closeStorage(o.Storage))
	}
	e.session = newSession(id, e.params.Partitions)
	e.feed = newFeed(e)
	e.reads = e.newReads()
	n, err := openNode(e)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("open hub: %w", err), closeStorage(o.Storage))
	}
	return e, n, nil
}

func closeStorage(s Storage) error {
	if s == nil {
		return nil
	}
	return s.Close()
}

// enter makes a recovered node the current one and starts it. The feed has it first:
// what partitions that run find to be missing is noted for this node.
func (e *Engine) enter(n *node) {
	e.feed.attach(n)
	if e.opts.park == nil {
		n.start()
	}
	e.mu.Lock()
	e.current, e.reason = n, nil
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	e.watches.lose() // of what the last node had made durable and not told
	n.begin()
}

// exit takes a node that has failed or is to be closed out of service.
func (e *Engine) exit(reason error) {
	e.mu.Lock()
	e.current, e.reason = nil, reason
	close(e.changed)
	e.changed = make(chan struct{})
	e.mu.Unlock()
	e.feed.detach()
}

// running returns the current node. While the hub recovers from a failure it
// waits, unless that cannot be recovered from, or waits for space on a disk and
// the call is fresh: none that was accepted before.
func (e *Engine) running(ctx context.Context, fresh bool) (*node, error) {
	for {
		e.mu.Lock()
		n, changed, reason := e.current, e.changed, e.reason
		e.mu.Unlock()
		switch {
		case n != nil && !n.dead.Load():
			return n, nil
		case n == nil && permanent(reason):
			return nil, fmt.Errorf("%w: %w", engine.ErrUnavailable, reason)
		case n == nil && fresh && errors.Is(reason, engine.ErrDiskFull):
			return nil, reason
		}
		if err := e.awaitNode(ctx, changed); err != nil {
			return nil, err
		}
	}
}

// awaitNode waits for a change of the current node.
func (e *Engine) awaitNode(ctx context.Context, changed <-chan struct{}) error {
	if e.opts.park != nil {
		return e.parkForNode(ctx, changed)
	}
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-e.closed:
		return engine.ErrClosed
	}
}

// permanent reports whether trying again cannot help.
func permanent(err error) bool {
	return errors.Is(err, engine.ErrDamaged) || errors.Is(err, engine.ErrNewerFormat) || errors.Is(err, engine.ErrForeign) ||
		errors.Is(err, engine.ErrHeld)
}

// open reports whether client calls are accepted.
func (e *Engine) open() error {
	if e.closing.Load() {
		return engine.ErrClosed
	}
	return nil
}

// supervise replaces a failed node by a new one, recovered from storage, with a
// growing delay as long as that does not succeed.
func (e *Engine) supervise(n *node) {
	defer close(e.done)
	for {
		select {
		case <-e.stop:
			return
		case <-n.failed:
		}
		if n = e.replace(n); n == nil {
			return
		}
	}
}

// replace takes a failed node down and puts a new one in its place, recovered
// from storage. It returns nil if the engine is closed meanwhile.
func (e *Engine) replace(n *node) *node {
	e.log.Error("the node has failed and is recovered from storage", "error", n.failure())
	mark.Hit(mark.NodeReplaced)
	e.metrics.failures.Add(1)
	e.exit(n.failure())
	n.halt()
	e.mu.Lock()
	e.metrics.outlive(n)
	e.mu.Unlock()
	if err := n.release(); err != nil {
		e.log.Warn("closing the storage of the failed node", "error", err)
	}
	if n = e.reopen(); n != nil {
		e.enter(n)
	}
	return n
}

// reopen recovers a node, again and again with a back-off; while a disk is full,
// as often as a commit looks for space. It returns nil if the engine is closed
// meanwhile.
func (e *Engine) reopen() *node {
	full := false
	for attempt := 0; ; attempt++ {
		delay := e.opts.Backoff[min(attempt, len(e.opts.Backoff)-1)]
		if full {
			delay = min(delay, e.opts.fullPause)
		}
		if e.pause(delay) {
			return nil
		}
		n, err := openNode(e)
		if err == nil {
			e.log.Info("the hub has recovered", "attempts", attempt+1)
			return n
		}
		mark.Hit(mark.RecoveryTriedAgain)
		if !full { // else it is known
			e.log.Error("recovery failed", "attempt", attempt+1, "error", err)
		}
		full = errors.Is(err, engine.ErrDiskFull)
		e.mu.Lock()
		e.reason = err
		close(e.changed)
		e.changed = make(chan struct{})
		e.mu.Unlock()
	}
}

// Drain hands out no more work and waits until workers have returned what they have,
// or for ctx. Their results are taken, and calls are answered: what follows from them
// waits for the next Open. It does not close anything; Close is to follow. The error is
// ctx's if workers still had something, or ErrClosed if it is closed meanwhile.
func (e *Engine) Drain(ctx context.Context) error {
	e.draining.Store(true)
	e.mu.Lock()
	n := e.current
	e.mu.Unlock()
	if n == nil {
		return nil
	}
	return n.drain(ctx)
}

// Close implements engine.Engine. Running steps end, activities until ctx ends;
// then all is written to the store, so that the next Open replays nothing. What
// a worker is still at is run again then.
func (e *Engine) Close(ctx context.Context) error {
	if e.closing.Swap(true) {
		<-e.ended
		return nil
	}
	defer close(e.ended)
	if e.opts.park != nil {
		e.opts.park(func() bool { return e.gate.vacant() || ctx.Err() != nil })
	}
	e.gate.shut(ctx)
	e.mu.Lock()
	n := e.current
	e.mu.Unlock()
	e.draining.Store(true)
	if n != nil && n.drain(ctx) != nil {
		e.feed.cancelAll()
	}
	close(e.closed)
	close(e.stop)
	<-e.done
	e.aside.Wait()
	e.mu.Lock()
	n = e.current
	e.mu.Unlock()
	var err error
	if n != nil {
		err = n.finish(ctx)
		e.exit(engine.ErrClosed)
		n.halt()
		err = errors.Join(err, n.release())
	}
	if err = errors.Join(err, e.opts.Storage.Close()); err != nil {
		return fmt.Errorf("close hub: %w", err)
	}
	return nil
}

// Kill ends the engine as a crash of the process would: nothing more is written,
// and what was not durable may be lost. Log and store are left as they are, for
// their owner to crash, unless abandon says that there is none who could: then
// they are closed without a checkpoint. It is for tests of what survives.
func (e *Engine) Kill(abandon bool) {
	if e.closing.Swap(true) {
		<-e.ended
		return
	}
	defer close(e.ended)
	e.feed.detach() // code that hears that the hub is closed may say that it has failed, which no crash does
	close(e.closed)
	close(e.stop)
	<-e.done
	e.aside.Wait()
	e.mu.Lock()
	n := e.current
	e.mu.Unlock()
	if n != nil {
		e.exit(engine.ErrClosed)
		n.halt()
		if abandon {
			_ = n.release()
		}
	}
	_ = e.opts.Storage.Close() // a crash closes files without a word
}

// storageError translates what substrates report into the errors of the contract.
func storageError(err error) error {
	for _, t := range [...]struct{ from, to error }{
		{substrate.ErrDamaged, engine.ErrDamaged},
		{substrate.ErrNewerFormat, engine.ErrNewerFormat},
		{substrate.ErrForeign, engine.ErrForeign},
		{substrate.ErrDiskFull, engine.ErrDiskFull},
	} {
		if errors.Is(err, t.from) && !errors.Is(err, t.to) {
			return kind.Of(t.to, err)
		}
	}
	return err
}
