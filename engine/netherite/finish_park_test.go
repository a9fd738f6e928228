package netherite_test

import (
	"errors"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// floodedOutbox is a hub in whose store partition 0 has more messages to partition 1
// than it loads at once.
func floodedOutbox(t *testing.T) *memory {
	t.Helper()
	m := newMemory(2)
	lost := func(deliver func([]netherite.Frame)) netherite.Transport {
		return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
			if f.Kind != netherite.FrameMessages {
				pass(f)
			}
		}}
	}
	e := openHub(t, m, func(o *netherite.Options) { o.Transport = lost })
	w := newTestWorker()
	w.programs["Flood"] = func(_, _ []model.Event) (out []model.Event) {
		for i := range 5 {
			out = append(out, model.Event{Kind: model.EntitySignaled, ID: int32(i), Name: "x", Instance: inPartition(1, "@e@"), Payload: make([]byte, 70<<10)})
		}
		return append(out, completed(5, "told"))
	}
	w.connect(t, e)
	id := inPartition(0, "flood")
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Flood"}); err != nil {
		t.Fatal(err)
	}
	if _, err := ended(t.Context(), e, id); err != nil {
		t.Fatal(err)
	}
	w.close()
	checkpoint(t, e)
	e.Kill(true)
	return m
}

// A partition may find damage in its outbox while it finishes a batch. Where that is
// before the batch is appended, nothing of it is, and nobody hears that anything was
// done: what it needs of the log may have been saved already.
func TestPartitionThatParksBeforeItAppendsAcknowledgesNothing(t *testing.T) {
	for _, release := range []netherite.Release{netherite.ReleasePartition, netherite.ReleaseConservative} {
		t.Run(release.String(), func(t *testing.T) {
			m := floodedOutbox(t)
			var send func([]netherite.Frame)
			late := make(chan netherite.Frame, 1)
			transport := func(deliver func([]netherite.Frame)) netherite.Transport {
				send = deliver
				return &between{deliver, func(f netherite.Frame, pass func(netherite.Frame)) {
					if f.Kind == netherite.FrameSeen && f.From == 1 {
						late <- f
						return
					}
					pass(f)
				}}
			}
			e := openHub(t, m, func(o *netherite.Options) {
				o.Transport, o.Release, o.Memory, o.CheckReplay = transport, release, 1<<20, false
			})
			answer, id := <-late, inPartition(0, "i")
			for _, key := range m.store.Keys(substrate.Main, []byte{0, 0, 'o', 0, 1}, []byte{0, 0, 'o', 0, 2}) {
				m.store.Damage(substrate.Main, key)
			}
			started := make(chan error, 1)
			e.Together(id, func() {
				go func() {
					_, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "X"})
					started <- err
				}()
				e.Arrived(id, 1)
				send([]netherite.Frame{answer})
			})
			if err := <-started; !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("start: %v", err)
			}
			if s := e.Stats(); s.Parked != 1 {
				t.Errorf("%d partitions are parked", s.Parked)
			}
		})
	}
}
