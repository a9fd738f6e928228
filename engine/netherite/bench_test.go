package netherite_test

import (
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
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

func benchHello5(b *testing.B, clients int) {
	storage := &files{fs: vfs.Default, dir: b.TempDir(), partitions: netherite.DefaultPartitions}
	e, err := netherite.Open(netherite.Options{Storage: storage, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	defer e.Close(b.Context())
	w := &benchWorker{items: make(chan engine.Items, 1<<16)}
	if w.conn, err = e.Connect(w); err != nil {
		b.Fatal(err)
	}
	for range 2 {
		w.wg.Go(w.run)
	}
	before := e.Stats()
	b.ResetTimer()
	b.ReportAllocs()
	var next atomic.Int64
	var wg sync.WaitGroup
	for range clients {
		wg.Go(func() {
			for i := next.Add(1); i <= int64(b.N); i = next.Add(1) {
				id := fmt.Sprintf("hello-%d", i)
				if _, err := e.Start(b.Context(), engine.StartRequest{Instance: id, Name: "Hello5"}); err != nil {
					b.Error(err)
					return
				}
				if _, err := e.Wait(b.Context(), id, engine.UntilEnded, engine.GetOptions{}); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	b.StopTimer()
	after := e.Stats()
	n := float64(b.N)
	b.ReportMetric(n/b.Elapsed().Seconds(), "hello5/s")
	b.ReportMetric(float64(after.Log.Syncs-before.Log.Syncs)/n, "syncs/op")
	b.ReportMetric(float64(after.Log.GroupBytes-before.Log.GroupBytes)/n, "logB/op")
	b.ReportMetric(float64(after.Checkpoints), "ckpts")
	b.ReportMetric(float64(after.Loads-before.Loads)/n, "loads/op")
	w.conn.Close()
	close(w.items)
	w.wg.Wait()
}
