// Package durabletest runs workflows in tests: a whole hub in memory, with time
// that passes only when the test says so, and crashes on demand.
//
//	hub := durabletest.New(t, Buy, Accounts, Charge.By(fake))
//	run, err := Buy.Start(t.Context(), hub, order)
//	...
//	hub.Advance(72 * time.Hour) // reminders are sent, deadlines pass
//	hub.Crash()                 // what was acknowledged goes on
//	receipt, err := run.Wait(t.Context())
//
// It is the same engine and the same worker as in production. Every record is
// replayed on the side and compared, so a test that passes has also shown that
// recovery leads to the same state.
package durabletest

import (
	"context"
	"log/slog"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// partitions is enough for work to cross between them.
const partitions = 4

// patience is how long, in real time, Advance waits for activities before it
// lets time pass while they run, and for steps before it gives up.
const (
	patienceWithActivities = 20 * time.Millisecond
	patienceWithSteps      = 30 * time.Second
)

// begin is when virtual time begins.
var begin = time.Date(2030, time.January, 1, 0, 0, 0, 0, time.UTC)

// Hub is a hub for one test. It is safe for concurrent use, except that Advance
// and Crash are called from one goroutine at a time.
type Hub struct {
	t     testing.TB
	opts  []netherite.Option
	clock *mem.Clock
	disk  *disk

	mu  sync.Mutex
	hub *netherite.Hub
}

var _ durable.Hub = (*Hub)(nil)

// New opens an empty hub that serves the handlers, and closes it at the end of
// the test.
func New(t testing.TB, handlers ...durable.Handler) *Hub {
	t.Helper()
	return NewWith(t, []netherite.Option{netherite.Serve(handlers...)})
}

// NewWith is New with options, among them the handlers.
func NewWith(t testing.TB, opts []netherite.Option) *Hub {
	t.Helper()
	h := &Hub{t: t, clock: mem.NewClock(begin), disk: &disk{log: mem.NewLogDisk(), store: mem.NewStoreDisk()}}
	h.opts = append([]netherite.Option{
		netherite.Storage(h.disk), netherite.Clock(h.clock), netherite.CheckReplay(),
		netherite.Logger(slog.New(slog.NewTextHandler(output{t}, &slog.HandlerOptions{Level: slog.LevelWarn}))),
	}, opts...)
	h.open()
	t.Cleanup(h.close)
	return h
}

func (h *Hub) open() {
	h.t.Helper()
	hub, err := netherite.Open("", h.opts...)
	if err != nil {
		h.t.Fatalf("open the test's hub: %v", err)
	}
	h.mu.Lock()
	h.hub = hub
	h.mu.Unlock()
}

func (h *Hub) close() {
	ctx, cancel := context.WithTimeout(context.Background(), patienceWithActivities)
	defer cancel()
	if err := h.current().Close(ctx); err != nil {
		h.t.Errorf("close the test's hub: %v", err)
	}
}

func (h *Hub) current() *netherite.Hub {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.hub
}

// Engine implements durable.Hub.
func (h *Hub) Engine() engine.Client { return h.current().Engine() }

// Codec implements durable.Hub.
func (h *Hub) Codec() durable.Codec { return h.current().Codec() }

// PayloadLimit is the bound of one payload in bytes, 0 for the default.
func (h *Hub) PayloadLimit() int { return h.current().PayloadLimit() }

// TracerProvider is what makes the hub's spans, nil for none.
func (h *Hub) TracerProvider() trace.TracerProvider { return h.current().TracerProvider() }

// Now is the virtual time, which workflows see too.
func (h *Hub) Now() time.Time { return h.clock.Wall() }

// Advance lets virtual time pass. Everything that falls due happens at its time,
// and is over before time goes on: timers, retries, deadlines, scheduled starts,
// and all that they set in motion. Only activities that take longer than some
// milliseconds of real time do not hold it up.
func (h *Hub) Advance(d time.Duration) {
	h.t.Helper()
	until := h.clock.Mono() + d
	for {
		h.settle()
		left := until - h.clock.Mono()
		next, ok := h.clock.Next()
		if !ok || next > left {
			h.clock.Advance(left)
			h.settle()
			return
		}
		h.clock.Advance(next)
	}
}

// settle waits until nothing goes on without time passing.
func (h *Hub) settle() {
	h.t.Helper()
	hub, began := h.current(), time.Now()
	for {
		working, activities := hub.Working()
		waited := time.Since(began)
		switch {
		case !working && (activities == 0 || waited > patienceWithActivities):
			return
		case waited > patienceWithSteps:
			h.t.Fatalf("the hub has not come to rest for %v", waited)
		}
		runtime.Gosched()
	}
}

// Crash ends the hub as a power failure would, in the middle of whatever it is
// doing, and opens it again: all that had not been synced is lost. Calls under
// way fail with engine.ErrClosed.
func (h *Hub) Crash() {
	h.t.Helper()
	h.current().Kill()
	h.disk.log.Crash(mem.KeepNone)
	h.disk.store.Crash(mem.KeepNone, mem.KeepNone)
	h.open()
}

// disk is where the hub lives.
type disk struct {
	log   *mem.LogDisk
	store *mem.StoreDisk
}

func (*disk) Parameters() core.Parameters                { return core.Parameters{Partitions: partitions} }
func (d *disk) OpenLog() (substrate.Log, error)          { return d.log.Open() }
func (d *disk) OpenStore(int64) (substrate.Store, error) { return d.store.Open() }
func (*disk) Close() error                               { return nil }

// output writes the hub's log to the test's.
type output struct{ t testing.TB }

func (o output) Write(p []byte) (int, error) {
	o.t.Logf("%s", p)
	return len(p), nil
}
