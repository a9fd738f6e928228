package durable_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/sysclock"
	"github.com/netherite-go/netherite/worker"
)

// desk is a feed that hands results to a channel.
type desk struct {
	steps    chan engine.OrchestrationResult
	entities chan *engine.EntityResult
}

func (d *desk) Connect(engine.Worker) (engine.Connection, error) { return d, nil }
func (d *desk) CompleteOrchestration(r *engine.OrchestrationResult) error {
	d.steps <- *r
	return nil
}
func (d *desk) CompleteEntity(r *engine.EntityResult) error                { d.entities <- r; return nil }
func (d *desk) CompleteActivity(*engine.ActivityResult) error              { return nil }
func (d *desk) Abandon(engine.ItemKind, engine.Token, time.Duration) error { return nil }
func (d *desk) Close()                                                     {}

func (d *desk) Changed() {}
func (d *desk) History(context.Context, *engine.OrchestrationItem) ([]model.Event, error) {
	return nil, nil
}

func serveDesk(b testing.TB, handlers ...durable.Handler) (*worker.Worker, *desk) {
	w, err := worker.New(worker.Options{Handlers: handlers, Clock: sysclock.New()})
	if err != nil {
		b.Fatal(err)
	}
	d := &desk{make(chan engine.OrchestrationResult, 1), make(chan *engine.EntityResult, 1)}
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

// stepsGroup is the worker's share of a Hello5: six steps with their hand-overs
// between goroutines, without activities.
var stepsGroup = alloctest.Group{Name: "Steps", Ops: []alloctest.Op{{Name: "hello5", Slack: 0.05, Setup: func(tb testing.TB) func() {
	w, d := serveDesk(tb, hello5)
	n := 0
	item := func(last engine.Name, ev model.Event) *engine.OrchestrationItem {
		n++
		i := &engine.OrchestrationItem{Instance: "hello", Name: "Hello5", Last: last, NewEvents: []model.Event{ev}}
		i.Token.Name = engine.Name{Epoch: 1, Number: uint64(n)}
		return i
	}
	return func() {
		i := item(engine.Name{}, model.Event{Kind: model.ExecutionStarted, Name: "Hello5"})
		for {
			w.Offer(engine.Items{Orchestrations: []*engine.OrchestrationItem{i}})
			ev := (<-d.steps).Events[0]
			if ev.Kind == model.ExecutionCompleted {
				return
			}
			i = item(i.Token.Name, model.Event{Kind: model.TaskCompleted, Ref: ev.ID, Payload: []byte(`"Hello!"`)})
		}
	}
}}}}

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

// batchGroup is a batch of 1,000 operations of which one fails, in each of the ways
// in which its changes can be taken back: the state is a value without references
// that is assigned, has a Clone, is decoded again, or was not touched as the
// operation validates first.
var batchGroup = alloctest.Group{Name: "EntityBatch", Ops: []alloctest.Op{
	batchOp[account]("flat", `{"Balance":1}`, (*account).Add),
	batchOp[byClone]("clone", listState, (*byClone).Add),
	batchOp[byEncoding]("encoding", listState, (*byEncoding).Add),
	batchOp[byEncoding]("validates", listState, (*byEncoding).Add, durable.ValidatesFirst),
}}

// listState is a state with references, of 21 numbers.
var listState = fmt.Sprintf(`{"Values":[%s0]}`, string(slices.Repeat([]byte("123456,"), 20)))

func batchOp[S any](name, state string, add func(*S, *durable.EntityContext, int) (int, error), opts ...durable.EntityOption) alloctest.Op {
	return alloctest.Op{Name: name, Runs: 20, Slack: 0.05, Setup: func(tb testing.TB) func() {
		entity := durable.Entity[S]("E", opts...)
		durable.Operation(entity, "Add", add)
		ops := make([]model.Event, 1000)
		for i := range ops {
			ops[i] = model.Event{Kind: model.EntityCalled, Name: "Add", Payload: []byte("1")}
		}
		ops[500].Payload = []byte("-1000000")
		w, d := serveDesk(tb, entity)
		return func() {
			w.Offer(engine.Items{Entities: []*engine.EntityItem{{Instance: "@e@k", State: []byte(state), Operations: ops}}})
			r := <-d.entities
			if len(r.Results) != len(ops) || r.Results[500].Failure == nil || r.Results[999].Failure != nil {
				tb.Fatal(len(r.Results), r.Results[500].Failure, r.Results[999].Failure)
			}
		}
	}}
}

// helloGroup is the whole way of a Hello5 on a hub in memory, start and wait: one at
// a time, and 64 at a time.
var helloGroup = alloctest.Group{Name: "Hello5", Ops: []alloctest.Op{
	{Name: "lone", Slack: 0.1, Setup: func(tb testing.TB) func() {
		hub := openLarge(tb, []durable.Handler{hello5, sayHello})
		return func() { greet(tb, hub) }
	}},
	{Name: "parallel=64", Runs: 20, Slack: 0.1, Setup: func(tb testing.TB) func() {
		hub := openLarge(tb, []durable.Handler{hello5, sayHello})
		alloctest.Report(tb, func(b *testing.B) { b.ReportMetric(float64(b.Elapsed())/float64(64*b.N), "ns/hello5") })
		return func() {
			var wg sync.WaitGroup
			for range 64 {
				wg.Go(func() { greet(tb, hub) })
			}
			wg.Wait()
		}
	}},
}}

func greet(tb testing.TB, hub durable.Hub) {
	run, err := hello5.Start(context.Background(), hub, durable.None{})
	if err == nil {
		_, err = run.Wait(context.Background())
	}
	if err != nil {
		tb.Error(err)
	}
}

// signalGroup is 512 clients that each post a signal to one entity of a hub in
// memory, and wait for its acknowledgement.
var signalGroup = alloctest.Group{Name: "Signal", Ops: []alloctest.Op{{Name: "parallel=512", Runs: 20, Slack: 0.1, Setup: func(tb testing.TB) func() {
	tallies := durable.Entity[account]("Tally")
	add := durable.Operation(tallies, "Add", (*account).Add)
	hub := openLarge(tb, []durable.Handler{tallies})
	key := tallies.Key("k")
	alloctest.Report(tb, func(b *testing.B) { b.ReportMetric(float64(b.Elapsed())/float64(512*b.N), "ns/signal") })
	return func() {
		var wg sync.WaitGroup
		for range 512 {
			wg.Go(func() {
				if err := add.Post(context.Background(), hub, key, 1); err != nil {
					tb.Error(err)
				}
			})
		}
		wg.Wait()
	}
}}}}

func BenchmarkSteps(b *testing.B)       { stepsGroup.Bench(b) }
func BenchmarkEntityBatch(b *testing.B) { batchGroup.Bench(b) }
func BenchmarkHello5(b *testing.B)      { helloGroup.Bench(b) }
func BenchmarkSignal(b *testing.B)      { signalGroup.Bench(b) }

func TestAllocations(t *testing.T) {
	alloctest.Check(t, stepsGroup, batchGroup, helloGroup, signalGroup)
}
