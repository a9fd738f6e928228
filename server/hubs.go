package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"

	"go.opentelemetry.io/otel/attribute"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/engine"
)

// Hubs are the task hubs of a data directory, each in a folder of its own: what
// one of them suffers, none of the others does.
type Hubs struct {
	c         *Config
	telemetry *telemetry
	log       *slog.Logger

	mu       sync.Mutex
	open     map[string]*netherite.Hub
	changing map[string]chan struct{} // by name in lower case; closed when it has been changed
	broken   map[string]error         // why it could not be opened
	closed   bool
}

var _ durabletask.Hubs = (*Hubs)(nil)

// ErrNoHub says that there is no task hub of that name.
var ErrNoHub = fmt.Errorf("there is no such task hub: %w", engine.ErrNotFound)

func newHubs(c *Config, t *telemetry, log *slog.Logger) *Hubs {
	return &Hubs{c: c, telemetry: t, log: log, open: map[string]*netherite.Hub{}, changing: map[string]chan struct{}{}, broken: map[string]error{}}
}

// openAll opens all hubs that there are, at the same time, and makes the default
// one if hubs are made on demand. Those that cannot be opened are noted as broken,
// and the others are served.
func (h *Hubs) openAll(ctx context.Context) error {
	names, err := FindHubs(h.c.Data)
	if err != nil {
		return err
	}
	for some := range slices.Chunk(names, openAtOnce) {
		var wg sync.WaitGroup
		for _, name := range some {
			wg.Go(func() { h.reopen(ctx, name) })
		}
		wg.Wait()
		if len(names) > openAtOnce {
			// What stays of a hub lies between what only its opening has needed: the
			// next ones take the gaps, which is a quarter less memory for many hubs.
			runtime.GC()
		}
	}
	if h.c.OnDemand && !slices.Contains(names, h.c.Hub) {
		_, err = h.find(ctx, h.c.Hub)
	}
	return err
}

// reopen opens a hub that is there.
func (h *Hubs) reopen(ctx context.Context, name string) {
	err := h.change(ctx, name, func(old *netherite.Hub) (*netherite.Hub, error) {
		if old != nil {
			return old, nil
		}
		return h.openHub(name)
	})
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		delete(h.broken, name)
		return
	}
	if before := h.broken[name]; before == nil || before.Error() != err.Error() {
		h.log.Error("a task hub cannot be opened, the others are served; this is tried again", "hub", name, "error", err)
	}
	h.broken[name] = err
}

// retryBroken tries the broken hubs again, and reports how many are left.
func (h *Hubs) retryBroken(ctx context.Context) int {
	h.mu.Lock()
	names := slices.Sorted(maps.Keys(h.broken))
	h.mu.Unlock()
	for _, name := range names {
		if netherite.Exists(filepath.Join(h.c.Data, hubsDir, name)) {
			h.reopen(ctx, name)
			continue
		}
		h.mu.Lock()
		delete(h.broken, name) // somebody has taken it away
		h.mu.Unlock()
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.broken)
}

// openAtOnce is how many hubs are opened at the same time: what takes time is
// mostly the disk.
const openAtOnce = 8

func (h *Hubs) openHub(name string) (*netherite.Hub, error) {
	dir, err := HubDir(h.c.Data, name)
	if err != nil {
		return nil, err
	}
	opts := []netherite.Option{
		netherite.Logger(h.log.With("hub", name)), netherite.Meter(h.telemetry.meters, attribute.String("hub", name)),
		netherite.Memory(h.c.Memory), netherite.PayloadLimit(h.c.Payload), netherite.HistoryLimit(h.c.HistoryEvents, h.c.HistoryBytes),
		netherite.Retention(h.c.Retention), netherite.RetentionRate(h.c.RetentionRate),
	}
	if !netherite.Exists(dir) {
		opts = append(opts, netherite.Partitions(h.c.Partitions))
	}
	for _, r := range h.c.RetentionRules {
		if r.Hub == "" || r.Hub == name {
			opts = append(opts, netherite.RetentionRules(r.RetentionRule))
		}
	}
	if t := h.telemetry.tracer(); t != nil {
		opts = append(opts, netherite.Tracer(t))
	}
	if h.c.Data == "" {
		dir, opts = name, append(opts, netherite.InMemory())
	}
	return h.c.open(dir, opts)
}

// Hub implements durabletask.Hubs.
func (h *Hubs) Hub(ctx context.Context, name string) (durabletask.Hub, error) {
	hub, err := h.find(ctx, name)
	if err != nil {
		return nil, err
	}
	return hub, nil
}

