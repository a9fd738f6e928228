package partition

import (
	"fmt"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
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
}

func newBench() *bench {
	b := &bench{s: New(Config{Partitions: 1}), name: engine.Name{Epoch: 1}, now: epochTime, seq: 1}
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
	b.s.Dispatch(b.name.Epoch, b.now, 1<<20, &b.items)
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

// BenchmarkStep measures Check, AppendRecord, Step and Dispatch together, in
// cycles that leave the state as it was.
func BenchmarkStep(b *testing.B) {
	cycles := map[string]func(*bench){
		"hello5": func(x *bench) { x.hello5("a") },
		"start":  func(x *bench) { x.start("a") },
		"event": func(x *bench) {
			x.do(&Command{Op: OpRaise, Instance: "w", Name: "go", Payload: []byte("1")})
			x.step()
		},
		"task": func(x *bench) {
			x.do(&Command{Op: OpRaise, Instance: "w", Name: "go"})
			x.step(model.Event{Kind: model.TaskScheduled, ID: 1, Name: "T"})
			x.activities()
			x.step()
		},
		"timer": func(x *bench) {
			x.do(&Command{Op: OpRaise, Instance: "w", Name: "go"})
			x.step(model.Event{Kind: model.TimerCreated, ID: 1, FireAt: x.now})
			x.do(&TimersFired{Timers: x.s.DueTimers(x.now, 10, nil)})
			x.step()
		},
		"signal": func(x *bench) {
			x.do(&Command{Op: OpSignal, Instance: "@e@1", Name: "add", Payload: []byte("1")})
			x.batches()
		},
		"lock": func(x *bench) {
			x.do(&Command{Op: OpRaise, Instance: "w", Name: "go"})
			x.step(model.Event{Kind: model.EntityLockRequested, ID: 1, RequestID: "S", Ext: &model.Ext{LockSet: []string{"@e@1", "@e@2"}}})
			x.step(model.Event{Kind: model.EntityUnlockSent, ID: 2, RequestID: "S", Instance: "@e@1"},
				model.Event{Kind: model.EntityUnlockSent, ID: 3, RequestID: "S", Instance: "@e@2"})
		},
		"received10": func(x *bench) {
			ev := &Received{First: x.s.Seen(0) + 1, Messages: make([]model.Message, 10)}
			for i := range ev.Messages {
				ev.Messages[i] = model.Message{To: "@e@1", From: "a", Event: model.Event{Kind: model.EntitySignaled, ID: model.NoID, Name: "add"}}
			}
			x.do(ev)
			x.batches()
		},
	}
	for name, cycle := range cycles {
		b.Run(name, func(b *testing.B) {
			x := newBench()
			x.start("w")
			x.step()
			for _, e := range []string{"@e@1", "@e@2"} {
				x.do(&Command{Op: OpSignal, Instance: e, Name: "add"})
			}
			x.batches()
			first := x.name.Number
			b.ReportAllocs()
			for n := 1; b.Loop(); n++ {
				cycle(x)
				if n%1000 == 0 { // histories do not grow without end
					x.checkpoint()
				}
			}
			b.ReportMetric(float64(x.name.Number-first)/float64(b.N), "records/op")
		})
	}
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

// BenchmarkCapture measures what a checkpoint takes of the partition's time, per
// finished instance.
func BenchmarkCapture(b *testing.B) {
	const instances = 1000
	x := newBench()
	var w *nowhere
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		for i := range instances {
			x.hello5(fmt.Sprintf("instance-%d", i))
		}
		b.StartTimer()
		w = x.checkpoint()
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/instances, "ns/instance")
	b.ReportMetric(float64(w.bytes)/instances, "bytes/instance")
}

// BenchmarkReplay measures recovery: decoding records and stepping through them.
func BenchmarkReplay(b *testing.B) {
	x := newBench()
	x.keep = true
	for i := range 1000 {
		x.hello5(fmt.Sprintf("instance-%d", i))
	}
	records := float64(x.name.Number)
	b.ReportAllocs()
	for b.Loop() {
		y := newBench()
		y.s.live = false
		r := model.NewOwnedReader(x.log)
		for r.Len() > 0 {
			c, err := ReadChunk(r)
			for ok := true; err == nil; {
				var in Input
				if in, ok, err = c.Next(); !ok {
					break
				}
				y.keys = in.Event.Keys(y.keys[:0])
				y.load(y.keys)
				y.s.Step(in, &y.fx)
			}
			if err != nil {
				b.Fatal(err)
			}
			y.s.ForgetAbsent()
			y.fx.Reset()
		}
	}
	b.ReportMetric(records*float64(b.N)/b.Elapsed().Seconds(), "records/s")
	b.ReportMetric(float64(len(x.log))/1000, "bytes/hello5")
}

func BenchmarkAppendRecord(b *testing.B) {
	for _, ev := range sampleEvents() {
		b.Run(fmt.Sprintf("%T", ev)[len("*partition."):], func(b *testing.B) {
			var buf []byte
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendRecord(buf[:0], ev, epochTime)
			}
		})
	}
}

func BenchmarkDecodeRecord(b *testing.B) {
	for _, ev := range sampleEvents() {
		row := AppendRecord(nil, ev, epochTime)
		r := model.NewOwnedReader(row)
		b.Run(fmt.Sprintf("%T", ev)[len("*partition."):], func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Reset(row)
				if _, err := decodeRecord(r, epochTime); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkTimers measures 100,000 timers that are set and come due together.
func BenchmarkTimers(b *testing.B) {
	const timers = 100_000
	for b.Loop() {
		var h timerHeap
		for i := range uint64(timers) {
			h.push(TimerRef{FireAt: epochTime.Add(time.Duration(i*7919%1000) * time.Millisecond), Ord: i, ID: 1})
		}
		for len(h) > 0 {
			h.pop()
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/timers, "ns/timer")
}
