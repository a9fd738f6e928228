package partition

import (
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/model"
)

// stepGroup measures Check, AppendRecord, Step and Dispatch together, in cycles that
// leave the state as it was. A cycle that needs an orchestration that runs has
// "w", and wakes it with an event: subtract Step/event for what comes on top.
var stepGroup = alloctest.Group{Name: "Step", Ops: append(append(clientCycles, workCycles...), rareCycles...)}

func BenchmarkStep(b *testing.B) { stepGroup.Bench(b) }

// cycle makes an operation of a cycle in a partition that has the orchestration w
// and the entities @e@1 and @e@2.
func cycle(name string, f func(*bench)) alloctest.Op {
	return alloctest.Op{Name: name, Runs: 1000, Setup: func(tb testing.TB) func() {
		x := newBench()
		x.start("w")
		x.step()
		for _, e := range []string{"@e@1", "@e@2"} {
			x.do(&Command{Op: OpSignal, Instance: e, Name: "add"})
		}
		x.batches()
		return x.cycle(tb, f)
	}}
}

// cycle returns what does f once; histories do not grow without end.
func (b *bench) cycle(tb testing.TB, f func(*bench)) func() {
	first, n := b.records, 0
	alloctest.Report(tb, func(tb *testing.B) { tb.ReportMetric(float64(b.records-first)/float64(tb.N), "records/op") })
	return func() {
		f(b)
		if n++; n%1000 == 0 {
			b.checkpoint()
		}
	}
}

func (b *bench) raise() { b.do(&Command{Op: OpRaise, Instance: "w", Name: "go"}) }

func (b *bench) command(op Op, instance string) { b.do(&Command{Op: op, Instance: instance}) }

func (b *bench) signal(entity string) {
	b.seq++
	b.do(&Command{Client: Client{Session: [16]byte{1}, Seq: b.seq, Floor: b.seq}, Op: OpSignal, Instance: entity, Name: "add", Payload: []byte("1")})
}

// fail ends an orchestration's step and the orchestration.
func (b *bench) fail() {
	b.step(model.Event{Kind: model.ExecutionCompleted, ID: 7, Failure: &model.Failure{Type: "Oops"}, Ext: &model.Ext{Status: model.Failed}})
}

// clientCycles are what clients ask for.
var clientCycles = []alloctest.Op{
	cycle("hello5", func(x *bench) { x.hello5("a") }),
	cycle("start", func(x *bench) { x.start("a") }),
	cycle("event", func(x *bench) {
		x.do(&Command{Op: OpRaise, Instance: "w", Name: "go", Payload: []byte("1")})
		x.step()
	}),
	cycle("signal", func(x *bench) {
		x.signal("@e@1")
		x.batches()
	}),
	cycle("signal100", func(x *bench) {
		for range 100 {
			x.signal("@e@1")
		}
		x.batches()
	}),
	cycle("suspend", func(x *bench) {
		x.command(OpSuspend, "w")
		x.command(OpResume, "w")
		x.step()
	}),
	cycle("terminate", func(x *bench) {
		x.start("a")
		x.command(OpTerminate, "a")
	}),
	cycle("purge", func(x *bench) {
		x.start("a")
		x.command(OpTerminate, "a")
		x.command(OpPurge, "a")
	}),
	cycle("rewind", func(x *bench) {
		x.start("a")
		x.fail()
		x.command(OpRewind, "a")
		x.fail()
	}),
	cycle("get", func(x *bench) {
		if x.s.Read("w", engine.GetOptions{Payloads: true, Waits: true}) == nil {
			panic("the instance is gone")
		}
	}),
	cycle("query", func(x *bench) { x.s.Overlay(&engine.Query{Names: []string{"Hello5"}}, everything("")) }),
}

// workCycles are what the results of work bring about.
var workCycles = []alloctest.Op{
	cycle("activity", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.TaskScheduled, ID: 1, Name: "T"})
		x.activities()
		x.step()
	}),
	cycle("timer", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.TimerCreated, ID: 1, FireAt: x.now})
		x.do(&TimersFired{Timers: x.s.DueTimers(x.now, 10, nil)})
		x.step()
	}),
	cycle("child", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.ChildCreated, ID: 1, Name: "C", Instance: "c"})
		x.step(model.Event{Kind: model.ExecutionCompleted, ID: 7, Ext: &model.Ext{Status: model.Completed}})
		x.step()
	}),
	cycle("entity-call", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.EntityCalled, ID: 1, Instance: "@e@1", Name: "add", RequestID: "R"})
		x.batches()
		x.step()
	}),
	cycle("entity-signal", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.EntitySignaled, ID: 1, Instance: "@e@1", Name: "add"})
		x.batches()
	}),
	cycle("lock", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.EntityLockRequested, ID: 1, RequestID: "S", Ext: &model.Ext{LockSet: []string{"@e@1", "@e@2"}}})
		x.step(model.Event{Kind: model.EntityUnlockSent, ID: 2, RequestID: "S", Instance: "@e@1"},
			model.Event{Kind: model.EntityUnlockSent, ID: 3, RequestID: "S", Instance: "@e@2"})
	}),
	cycle("received10", func(x *bench) {
		messages := make([]model.Message, 10)
		ev := &Received{First: x.s.Seen(0) + 1, Messages: make([]*model.Message, 10)}
		for i := range messages {
			messages[i] = model.Message{To: "@e@1", From: "a", Event: model.Event{Kind: model.EntitySignaled, ID: model.NoID, Name: "add"}}
			ev.Messages[i] = &messages[i]
		}
		x.do(ev)
		x.batches()
	}),
	{Name: "sent", Runs: 1000, Setup: func(tb testing.TB) func() {
		x := newBenchOf(2)
		here, there := "w", "@e@1"
		for model.PartitionOf(here, 2) != 0 {
			here += "w"
		}
		for model.PartitionOf(there, 2) != 1 {
			there += "1"
		}
		x.start(here)
		x.step()
		return x.cycle(tb, func(x *bench) {
			x.do(&Command{Op: OpRaise, Instance: here, Name: "go"})
			x.step(model.Event{Kind: model.EntitySignaled, ID: 1, Instance: there, Name: "add"})
			out, _ := x.s.Unsent()
			x.s.MarkSent()
			x.do(&Acked{Dest: 1, Through: out.Seq})
		})
	}},
}

// rareCycles are the other kinds of records.
var rareCycles = []alloctest.Op{
	cycle("opened", func(x *bench) {
		x.name = engine.Name{Epoch: x.name.Epoch + 1}
		x.do(&Opened{Epoch: x.name.Epoch})
	}),
	cycle("purged", func(x *bench) {
		x.start("a")
		x.command(OpTerminate, "a")
		x.do(&Purged{Ords: []uint64{x.s.Ordinal("a")}})
	}),
	cycle("cleaned", func(x *bench) {
		x.raise()
		x.step(model.Event{Kind: model.EntityLockRequested, ID: 1, RequestID: "S", Ext: &model.Ext{LockSet: []string{"@e@1"}}})
		x.do(&Cleaned{Orphans: []Orphan{{Ord: x.s.Ordinal("@e@1"), Section: x.s.byID["@e@1"].entity.section}}})
		x.step(model.Event{Kind: model.EntityUnlockSent, ID: 2, RequestID: "S", Instance: "@e@1"})
	}),
	cycle("quarantined", func(x *bench) {
		x.start("a")
		x.do(&Quarantined{Instance: Key{ID: "a"}, Reason: &model.Failure{Type: "Oops"}})
	}),
}
