package netherite_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/model"
)

// benchWorker answers inline what it is offered, from the results alone, so that
// the engine's own cost shows. It runs only Hello5.
type benchWorker struct {
	conn  engine.Connection
	items chan engine.Items
	wg    sync.WaitGroup
}

func (w *benchWorker) Limits() engine.Limits {
	return engine.Limits{Orchestrations: 1024, Activities: 1024, Entities: 1024}
}
func (w *benchWorker) Handles(engine.ItemKind, string, string) bool { return true }
func (w *benchWorker) Offer(i engine.Items) {
	i.Orchestrations, i.Activities = slices.Clone(i.Orchestrations), slices.Clone(i.Activities)
	w.items <- i
}
func (w *benchWorker) Cancel(engine.Token) {}

func (w *benchWorker) run() {
	for items := range w.items {
		for _, i := range items.Orchestrations {
			next := int32(0)
			if ev := i.NewEvents[len(i.NewEvents)-1]; ev.Kind == model.TaskCompleted {
				next = ev.Ref + 1
			}
			ev := model.Event{Kind: model.TaskScheduled, ID: next, Name: "Hello", Payload: []byte(`"Tokyo"`)}
			if next == 5 {
				ev = completed(next, `"done"`)
			}
			_ = w.conn.CompleteOrchestration(&engine.OrchestrationResult{Token: i.Token, Now: i.Now, Events: []model.Event{ev}})
		}
		for _, i := range items.Activities {
			_ = w.conn.CompleteActivity(&engine.ActivityResult{Token: i.Token, Result: []byte(`"Hello Tokyo!"`)})
		}
	}
}

func BenchmarkHello5(b *testing.B) {
	for _, clients := range []int{1, 128} {
		b.Run(fmt.Sprintf("clients=%d", clients), func(b *testing.B) { benchHello5(b, clients) })
	}
}

// benchHub is a hub in a directory with workers that run Hello5.
type benchHub struct {
	*netherite.Engine
	w *benchWorker
}

func openBench(tb testing.TB, storage netherite.Storage, change ...func(*netherite.Options)) *benchHub {
	o := netherite.Options{Storage: storage, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	e, err := netherite.Open(o)
	if err != nil {
		tb.Fatal(err)
	}
	return &benchHub{Engine: e}
}

// serve connects workers.
func (h *benchHub) serve(tb testing.TB) {
	var err error
	h.w = &benchWorker{items: make(chan engine.Items, 1<<16)}
	if h.w.conn, err = h.Connect(h.w); err != nil {
		tb.Fatal(err)
	}
	for range 2 {
		h.w.wg.Go(h.w.run)
	}
}

// leave disconnects the workers.
func (h *benchHub) leave() {
	h.w.conn.Close()
	close(h.w.items)
	h.w.wg.Wait()
}

// hello runs Hello5s first to last, a number of clients at a time.
func (h *benchHub) hello(tb testing.TB, clients, first, last int) {
	var next atomic.Int64
	next.Store(int64(first - 1))
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(last); i = next.Add(1) {
				id := fmt.Sprintf("hello-%d", i)
				_, err := h.Start(tb.Context(), engine.StartRequest{Instance: id, Name: "Hello5"})
				if err == nil {
					_, err = h.Wait(tb.Context(), id, engine.UntilEnded, engine.GetOptions{})
				}
				if err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

func realFiles(tb testing.TB) *files {
	return &files{fs: vfs.Default, dir: tb.TempDir(), partitions: netherite.DefaultPartitions}
}

func benchHello5(b *testing.B, clients int) {
	h := openBench(b, realFiles(b))
	defer h.Close(b.Context())
	h.serve(b)
	before := h.Stats()
	b.ResetTimer()
	b.ReportAllocs()
	h.hello(b, clients, 1, b.N)
	b.StopTimer()
	after := h.Stats()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "hello5/s")
	b.ReportMetric(float64(after.Log.Syncs-before.Log.Syncs)/n, "syncs/op")
	b.ReportMetric(float64(after.Log.GroupBytes-before.Log.GroupBytes)/n, "logB/op")
	b.ReportMetric(float64(after.Checkpoints), "ckpts")
	b.ReportMetric(float64(after.Loads-before.Loads)/n, "loads/op")
	h.leave()
}

// noCheckpoints leaves checkpoints to those who ask for one.
func noCheckpoints(o *netherite.Options) {
	o.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: time.Hour}
}

// checkpointGroup is a checkpoint of all partitions, with 2,000 instances that have
// finished since the last one, into a store on a real directory. The store works
// in the background, so that its allocations are no measure.
var checkpointGroup = alloctest.Group{Name: "Checkpoint", Ops: []alloctest.Op{{Name: "finished=2000", Setup: func(tb testing.TB) func() {
	const instances = 2000
	h := openBench(tb, realFiles(tb), noCheckpoints)
	tb.Cleanup(func() { _ = h.Close(context.Background()) })
	h.serve(tb)
	tb.Cleanup(h.leave)
	done := 0
	alloctest.Report(tb, func(b *testing.B) {
		b.ReportMetric(float64(b.Elapsed())/float64(b.N)/instances, "ns/instance")
		b.ReportMetric(float64(h.Stats().Store.WrittenBytes)/float64(done), "storeB/instance")
	})
	return func() {
		alloctest.Apart(tb, func() {
			h.hello(tb, 64, done+1, done+instances)
			done += instances
		})
		if err := h.Checkpoint(tb.Context()); err != nil {
			tb.Fatal(err)
		}
	}
}}}}

func BenchmarkCheckpoint(b *testing.B) { checkpointGroup.Bench(b) }

// replayOp recovers a hub whose log has so many Hello5s that the store has nothing of.
func replayOp(instances int) alloctest.Op {
	return alloctest.Op{Name: fmt.Sprintf("hello5=%d", instances), Runs: 3, Slack: 0.1, Setup: func(tb testing.TB) func() {
		storage := realFiles(tb)
		h := openBench(tb, storage, noCheckpoints)
		h.serve(tb)
		h.hello(tb, 64, 1, instances)
		h.Kill(true)
		h.leave()
		var replayed, nanos, opened float64
		alloctest.Report(tb, func(b *testing.B) {
			b.ReportMetric(replayed/nanos*1e9, "records/s")
			b.ReportMetric(nanos/opened/1e6, "replay-ms")
			b.ReportMetric(replayed/opened, "records")
		})
		return func() {
			h := openBench(tb, storage, noCheckpoints)
			s := h.Stats()
			replayed, nanos, opened = replayed+float64(s.Replayed), nanos+float64(s.ReplayTime), opened+1
			h.Kill(true)
		}
	}}
}

var replayGroup = alloctest.Group{Name: "Replay", Ops: []alloctest.Op{replayOp(2_000)}}

// BenchmarkReplay also replays about as much as there ever is at the default limit of
// memory: of 65,000 Hello5s, checkpoints for the sake of memory leave 43,000 records.
func BenchmarkReplay(b *testing.B) {
	replayGroup.Bench(b)
	far := alloctest.Group{Name: "Replay", Ops: []alloctest.Op{replayOp(25_000)}}
	far.Bench(b)
}

func TestAllocations(t *testing.T) { alloctest.Check(t, replayGroup) }
