package partition

import (
	"fmt"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/alloctest"
	"github.com/netherite-go/netherite/model"
)

// bench drives one partition as the host does, without a log or a store.
type bench struct {
	s     *State
	name  engine.Name
	now   model.Time
	fx    Effects
	ans   Answer
	items engine.Items
	buf   []byte
	keys  []Key
	log   []byte // all records, in chunks of ten, if kept
	chunk []byte
	keep  bool
	seq   uint64

	records int
}

func newBench() *bench { return newBenchOf(1) }

// newBenchOf is for partition 0 of several.
func newBenchOf(partitions int) *bench {
	b := &bench{s: New(Config{Partitions: partitions}), name: engine.Name{Epoch: 1}, now: epochTime, seq: 1}
	b.s.ResumeLoaded()
	return b
}

func (b *bench) load(keys []Key) {
	for _, k := range keys {
		if _, loaded := b.s.lookup(k); !loaded {
			b.s.Install(&Loaded{key: k})
		}
	}
}

func (b *bench) do(ev Event) {
	b.keys = ev.Keys(b.keys[:0])
	b.load(b.keys)
	if v := b.s.Check(ev, b.now, &b.ans); v != Admit {
		panic(fmt.Sprintf("%T: verdict %d: %v", ev, v, b.ans.Err))
	}
	b.buf = AppendRecord(b.buf[:0], ev, b.now)
	b.name.Number++
	b.records++
	if b.keep {
		b.chunk = append(b.chunk, b.buf...)
		if b.name.Number%10 == 0 {
			first := engine.Name{Epoch: b.name.Epoch, Number: b.name.Number - 9}
			b.log, b.chunk = AppendChunk(b.log, ChunkHeader{First: first, Time: b.now}, b.chunk), b.chunk[:0]
		}
	}
	b.s.Step(Input{Name: b.name, Time: b.now, Event: ev}, &b.fx)
	for {
		var more bool
		if b.keys, more = b.s.FollowUp(b.keys[:0]); !more {
			break
		}
		b.load(b.keys)
		b.s.Continue(&b.fx)
	}
	b.s.ForgetAbsent()
	b.fx.Reset()
}

func (b *bench) dispatch() *engine.Items {
	b.items.Orchestrations, b.items.Entities, b.items.Activities = b.items.Orchestrations[:0], b.items.Entities[:0], b.items.Activities[:0]
	b.s.Dispatch(b.name.Epoch, b.now, Wanted{Items: 1 << 20, Begin: 1 << 20}, &b.items)
	return &b.items
}

func (b *bench) start(id string) {
	b.seq++
	b.do(&Start{Client: Client{Session: [16]byte{1}, Seq: b.seq, Floor: b.seq}, Request: engine.StartRequest{
		Instance: id, Name: "Hello5", Input: []byte(`"World"`), IfExists: engine.ReplaceAny,
	}})
}

// step answers every step that is ready with the same events.
func (b *bench) step(events ...model.Event) {
	for _, item := range b.dispatch().Orchestrations {
		out := make([]model.Event, len(events))
		copy(out, events)
		b.do(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
			Token: item.Token, Now: item.Now, Events: out,
		}})
	}
}

func (b *bench) activities() {
	for _, i := range b.dispatch().Activities {
		b.do(&TaskDone{Ord: i.Token.Instance, Task: i.Task, Name: i.Token.Name, Result: []byte(`"Hello World!"`)})
	}
}

func (b *bench) batches() {
	for _, i := range b.dispatch().Entities {
		b.do(&EntityDone{Ord: i.Token.Instance, Handout: i.Token.Name.Number, Result: &engine.EntityResult{
			Token: i.Token, Now: i.Now, Results: make([]engine.OperationResult, len(i.Operations)), State: []byte("1000000"),
		}})
	}
}

func (b *bench) hello5(id string) {
	b.start(id)
	for i := range int32(5) {
		b.step(model.Event{Kind: model.TaskScheduled, ID: i + 1, Name: "SayHello", Payload: []byte(`"World"`), Ext: &model.Ext{Call: i + 1}})
		b.activities()
	}
	b.step(model.Event{Kind: model.ExecutionCompleted, ID: 7, Payload: []byte(`"done"`), Ext: &model.Ext{Status: model.Completed}})
}

// nowhere is a store that takes everything.
type nowhere struct{ rows, bytes int }

func (w *nowhere) SetMain(key, value []byte)      { w.rows, w.bytes = w.rows+1, w.bytes+len(key)+len(value) }
func (w *nowhere) DeleteMain(key []byte)          { w.rows++ }
func (w *nowhere) DeleteMainRange(_, _ []byte)    { w.rows++ }
func (w *nowhere) SetHistory(key, value []byte)   { w.SetMain(key, value) }
func (w *nowhere) DeleteHistoryRange(_, _ []byte) { w.rows++ }

func (b *bench) checkpoint() *nowhere {
	w := &nowhere{}
	b.s.BeginCapture(w)
	for !b.s.CaptureSome(1000) {
	}
	b.s.CaptureApplied()
	return w
}

