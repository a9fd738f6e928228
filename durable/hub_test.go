package durable_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// memory is a hub in memory.
type memory struct {
	log   *mem.LogDisk
	store *mem.StoreDisk
	clock substrate.Clock // nil: the system's
}

func newMemory() *memory { return &memory{log: mem.NewLogDisk(), store: mem.NewStoreDisk()} }

func (m *memory) Parameters() netherite.Parameters         { return netherite.Parameters{Partitions: 4} }
func (m *memory) OpenLog() (substrate.Log, error)          { return m.log.Open() }
func (m *memory) OpenStore(int64) (substrate.Store, error) { return m.store.Open() }
func (m *memory) Close() error                             { return nil }

// testHub is an engine in memory with one worker.
type testHub struct {
	durable.Hub
	engine *netherite.Engine
	worker *worker.Worker
	limit  int
}

func (h *testHub) PayloadLimit() int { return h.limit }

// open opens a hub that serves the handlers; change may adapt the worker. It checks
// that replay is exact.
func open(t testing.TB, handlers []durable.Handler, change ...func(*worker.Options)) *testHub {
	t.Helper()
	return opened(t, true, handlers, change...)
}

// openLarge is open without the check, for benchmarks and instances so large that
// each record would take milliseconds to check.
func openLarge(t testing.TB, handlers []durable.Handler) *testHub {
	t.Helper()
	return opened(t, false, handlers)
}

func opened(t testing.TB, check bool, handlers []durable.Handler, change ...func(*worker.Options)) *testHub {
	t.Helper()
	h, err := openIn(newMemory(), check, handlers, change...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { h.close(t) })
	return h
}

func openIn(m *memory, check bool, handlers []durable.Handler, change ...func(*worker.Options)) (*testHub, error) {
	e, err := netherite.Open(netherite.Options{
		Storage: m, Clock: m.clock, CheckReplay: check, Logger: slog.New(slog.DiscardHandler), MaxHistoryEvents: 1_000_000, // for what is wider than it should be
	})
	if err != nil {
		return nil, err
	}
	o := worker.Options{Handlers: handlers, Clock: sysclock.New()}
	for _, f := range change {
		f(&o)
	}
	w, err := worker.New(o)
	if err != nil {
		return nil, fmt.Errorf("%w %w", err, e.Close(context.Background()))
	}
	h := &testHub{durable.NewHub(e, o.Codec, o.PayloadLimit), e, w, o.PayloadLimit}
	return h, w.Run(e)
}

func (h *testHub) close(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := h.worker.Close(ctx); err != nil {
		t.Errorf("close worker: %v", err)
	}
	if err := h.engine.Close(ctx); err != nil {
		t.Errorf("close engine: %v", err)
	}
}

// evicting makes the worker rebuild everything at every step.
func evicting(o *worker.Options) { o.CacheCount = -1 }

// splitting makes the worker commit at most two events per step.
func splitting(o *worker.Options) { o.MaxStepEvents, o.CacheCount = 2, -1 }

// bothWays runs a test with live copies kept, evicted after every step, and
// evicted after every step that is cut into small pieces.
func bothWays(t *testing.T, handlers []durable.Handler, test func(*testing.T, *testHub)) {
	t.Run("kept", func(t *testing.T) { test(t, open(t, handlers)) })
	t.Run("evicted", func(t *testing.T) { test(t, open(t, handlers, evicting)) })
	t.Run("split", func(t *testing.T) { test(t, open(t, handlers, splitting)) })
}

// shape describes a history without times and derived IDs.
func shape(events []model.Event) string {
	var b strings.Builder
	for i := range events {
		ev := &events[i]
		if ev.Kind == model.OrchestratorStarted {
			continue
		}
		fmt.Fprintf(&b, "%v %d %d %s %s\n", ev.Kind, ev.ID, ev.Ref, ev.Name, ev.Payload)
	}
	return b.String()
}

func within(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	t.Cleanup(cancel)
	return ctx
}
