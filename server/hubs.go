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
	reached   string                                 // where the gRPC door is
	made      func(ctx context.Context, name string) // told of those made on demand
	lost      func()                                 // told that one is to be tried again that was open

	mu       sync.Mutex
	open     map[string]*netherite.Hub
	changing map[string]chan struct{} // by name in lower case; closed when it has been changed
	broken   map[string]error         // why it could not be opened
	drains   bool                     // no more are opened
	closed   bool
}

var _ durabletask.Hubs = (*Hubs)(nil)

// ErrNoHub says that there is no task hub of that name. It is an engine.ErrNotFound,
// but not one of an instance.
var ErrNoHub error = noHub{}

type noHub struct{}

// Error implements error.
func (noHub) Error() string { return "there is no such task hub" }

// Is makes errors.Is(ErrNoHub, engine.ErrNotFound) hold.
func (noHub) Is(target error) bool { return target == engine.ErrNotFound }

func newHubs(c *Config, t *telemetry, log *slog.Logger) *Hubs {
	return &Hubs{c: c, telemetry: t, log: log, made: func(context.Context, string) {}, lost: func() {}, open: map[string]*netherite.Hub{}, changing: map[string]chan struct{}{}, broken: map[string]error{}}
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
	switch {
	case slices.Contains(names, h.c.Hub):
	case h.c.OnDemand:
		_, err = h.find(ctx, h.c.Hub, true)
	default:
		h.log.Warn("the default task hub does not exist: callers that name none are refused until somebody makes it", "hub", h.c.Hub, "command", h.c.creating(h.c.Hub, h.reached))
	}
	return err
}

// reopen opens a hub that is there. It may be deleted meanwhile.
func (h *Hubs) reopen(ctx context.Context, name string) {
	_ = h.change(ctx, name, func(old *netherite.Hub) (hub *netherite.Hub, err error) {
		if hub = old; hub == nil && h.taken(name) {
			hub, err = h.openHub(name)
		}
		h.tried(name, err)
		return hub, err
	})
}

// tried notes what came of opening a hub that is there. The log has what is new of it.
func (h *Hubs) tried(name string, err error) {
	if before := h.note(name, err); err != nil && (before == nil || before.Error() != err.Error()) {
		h.log.Error("a task hub cannot be opened, the others are served; this is tried again", "hub", name, "error", err)
	}
}

// retryBroken tries the broken hubs again.
func (h *Hubs) retryBroken(ctx context.Context) {
	h.mu.Lock()
	names := slices.Sorted(maps.Keys(h.broken))
	h.mu.Unlock()
	for _, name := range names {
		if h.taken(name) {
			h.reopen(ctx, name)
			continue
		}
		h.note(name, nil) // somebody has taken it away
	}
}

// taken reports whether there is something in the folder of a hub.
func (h *Hubs) taken(name string) bool { return taken(filepath.Join(h.c.Data, hubsDir, name)) }

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
	if h.c.Data != "" {
		if err := Unfit(dir); err != nil {
			return nil, err
		}
	}
	there, err := netherite.Exists(dir)
	if err != nil {
		return nil, err
	}
	if !there {
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
	hub, err := h.find(ctx, name, false)
	if err != nil {
		return nil, err
	}
	return hub, nil
}

// Demand implements durabletask.Hubs.
func (h *Hubs) Demand(ctx context.Context, name string) (durabletask.Hub, error) {
	hub, err := h.find(ctx, name, true)
	if err != nil {
		return nil, err
	}
	return hub, nil
}

// Promise implements durabletask.Hubs.
func (h *Hubs) Promise(name string) error {
	name = cmp.Or(name, h.c.Hub)
	hub, err := h.opened(name)
	switch {
	case hub != nil || err != nil:
		return err
	case !h.c.OnDemand:
		return fmt.Errorf("%q: %w", name, ErrNoHub)
	}
	return h.makeable(name)
}

// find returns a hub, which is made on demand if the configuration says so.
func (h *Hubs) find(ctx context.Context, name string, demand bool) (*netherite.Hub, error) {
	name = cmp.Or(name, h.c.Hub)
	hub, err := h.opened(name)
	switch {
	case hub != nil || err != nil:
		return hub, err
	case !h.c.OnDemand || !demand:
		return nil, fmt.Errorf("%q: %w", name, ErrNoHub)
	}
	err = h.change(ctx, name, func(old *netherite.Hub) (_ *netherite.Hub, err error) {
		if hub = old; hub == nil {
			there, _ := FindHubs(h.c.Data) // making it says what is wrong
			if hub, err = h.make(name); err == nil && !slices.Contains(there, name) {
				h.made(ctx, name)
			}
		}
		return hub, err
	})
	return hub, err
}

