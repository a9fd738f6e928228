package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// between is the transport within a process, of which a test sees every frame:
// pass says what is delivered in its place.
type between struct {
	deliver func([]netherite.Frame)
	pass    func(f netherite.Frame, deliver func(netherite.Frame))
}

func (b *between) Send(frames []netherite.Frame) {
	for _, f := range frames {
		b.pass(f, func(f netherite.Frame) { b.deliver([]netherite.Frame{f}) })
	}
}

func (b *between) Close() {}

// inPartition returns an ID, with a prefix, that a partition of two has.
func inPartition(p int, prefix string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprint(prefix, i); model.PartitionOf(id, 2) == p {
			return id
		}
	}
}

// No crash leads to these states of a pair. The partition that finds out parks with
// the pair and both positions in its reason, and the other one runs on.
func TestDamageOfAPairIsNamedByTheOneThatFindsOutAndStopsOnlyThat(t *testing.T) {
	for name, c := range map[string]struct {
		kind      netherite.FrameKind
		from      int
		damage    func(f *netherite.Frame)
		parks     int
		afterward string
	}{
		"DroppedByTheOrigin": {
			netherite.FrameHello, 0, func(f *netherite.Frame) { f.First, f.Next = 10, 12 },
			1, "partition 0 has dropped messages to partition 1 up to 9, which has seen only 0",
		},
		"SeenAndNeverSent": {
			netherite.FrameSeen, 1, func(f *netherite.Frame) { f.Through = 41 },
			0, "partition 1 has seen message 41 of partition 0, which has sent only 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			damaged := make(chan struct{})
			var once sync.Once
			transport := func(deliver func([]netherite.Frame)) netherite.Transport {
				return &between{deliver, func(f netherite.Frame, deliver func(netherite.Frame)) {
					if f.Kind != c.kind || f.From != c.from {
						deliver(f)
						return
					}
					c.damage(&f)
					deliver(f)
					once.Do(func() { close(damaged) })
				}}
			}
			e := openHub(t, newMemory(2), func(o *netherite.Options) { o.Transport = transport })
			<-damaged
			// What comes after the frame is answered after it.
			_, err := e.Start(t.Context(), engine.StartRequest{Instance: inPartition(c.parks, "i"), Name: "X"})
			if !errors.Is(err, engine.ErrUnavailable) || !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), c.afterward) {
				t.Errorf("start in partition %d: %v\nwant ErrUnavailable, ErrDamaged, and %q", c.parks, err, c.afterward)
			}
			if _, err := e.Start(t.Context(), engine.StartRequest{Instance: inPartition(1-c.parks, "i"), Name: "X"}); err != nil {
				t.Errorf("start in the other partition: %v", err)
			}
			if s := e.Stats(); s.Parked != 1 {
				t.Errorf("%d partitions are parked", s.Parked)
			}
		})
	}
}

// Both directions of a pair are full at the same time, and nothing else goes on:
// nobody waits for the other one, so both go on.
func TestPairWhoseWindowsAreFullInBothDirectionsGoesOn(t *testing.T) {
	const signals, bytes = 10, 70 << 10 // one alone is as much as the window takes
	var mu sync.Mutex
	var held []func()
	both := make(chan struct{})
	transport := func(deliver func([]netherite.Frame)) netherite.Transport {
		return &between{deliver, func(f netherite.Frame, deliver func(netherite.Frame)) {
			mu.Lock()
			defer mu.Unlock()
			if f.Kind != netherite.FrameMessages || len(held) == 2 {
				deliver(f)
				return
			}
			if len(f.Messages) != 1 {
				t.Errorf("a frame of %d messages goes from %d: the window is not full", len(f.Messages), f.From)
			}
			held = append(held, func() { deliver(f) })
			if len(held) == 2 {
				close(both)
			}
		}}
	}
	e := openHub(t, newMemory(2), func(o *netherite.Options) { o.Transport, o.Memory = transport, 1<<20 })
	w := newTestWorker()
	entities := [2]string{inPartition(1, "@count@"), inPartition(0, "@count@")} // of whom each partition signals
	w.programs["Flood"] = func(past, fresh []model.Event) (out []model.Event) {
		for i := range signals {
			out = append(out, model.Event{Kind: model.EntitySignaled, ID: int32(i), Name: "x", Instance: string(fresh[0].Payload), Payload: make([]byte, bytes)})
		}
		return append(out, model.Event{Kind: model.ExecutionCompleted, ID: signals})
	}
	counted := make(chan struct{}, 2*signals)
	w.entities["count"] = func(state []byte, _ *model.Event) (next, out []byte) {
		counted <- struct{}{}
		return append(state, '.'), nil
	}
	for p, entity := range entities {
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: inPartition(p, "flood"), Name: "Flood", Input: []byte(entity)}); err != nil {
			t.Fatal(err)
		}
	}
	w.connect(t, e) // only now: what the first sends fills the memory
	defer w.close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	await := func(c <-chan struct{}, what string) {
		select {
		case <-c:
		case <-ctx.Done():
			t.Fatalf("after a minute: %s", what)
		}
	}
	await(both, "not both directions are full")
	mu.Lock()
	for _, release := range held {
		release()
	}
	mu.Unlock()
	for n := range 2 * signals {
		await(counted, fmt.Sprintf("%d of %d signals have arrived", n, 2*signals))
	}
	for _, entity := range entities {
		got, err := e.Get(ctx, entity, engine.GetOptions{Payloads: true, Fresh: true})
		if err != nil || len(got.Entity.State) != signals {
			t.Errorf("%s: %v, %v", entity, got, err)
		}
	}
}