// checkpointGroup is what a checkpoint takes of the partition's time, for 1,000
// instances that finished.
var checkpointGroup = alloctest.Group{Name: "Checkpoint", Ops: []alloctest.Op{
	{Name: "finished=1000", Runs: 10, Setup: func(tb testing.TB) func() {
		const instances = 1000
		x := newBench()
		var w *nowhere
		alloctest.Report(tb, func(b *testing.B) {
			b.ReportMetric(float64(b.Elapsed())/float64(b.N)/instances, "ns/instance")
			b.ReportMetric(float64(w.bytes)/instances, "bytes/instance")
		})
		return func() {
			alloctest.Apart(tb, func() {
				for i := range instances {
					x.hello5(fmt.Sprintf("instance-%d", i))
				}
			})
			w = x.checkpoint()
		}
	}},
}}

func BenchmarkCheckpoint(b *testing.B) { checkpointGroup.Bench(b) }

// replayGroup is recovery: decoding the records of 1,000 Hello5s and stepping
// through them.
var replayGroup = alloctest.Group{Name: "Replay", Ops: []alloctest.Op{
	{Name: "hello5=1000", Runs: 10, Setup: func(tb testing.TB) func() {
		x := newBench()
		x.keep = true
		for i := range 1000 {
			x.hello5(fmt.Sprintf("instance-%d", i))
		}
		alloctest.Report(tb, func(b *testing.B) {
			b.ReportMetric(float64(x.name.Number)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
			b.ReportMetric(float64(len(x.log))/1000, "bytes/hello5")
		})
		return func() {
			if err := newBench().replay(x.log); err != nil {
				tb.Fatal(err)
			}
		}
	}},
}}

// replay steps through all records of a log.
func (b *bench) replay(log []byte) error {
	b.s.live = false
	r := model.NewOwnedReader(log)
	for r.Len() > 0 {
		c, err := ReadChunk(r)
		for ok := true; err == nil; {
			var in Input
			if in, ok, err = c.Next(); !ok {
				break
			}
			b.keys = in.Event.Keys(b.keys[:0])
			b.load(b.keys)
			b.s.Step(in, &b.fx)
		}
		if err != nil {
			return err
		}
		b.s.ForgetAbsent()
		b.fx.Reset()
	}
	return nil
}

func BenchmarkReplay(b *testing.B) { replayGroup.Bench(b) }

// eventNames names the events of sampleEvents: kind, and what is special about it.
func eventNames() []string {
	return []string{
		"opened", "start", "start-plain", "signal", "purge-command", "step", "step-empty", "entity", "entity-plain",
		"activity", "activity-failed", "received", "acked", "timers", "purged", "cleaned", "quarantined-v1-id", "quarantined-v1-ordinal",
		"quarantined", "quarantined-message", "quarantined-result", "quarantined-timer",
	}
}

var (
	encodeGroup = alloctest.Group{Name: "EncodeRecord", Ops: recordOps(func(ev Event) func(testing.TB) func() {
		return func(testing.TB) func() {
			var buf []byte
			return func() { buf = AppendRecord(buf[:0], ev, epochTime) }
		}
	})}
	decodeGroup = alloctest.Group{Name: "DecodeRecord", Ops: recordOps(func(ev Event) func(testing.TB) func() {
		return func(tb testing.TB) func() {
			row := AppendRecord(nil, ev, epochTime)
			r := model.NewOwnedReader(row)
			return func() {
				r.Reset(row)
				if _, err := decodeRecord(r, Version, epochTime); err != nil {
					tb.Fatal(err)
				}
			}
		}
	})}
)

// recordOps are an operation on each of the sample events.
func recordOps(setup func(Event) func(testing.TB) func()) (ops []alloctest.Op) {
	names := eventNames()
	for i, ev := range sampleEvents() {
		ops = append(ops, alloctest.Op{Name: names[i], Setup: setup(ev)})
	}
	return ops
}

func BenchmarkEncodeRecord(b *testing.B) { encodeGroup.Bench(b) }
func BenchmarkDecodeRecord(b *testing.B) { decodeGroup.Bench(b) }

// timerGroup is 100,000 timers that are set and come due together.
var timerGroup = alloctest.Group{Name: "Timers", Ops: []alloctest.Op{
	{Name: "timers=100000", Runs: 2, Setup: func(tb testing.TB) func() {
		const timers = 100_000
		alloctest.Report(tb, func(b *testing.B) { b.ReportMetric(float64(b.Elapsed())/float64(b.N)/timers, "ns/timer") })
		return func() {
			var h timerHeap
			for i := range uint64(timers) {
				h.push(TimerRef{FireAt: epochTime.Add(time.Duration(i*7919%1000) * time.Millisecond), Ord: i, ID: 1})
			}
			for len(h) > 0 {
				h.pop()
			}
		}
	}},
}}

func BenchmarkTimers(b *testing.B) { timerGroup.Bench(b) }

func TestAllocations(t *testing.T) {
	alloctest.Check(t, stepGroup, checkpointGroup, replayGroup, encodeGroup, decodeGroup, timerGroup)
}
