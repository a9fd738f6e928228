package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// trap is a memory whose store panics, when armed, on what belongs to partition
// 1: as code of the core that meets what it does not expect.
type trap struct {
	*memory
	get, set, stamp, view atomic.Bool
	count                 atomic.Int64
}

func (m *trap) spring(armed *atomic.Bool, key []byte) {
	if armed.Load() && len(key) > 1 && key[1] == 1 {
		m.count.Add(1)
		panic("trap")
	}
}

func (m *trap) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &trapStore{s, m}, err
}

type trapStore struct {
	substrate.Store
	m *trap
}

type trapBatch struct {
	substrate.Batch
	m *trap
}

type trapView struct {
	substrate.Snapshot
	m *trap
}

func (s *trapStore) Get(space substrate.Space, key []byte) ([]byte, error) {
	s.m.spring(&s.m.get, key)
	return s.Store.Get(space, key)
}

func (s *trapStore) Scan(space substrate.Space, low, high []byte, f func(k, v []byte) bool) error {
	s.m.spring(&s.m.get, low)
	return s.Store.Scan(space, low, high, f)
}

func (s *trapStore) Stamp(id int) (substrate.Stamp, error) {
	s.m.spring(&s.m.stamp, []byte{0, byte(id)})
	return s.Store.Stamp(id)
}

func (s *trapStore) NewBatch() substrate.Batch    { return &trapBatch{s.Store.NewBatch(), s.m} }
func (s *trapStore) Snapshot() substrate.Snapshot { return &trapView{s.Store.Snapshot(), s.m} }

func (s *trapStore) Apply(b substrate.Batch, id int, stamp substrate.Stamp) error {
	return s.Store.Apply(b.(*trapBatch).Batch, id, stamp)
}

func (b *trapBatch) Set(space substrate.Space, key, value []byte) {
	b.m.spring(&b.m.set, key)
	b.Batch.Set(space, key, value)
}

func (v *trapView) Scan(space substrate.Space, low, high []byte, f func(k, v []byte) bool) error {
	v.m.spring(&v.m.view, low)
	return v.Snapshot.Scan(space, low, high, f)
}

// idsOf makes up n instance IDs of one partition of two.
func idsOf(partition, n int) (ids []string) {
	for i := 0; len(ids) < n; i++ {
		if id := fmt.Sprint("i-", i); model.PartitionOf(id, 2) == partition {
			ids = append(ids, id)
		}
	}
	return ids
}

// onlyOneIsParked checks that partition 1 refuses, and partition 0 works.
func onlyOneIsParked(t *testing.T, e *netherite.Engine) {
	t.Helper()
	ctx := t.Context()
	if _, err := e.Start(ctx, engine.StartRequest{Instance: idsOf(1, 50)[49], Name: "Hello5"}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("start in the parked partition: %v", err)
	}
	id := idsOf(0, 50)[49]
	if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Hello5"}); err != nil {
		t.Errorf("start in the other: %v", err)
	} else if i, err := ended(ctx, e, id); err != nil || i.Status != model.Completed {
		t.Errorf("%+v, %v", i, err)
	}
	if s := e.Stats(); s.Parked != 1 || s.Failures != 0 {
		t.Errorf("%d partitions parked, the node failed %d times", s.Parked, s.Failures)
	}
}

func TestPanicAnywhereInThePartitionParksOnlyThat(t *testing.T) {
	for name, act := range map[string]func(ctx context.Context, e *netherite.Engine, m *trap) error{
		"loading": func(ctx context.Context, e *netherite.Engine, m *trap) error {
			m.get.Store(true)
			_, err := e.Get(ctx, idsOf(1, 10)[9], engine.GetOptions{})
			return err
		},
		"checkpoint": func(ctx context.Context, e *netherite.Engine, m *trap) error {
			m.set.Store(true)
			if err := e.Checkpoint(ctx); err != nil {
				return fmt.Errorf("checkpoint of the others: %w", err)
			}
			_, err := e.Get(ctx, idsOf(1, 1)[0], engine.GetOptions{})
			return err
		},
		"rebuild": func(ctx context.Context, e *netherite.Engine, m *trap) error {
			m.stamp.Store(true)
			return e.Raise(ctx, engine.RaiseRequest{Instance: idsOf(1, 1)[0], Event: "poison"})
		},
		"dispatch": func(ctx context.Context, e *netherite.Engine, m *trap) error {
			id := idsOf(1, 10)[9]
			if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Trap"}); err != nil {
				return err
			}
			_, err := e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := &trap{memory: newMemory(2)}
			e := openHub(t, m, func(o *netherite.Options) {
				o.CheckReplay = false // it never evicts, and so loads nothing
				o.BeforeStep(func(_ int, ev partition.Event) {
					if c, ok := ev.(*partition.Command); ok && c.Name == "poison" {
						panic("poisonous request")
					}
				})
			})
			w := &trapWorker{helloWorker()}
			if err := w.connect(e); err != nil {
				t.Fatal(err)
			}
			defer w.close()
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, id := range slices.Concat(idsOf(0, 3), idsOf(1, 3)) {
				if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Hangs"}); err != nil {
					t.Fatal(err)
				}
			}
			waits := make(chan error, 1)
			go func() {
				_, err := e.Wait(ctx, idsOf(1, 1)[0], engine.UntilEnded, engine.GetOptions{})
				waits <- err
			}()
			for e.Waiting(idsOf(1, 1)[0]) == 0 {
				if ctx.Err() != nil {
					t.Fatal("nobody waits")
				}
			}
			if err := act(ctx, e, m); !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("what met the panic: %v", err)
			}
			if err := <-waits; !errors.Is(err, engine.ErrUnavailable) {
				t.Errorf("who waited meanwhile: %v", err)
			}
			onlyOneIsParked(t, e)
			if err := e.Checkpoint(ctx); err != nil {
				t.Errorf("checkpoint: %v", err)
			}
		})
	}
}

