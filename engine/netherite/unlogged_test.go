package netherite_test

import (
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// apart splits a frame into those of one message each.
func apart(f netherite.Frame) (singles []netherite.Frame) {
	for i := range f.Messages {
		one := f
		one.First, one.Messages = f.First+uint64(i), f.Messages[i:i+1]
		singles = append(singles, one)
	}
	return singles
}

// Two messages come in one batch, and the second cannot be applied: the first alone is
// in the log, so it alone is acknowledged. A crash would lose the second otherwise.
func TestMessageThatIsNotInTheLogIsNotAcknowledged(t *testing.T) {
	first, second := inPartition(1, "@e@a"), inPartition(1, "@e@b")
	var logged atomic.Uint64
	transport := func(deliver func([]netherite.Frame)) netherite.Transport {
		return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
			switch {
			case f.Kind == netherite.FrameMessages && f.From == 0:
				deliver(apart(f))
				return
			case f.Kind == netherite.FrameAck && f.Through > logged.Load():
				t.Errorf("message %d is acknowledged, the log has %d", f.Through, logged.Load())
			}
			pass(f)
		}}
	}
	aside := make(chan struct{}, 10)
	e := openHub(t, newMemory(2), func(o *netherite.Options) {
		o.Transport = transport
		o.BeforeStep(func(p int, ev partition.Event) {
			switch e := ev.(type) {
			case *partition.Received:
				if e.First == 1 {
					logged.Store(1)
				}
			case *partition.Quarantined:
				logged.Store(2)
				aside <- struct{}{}
			}
		})
		o.BeforeMessage(func(_ int, m *model.Message) { // the lock request, which the first entity passes on
			if m.To == second && m.Event.Kind == model.EntityLockRequested {
				panic("poison")
			}
		})
	})
	w := newTestWorker()
	w.programs["Locks"] = func(_, _ []model.Event) []model.Event {
		return []model.Event{
			{Kind: model.EntitySignaled, ID: 0, Name: "x", Instance: inPartition(1, "@e@x")},
			{Kind: model.EntityLockRequested, ID: 1, RequestID: "1", Ext: &model.Ext{LockSet: []string{first, second}}},
		}
	}
	w.connect(t, e)
	defer w.close()
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: inPartition(0, "l"), Name: "Locks"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-aside:
	case <-ctx.Done():
		t.Fatal("nothing was set aside")
	}
}

// A partition that receives a message and right after it is asked how far it has come,
// or finds that something is missing, answers when the message is in the log: the
// answer is an acknowledgement, and what the other one logs of it must come later.
func TestAnswerToAPeerComesAfterWhatItAcknowledgesIsInTheLog(t *testing.T) {
	for name, question := range map[string]netherite.Frame{
		"asked":   {Kind: netherite.FrameHello, From: 0, To: 1, First: 1, Next: 2},
		"missing": {Kind: netherite.FrameMessages, From: 0, To: 1, First: 3, Messages: []*model.Message{{To: inPartition(1, "i")}}},
	} {
		t.Run(name, func(t *testing.T) {
			var hub atomic.Pointer[netherite.Engine]
			var before atomic.Int64 // how many records there were before the message; -1: it has not come
			before.Store(-1)
			answered := make(chan struct{}, 10)
			transport := func(deliver func([]netherite.Frame)) netherite.Transport {
				return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
					switch n := before.Load(); {
					case f.Kind == netherite.FrameMessages && n < 0:
						before.Store(hub.Load().Stats().Records)
						deliver([]netherite.Frame{f, question})
						return
					case f.Kind != netherite.FrameMessages && f.From == 1 && n >= 0:
						if hub.Load().Stats().Records == n {
							t.Errorf("%+v is sent before the message is in the log", f)
						}
						if f.Kind != netherite.FrameAck {
							answered <- struct{}{}
						}
					}
					pass(f)
				}}
			}
			e := openHub(t, newMemory(2), func(o *netherite.Options) { o.Transport = transport })
			hub.Store(e)
			w := newTestWorker()
			w.programs["Tells"] = func(_, _ []model.Event) []model.Event {
				return []model.Event{{Kind: model.EntitySignaled, ID: 0, Name: "x", Instance: inPartition(1, "@e@x")}, completed(1, "told")}
			}
			w.connect(t, e)
			defer w.close()
			if _, err := e.Start(t.Context(), engine.StartRequest{Instance: inPartition(0, "t"), Name: "Tells"}); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			select {
			case <-answered:
			case <-ctx.Done():
				t.Fatal("no answer")
			}
			if _, err := ended(ctx, e, inPartition(0, "t")); err != nil {
				t.Error(err)
			}
		})
	}
}

// An answer to a hello may come late, after acknowledgements by which what it says is
// settled: the pair is connected all the same.
func TestPairIsConnectedByAnAnswerThatIsOlderThanAnAcknowledgement(t *testing.T) {
	var send func([]netherite.Frame)
	late, next := make(chan netherite.Frame, 1), make(chan struct{}, 1)
	transport := func(deliver func([]netherite.Frame)) netherite.Transport {
		send = deliver
		return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
			switch {
			case f.Kind == netherite.FrameSeen && f.From == 1:
				late <- f
				return
			case f.Kind == netherite.FrameMessages && f.From == 0 && f.First == 2:
				next <- struct{}{}
			}
			pass(f)
		}}
	}
	e := openHub(t, newMemory(2), func(o *netherite.Options) { o.Transport = transport })
	answer := <-late
	w := newTestWorker()
	signal := model.Event{Kind: model.EntitySignaled, ID: 0, Name: "x", Instance: inPartition(1, "@e@x")}
	w.programs["Tells"] = func(_, _ []model.Event) []model.Event { return []model.Event{signal, completed(1, "told")} }
	w.connect(t, e)
	defer w.close()
	startAndWaitIn := func(id string) {
		t.Helper()
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Tells"}); err != nil {
			t.Fatal(err)
		}
		if _, err := ended(t.Context(), e, id); err != nil {
			t.Fatal(err)
		}
	}
	startAndWaitIn(inPartition(0, "first"))
	// What an earlier connection has sent arrives now.
	send([]netherite.Frame{{Kind: netherite.FrameMessages, From: 0, To: 1, First: 1, Messages: []*model.Message{{To: signal.Instance, Event: signal}}}})
	if err := e.Checkpoint(t.Context()); err != nil { // the acknowledgement is worth a record then
		t.Fatal(err)
	}
	send([]netherite.Frame{answer})
	startAndWaitIn(inPartition(0, "second"))
	select {
	case <-next:
	case <-time.After(patience):
		t.Error("the pair is not connected: the second message is not sent")
	}
}
