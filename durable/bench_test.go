package durable_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

// desk is a feed that hands results to a channel.
type desk struct {
	steps    chan *engine.OrchestrationResult
	entities chan *engine.EntityResult
}

func (d *desk) Connect(engine.Worker) (engine.Connection, error) { return d, nil }
func (d *desk) CompleteOrchestration(r *engine.OrchestrationResult) error {
	d.steps <- r
	return nil
}
func (d *desk) CompleteEntity(r *engine.EntityResult) error                { d.entities <- r; return nil }
func (d *desk) CompleteActivity(*engine.ActivityResult) error              { return nil }
func (d *desk) Abandon(engine.ItemKind, engine.Token, time.Duration) error { return nil }
func (d *desk) Close()                                                     {}
func (d *desk) History(context.Context, *engine.OrchestrationItem) ([]model.Event, error) {
	return nil, nil
}

func serveDesk(b *testing.B, handlers ...durable.Handler) (*worker.Worker, *desk) {
	w, err := worker.New(worker.Options{Handlers: handlers, Clock: sysclock.New()})
	if err != nil {
		b.Fatal(err)
	}
	d := &desk{make(chan *engine.OrchestrationResult, 1), make(chan *engine.EntityResult, 1)}
	if err := w.Run(d); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := w.Close(context.Background()); err != nil {
			b.Error(err)
		}
	})
	return w, d
}

// BenchmarkHello5Steps is the worker's share of a Hello5: six steps with their
// hand-overs between goroutines, without activities.
func BenchmarkHello5Steps(b *testing.B) {
	w, d := serveDesk(b, hello5)
	item := func(n int, last engine.Name, ev model.Event) *engine.OrchestrationItem {
		i := &engine.OrchestrationItem{Instance: "hello", Name: "Hello5", Last: last, NewEvents: []model.Event{ev}}
		i.Token.Name = engine.Name{Epoch: 1, Number: uint64(n)}
		return i
	}
	b.ReportAllocs()
	n := 0
	for b.Loop() {
		n++
		i := item(n, engine.Name{}, model.Event{Kind: model.ExecutionStarted, Name: "Hello5"})
		for {
			w.Offer(engine.Items{Orchestrations: []*engine.OrchestrationItem{i}})
			r := <-d.steps
			if ev := r.Events[0]; ev.Kind == model.ExecutionCompleted {
				break
			} else {
				n++
				i = item(n, i.Token.Name, model.Event{Kind: model.TaskCompleted, Ref: ev.ID, Payload: []byte(`"Hello!"`)})
			}
		}
	}
}

type byEncoding struct{ Values []int }

func (s *byEncoding) Add(_ *durable.EntityContext, n int) (int, error) {
	if n < 0 {
		return 0, errFunds
	}
	s.Values[0] += n
	return s.Values[0], nil
}

type byClone byEncoding

func (s *byClone) Clone() *byClone { return &byClone{slices.Clone(s.Values)} }
func (s *byClone) Add(ctx *durable.EntityContext, n int) (int, error) {
	return (*byEncoding)(s).Add(ctx, n)
}

// BenchmarkEntityBatch is a batch of 1,000 operations of which one fails.
func BenchmarkEntityBatch(b *testing.B) {
	state := fmt.Sprintf(`{"Values":[%s0]}`, string(slices.Repeat([]byte("123456,"), 20)))
	encoding, clone := durable.Entity[byEncoding]("E"), durable.Entity[byClone]("E")
	durable.Operation(encoding, "Add", (*byEncoding).Add)
	durable.Operation(clone, "Add", (*byClone).Add)
	validates := durable.Entity[byEncoding]("E", durable.ValidatesFirst)
	durable.Operation(validates, "Add", (*byEncoding).Add)
	flat := durable.Entity[account]("E")
	durable.Operation(flat, "Add", (*account).Add)
	ops := make([]model.Event, 1000)
	for i := range ops {
		ops[i] = model.Event{Kind: model.EntityCalled, Name: "Add", Payload: []byte("1")}
	}
	ops[500].Payload = []byte("-1000000")
	for _, form := range []struct {
		name  string
		h     durable.Handler
		state string
	}{{"encoding", encoding, state}, {"clone", clone, state}, {"validates", validates, state}, {"flat", flat, `{"Balance":1}`}} {
		b.Run(form.name, func(b *testing.B) {
			w, d := serveDesk(b, form.h)
			b.ReportAllocs()
			for b.Loop() {
				w.Offer(engine.Items{Entities: []*engine.EntityItem{{Instance: "@e@k", State: []byte(form.state), Operations: ops}}})
				r := <-d.entities
				if len(r.Results) != len(ops) || r.Results[500].Failure == nil || r.Results[999].Failure != nil {
					b.Fatal(len(r.Results), r.Results[500].Failure, r.Results[999].Failure)
				}
			}
		})
	}
}

// BenchmarkHello5 is the whole way of a Hello5 on a hub in memory, with 64
// clients at a time.
func BenchmarkHello5(b *testing.B) {
	hub := open(b, []durable.Handler{hello5, sayHello})
	b.SetParallelism(32)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			run, err := hello5.Start(context.Background(), hub, durable.None{})
			if err == nil {
				_, err = run.Wait(context.Background())
			}
			if err != nil {
				b.Error(err)
				return
			}
		}
	})
}
