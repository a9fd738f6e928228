package netherite

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

const (
	// maxWatches bounds the watches of an engine: each looks at every change.
	maxWatches = 1_000
	// defaultWatchBuffer is how many instances with news a watch keeps, and
	// maxWatchBuffer the most that it can be told to.
	defaultWatchBuffer = 1_000
	maxWatchBuffer     = 100_000
)

// watches are those that want to hear of changes. Without any, partitions do not
// even notice changes.
type watches struct {
	on   atomic.Bool
	mu   sync.Mutex
	list []*watch
}

// watch is one subscription. What it keeps is bounded; it holds nobody up.
type watch struct {
	e    *Engine
	o    engine.WatchOptions
	stir chan struct{} // has a token when there is news

	mu      sync.Mutex
	pending []engine.Change
	at      map[string]int // in pending, by instance
	lost    bool
}

var _ engine.Watcher = (*Engine)(nil)

// Watch implements engine.Watcher.
func (e *Engine) Watch(o engine.WatchOptions) (engine.Watch, error) {
	if err := e.open(); err != nil {
		return nil, fmt.Errorf("watch: %w", err)
	}
	switch {
	case o.Buffer < 0 || o.Buffer > maxWatchBuffer:
		return nil, fmt.Errorf("watch: %w: a buffer of %d changes, it must be 1 to %d", engine.ErrInvalid, o.Buffer, maxWatchBuffer)
	case o.Buffer == 0:
		o.Buffer = defaultWatchBuffer
	}
	if o.Entities {
		o.Names, o.IDPrefix = typesOf(o.Names), model.CanonicalID(o.IDPrefix)
	}
	o.Instance = model.CanonicalID(o.Instance)
	o.Names, o.Statuses = slices.Clone(o.Names), slices.Clone(o.Statuses) // the caller's own may change
	w := &watch{e: e, o: o, stir: make(chan struct{}, 1), at: map[string]int{}}
	s := &e.watches
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.list) >= maxWatches {
		return nil, fmt.Errorf("watch: %w: there are %d watches already", engine.ErrBusy, maxWatches)
	}
	s.list = append(slices.Clip(s.list), w) // others read the old list
	s.on.Store(true)
	return w, nil
}

// Close implements engine.Watch.
func (w *watch) Close() {
	s := &w.e.watches
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = slices.DeleteFunc(slices.Clone(s.list), func(o *watch) bool { return o == w })
	s.on.Store(len(s.list) > 0)
}

func (s *watches) all() []*watch {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.list
}

// lose tells all watches that changes may have happened that they do not hear of.
func (s *watches) lose() {
	for _, w := range s.all() {
		w.mu.Lock()
		w.lost = true
		w.mu.Unlock()
		w.wake()
	}
}

func (w *watch) wake() {
	select {
	case w.stir <- struct{}{}:
	default:
	}
}

// tell adds changes, which are durable, to what is to be read.
func (w *watch) tell(changes []engine.Change) {
	news := false
	w.mu.Lock()
	for i := range changes {
		c := &changes[i]
		if !w.o.Matches(c) {
			continue
		}
		news = true
		if at, ok := w.at[c.Instance]; ok {
			mark.Hit(mark.ChangeSuperseded)
			w.pending[at] = *c
		} else if len(w.pending) < w.o.Buffer {
			w.at[c.Instance] = len(w.pending)
			w.pending = append(w.pending, *c)
			mark.Hit(mark.ChangeTold)
		} else if !planted.LossNotTold {
			w.lost = true
		}
	}
	w.mu.Unlock()
	if news {
		w.wake()
	}
}

// Next implements engine.Watch.
func (w *watch) Next(ctx context.Context) ([]engine.Change, bool, error) {
	for {
		if changes, lost := w.take(); len(changes) > 0 || lost {
			return changes, lost, nil
		}
		if err := w.wait(ctx); err != nil {
			return nil, false, err
		}
	}
}

func (w *watch) take() (changes []engine.Change, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if changes, lost = w.pending, w.lost; lost {
		mark.Hit(mark.ChangesLost)
	}
	w.pending, w.lost = nil, false
	clear(w.at)
	return changes, lost
}

func (w *watch) wait(ctx context.Context) error {
	if park := w.e.opts.park; park != nil {
		park(func() bool { return len(w.stir) > 0 || ctx.Err() != nil || w.e.closing.Load() })
	}
	select {
	case <-w.stir:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-w.e.closed:
		mark.Hit(mark.WatchEnded)
		return engine.ErrClosed
	}
}

// news is changes that wait for their position.
type news struct {
	e       *Engine
	changes []engine.Change
}

// release implements released.
func (n *news) release() {
	for _, w := range n.e.watches.all() {
		w.tell(n.changes)
	}
}

// holdNews queues what the batch has changed, to be told when it is durable.
func (h *host) holdNews() {
	if h.state.HasNoticed() {
		changed := &news{h.n.e, h.state.Noticed(nil)}
		if planted.ChangeEarly {
			h.early(changed)
			return
		}
		h.batch.out = append(h.batch.out, changed)
	}
}