// trapWorker panics when it is asked for certain code.
type trapWorker struct{ *testWorker }

func (w *trapWorker) Handles(kind engine.ItemKind, name, version string) bool {
	if name == "Trap" {
		panic("trap")
	}
	return w.testWorker.Handles(kind, name, version)
}

func (w *trapWorker) connect(e engine.Feed) error {
	c, err := e.Connect(w)
	w.run(c)
	return err
}

func TestPanicWhileAPartitionIsRecoveredParksOnlyThat(t *testing.T) {
	for _, where := range []string{"restore", "open"} {
		t.Run(where, func(t *testing.T) {
			m := &trap{memory: newMemory(2)}
			w := helloWorker()
			e, err := netherite.Open(netherite.Options{Storage: m, Logger: testLogger(t)})
			if err != nil {
				t.Fatal(err)
			}
			for _, id := range slices.Concat(idsOf(0, 3), idsOf(1, 3)) {
				if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: "Hello5"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Close(t.Context()); err != nil {
				t.Fatal(err)
			}
			m.get.Store(where == "restore")
			e = openHub(t, m, func(o *netherite.Options) {
				o.BeforeStep(func(p int, ev partition.Event) {
					if _, opened := ev.(*partition.Opened); opened && p == 1 && where == "open" {
						panic("cannot be opened")
					}
				})
			})
			w.connect(t, e)
			defer w.close()
			onlyOneIsParked(t, e)
		})
	}
}

// A client's own goroutine decodes histories and pages: a panic there is its error.
func TestPanicInAReadIsAnErrorForItsClientOnly(t *testing.T) {
	m := &trap{memory: newMemory(2)}
	e := openHub(t, m)
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	startAndWait(t, e, "Hello5", 10, 2)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.view.Store(true)
	if _, err := e.Query(t.Context(), engine.Query{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("query: %v", err)
	}
	for i := range 10 {
		id := fmt.Sprint("Hello5-", i)
		if _, err := e.History(t.Context(), id); model.PartitionOf(id, 2) == 1 && !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("history: %v", err)
		}
	}
	m.view.Store(false)
	if p, err := e.Query(t.Context(), engine.Query{}); err != nil || len(p.Instances) != 10 {
		t.Errorf("%d instances, %v", len(p.Instances), err)
	}
	if s := e.Stats(); s.Parked != 0 || m.count.Load() == 0 {
		t.Errorf("%d parked after %d panics", s.Parked, m.count.Load())
	}
}

func TestPanicBetweenApplyingAndAppendingAcknowledgesNothing(t *testing.T) {
	m := newMemory(2)
	e := openHub(t, m)
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	ctx, id := t.Context(), idsOf(1, 1)[0]
	started, read := make(chan error, 1), make(chan error, 1)
	e.Together(id, func() {
		go func() {
			_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Hello5"})
			started <- err
		}()
		e.Arrived(id, 1)
		go func() {
			_, err := e.Get(ctx, id, engine.GetOptions{})
			read <- err
		}()
		e.Arrived(id, 2)
		e.Upset(id)
	})
	for what, answer := range map[string]chan error{"start": started, "get": read} {
		if err := <-answer; !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	onlyOneIsParked(t, e)
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	e = openHub(t, m)
	if _, err := e.Get(ctx, id, engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("after a restart: %v", err)
	}
	if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Hello5"}); err != nil {
		t.Errorf("the partition runs again after a restart: %v", err)
	}
}