// find returns a hub, which is made on demand if the configuration says so.
func (h *Hubs) find(ctx context.Context, name string) (*netherite.Hub, error) {
	name = cmp.Or(name, h.c.Hub)
	hub, err := h.opened(name)
	switch {
	case hub != nil || err != nil:
		return hub, err
	case !h.c.OnDemand:
		return nil, fmt.Errorf("%q: %w", name, ErrNoHub)
	}
	err = h.change(ctx, name, func(old *netherite.Hub) (_ *netherite.Hub, err error) {
		if hub = old; hub == nil {
			hub, err = h.make(name)
		}
		return hub, err
	})
	return hub, err
}

// make opens a hub that is not open: one that somebody has put into the directory, or
// a new one.
func (h *Hubs) make(name string) (*netherite.Hub, error) {
	others, err := FindHubs(h.c.Data)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(others, name) {
		if err := CheckNewHub(name, append(others, h.Names()...)); err != nil {
			return nil, err
		}
	}
	return h.openHub(name)
}

// opened is a hub that is open; neither a hub nor an error says that there is none.
func (h *Hubs) opened(name string) (*netherite.Hub, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch err := h.broken[name]; {
	case h.closed:
		return nil, engine.ErrClosed
	case errors.Is(err, engine.ErrDamaged):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("%w: %w", engine.ErrUnavailable, err)
	}
	return h.open[name], nil
}

// change makes another hub of one, either of which may be nil, while nobody else
// changes it. Those who look for it meanwhile find none, or wait if they would make
// one. Names that differ in case alone are changed one after the other, so that two of
// them are not made at once.
func (h *Hubs) change(ctx context.Context, name string, to func(old *netherite.Hub) (*netherite.Hub, error)) error {
	folded := strings.ToLower(name)
	h.mu.Lock()
	for h.changing[folded] != nil {
		ended := h.changing[folded]
		h.mu.Unlock()
		select {
		case <-ended:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		h.mu.Lock()
	}
	if h.closed {
		h.mu.Unlock()
		return engine.ErrClosed
	}
	ended, old := make(chan struct{}), h.open[name]
	h.changing[folded] = ended
	delete(h.open, name)
	h.mu.Unlock()

	hub, err := to(old)

	h.mu.Lock()
	defer h.mu.Unlock()
	if hub != nil {
		h.open[name] = hub
	}
	delete(h.changing, folded)
	close(ended)
	return err
}

// Create implements durabletask.Hubs. A hub that is there is left alone, unless it
// is to be made anew.
func (h *Hubs) Create(ctx context.Context, name string, anew bool) error {
	name = cmp.Or(name, h.c.Hub)
	if hub, err := h.opened(name); hub != nil && !anew || err != nil {
		return err
	}
	return h.change(ctx, name, func(old *netherite.Hub) (*netherite.Hub, error) {
		if old != nil && !anew {
			return old, nil
		}
		if old == nil {
			return h.make(name)
		}
		if err := h.remove(ctx, name, old); err != nil {
			return nil, err
		}
		return h.openHub(name)
	})
}

// Delete implements durabletask.Hubs.
func (h *Hubs) Delete(ctx context.Context, name string) error {
	name = cmp.Or(name, h.c.Hub)
	return h.change(ctx, name, func(old *netherite.Hub) (*netherite.Hub, error) {
		switch {
		case old != nil:
			return nil, h.remove(ctx, name, old)
		case h.forget(name):
			return nil, DeleteHub(h.c.Data, name)
		}
		return nil, fmt.Errorf("%q: %w", name, ErrNoHub)
	})
}

// forget reports whether a hub is broken, and forgets it.
func (h *Hubs) forget(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	is := h.broken[name] != nil
	delete(h.broken, name)
	return is
}

// remove closes a hub and deletes its folder. What cannot be written any more does
// not matter.
func (h *Hubs) remove(ctx context.Context, name string, hub *netherite.Hub) error {
	if err := hub.Close(ctx); err != nil {
		h.log.Warn("a task hub that is to be deleted was not closed as it should be", "hub", name, "error", err)
	}
	if h.c.Data == "" {
		return nil
	}
	return DeleteHub(h.c.Data, name)
}

// Names lists the hubs in order.
func (h *Hubs) Names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Sorted(maps.Keys(h.open))
}

// count is how many hubs are open.
func (h *Hubs) count() int {
	if h == nil {
		return 0
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.open)
}

// Close closes all hubs, at the same time.
func (h *Hubs) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	changing := slices.Collect(maps.Values(h.changing))
	h.mu.Unlock()
	for _, ended := range changing {
		<-ended
	}
	h.mu.Lock()
	hubs := slices.Collect(maps.Values(h.open))
	clear(h.open)
	h.mu.Unlock()
	errs := make([]error, len(hubs))
	var wg sync.WaitGroup
	for i, hub := range hubs {
		wg.Go(func() { errs[i] = hub.Close(ctx) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