// make opens a hub that is not open: one that somebody has put into the directory, or
// a new one.
func (h *Hubs) make(name string) (*netherite.Hub, error) {
	if err := h.makeable(name); err != nil {
		return nil, err
	}
	return h.openHub(name)
}

// makeable refuses the name of a hub that is neither in the directory nor can be made.
func (h *Hubs) makeable(name string) error {
	others, err := FindHubs(h.c.Data)
	if err != nil || slices.Contains(others, name) {
		return err
	}
	return CheckNewHub(name, append(others, h.Names()...))
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
	if h.closed || h.drains {
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
	if hub != nil && h.closed { // nobody has waited for it any more
		h.mu.Unlock() // its figures are counted under the lock
		err = errors.Join(err, engine.ErrClosed, abandon(hub))
		h.mu.Lock()
	} else if hub != nil {
		h.open[name] = hub
	}
	delete(h.changing, folded)
	close(ended)
	return err
}

// abandon closes a hub without waiting for what workers have of it.
func abandon(hub *netherite.Hub) error {
	now, cancel := context.WithCancel(context.Background())
	cancel()
	return hub.Close(now)
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
		if err := h.remove(name, old); err != nil {
			return h.keep(name, err)
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
			if err := h.remove(name, old); err != nil {
				return h.keep(name, err)
			}
			return nil, nil
		case h.isBroken(name):
			err := DeleteHub(h.c.Data, name)
			if err == nil {
				h.note(name, nil)
			}
			return nil, err
		}
		return nil, fmt.Errorf("%q: %w", name, ErrNoHub)
	})
}

// keep opens a hub again that could not be deleted, if that has not come far enough.
func (h *Hubs) keep(name string, why error) (*netherite.Hub, error) {
	if !h.taken(name) {
		return nil, why
	}
	hub, err := h.openHub(name)
	if h.tried(name, err); err != nil {
		h.lost()
	}
	return hub, errors.Join(why, err)
}

func (h *Hubs) isBroken(name string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.broken[name] != nil
}

// note notes why a hub could not be opened, or with nil that it could or is there no
// more, and returns what was noted before.
func (h *Hubs) note(name string, err error) (before error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before = h.broken[name]
	if delete(h.broken, name); err != nil {
		h.broken[name] = err
	}
	return before
}

// remove closes a hub and deletes its folder. What cannot be written any more does
// not matter, nor what workers are at: nobody would read what comes of it.
func (h *Hubs) remove(name string, hub *netherite.Hub) error {
	if err := abandon(hub); err != nil {
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

// Broken says of hubs that could not be opened why not.
func (h *Hubs) Broken() map[string]error {
	if h == nil {
		return nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return maps.Clone(h.broken)
}

// Ailing says of hubs that are open what keeps them from serving everything.
func (h *Hubs) Ailing() map[string]error {
	h.mu.Lock()
	open := maps.Clone(h.open)
	h.mu.Unlock()
	ailing := map[string]error{}
	for name, hub := range open {
		if err := hub.Health(); err != nil {
			ailing[name] = err
		}
	}
	return ailing
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

// Drain has all hubs drain, at the same time, and opens no more. They can be found
// until Close.
func (h *Hubs) Drain(ctx context.Context) {
	h.mu.Lock()
	h.drains = true
	h.mu.Unlock()
	h.settle(ctx)
	h.mu.Lock()
	hubs := maps.Clone(h.open)
	h.mu.Unlock()
	var wg sync.WaitGroup
	for name, hub := range hubs { // order-free: at the same time
		wg.Go(func() {
			if hub.Drain(ctx) != nil {
				h.log.Warn("workers have not completed all that they had: it is given out again when the server is back", "hub", name)
			}
		})
	}
	wg.Wait()
}

// settle waits until no hub is being changed, of those that are, or for ctx.
func (h *Hubs) settle(ctx context.Context) {
	h.mu.Lock()
	changing := slices.Collect(maps.Values(h.changing))
	h.mu.Unlock()
	for _, ended := range changing {
		select {
		case <-ended:
		case <-ctx.Done():
			return
		}
	}
}

// Close closes all hubs, at the same time.
func (h *Hubs) Close(ctx context.Context) error {
	h.mu.Lock()
	h.closed = true
	h.mu.Unlock()
	h.settle(ctx)
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
