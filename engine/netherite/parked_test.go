package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// ailing is a memory whose store cannot read what partition 1 has, while bad.
type ailing struct {
	*memory
	bad bool
}

func (m *ailing) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &ailingStore{s, m.bad}, err
}

type ailingStore struct {
	substrate.Store
	bad bool
}

func (s *ailingStore) Get(space substrate.Space, key []byte) ([]byte, error) {
	if s.bad && len(key) > 1 && key[1] == 1 {
		return nil, substrate.ErrDamaged
	}
	return s.Store.Get(space, key)
}

// What a partition cannot replay today was acknowledged all the same: the log
// keeps it, whatever the others do, until the partition can.
func TestLogKeepsWhatAParkedPartitionCannotReplay(t *testing.T) {
	ctx := t.Context()
	m := &ailing{memory: newMemory(2)}
	reopen := func() *netherite.Engine {
		e, err := netherite.Open(netherite.Options{Storage: m, Logger: slog.New(slog.NewTextHandler(io.Discard, nil))})
		if err != nil {
			t.Fatal(err)
		}
		return e
	}
	start := func(e *netherite.Engine, id string) {
		if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "X"}); err != nil {
			t.Fatalf("start %s: %v", id, err)
		}
	}
	e := reopen()
	var ids []string
	for i := 0; len(ids) < 5; i++ {
		id := fmt.Sprint("i-", i)
		start(e, id)
		if model.PartitionOf(id, 2) == 1 {
			ids = append(ids, id)
		}
	}
	e.Kill(false)
	m.log.Crash(mem.KeepNone)
	m.store.Crash(mem.KeepNone, mem.KeepNone)

	m.bad = true
	e = reopen()
	if _, err := e.Get(ctx, ids[0], engine.GetOptions{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Fatalf("get of an instance of the parked partition: %v, expected ErrUnavailable", err)
	}
	for i := range 300 {
		if id := fmt.Sprint("j-", i); model.PartitionOf(id, 2) == 0 {
			start(e, id)
		}
	}
	if err := errors.Join(e.Checkpoint(ctx), e.Close(context.Background())); err != nil {
		t.Fatal(err)
	}

	m.bad = false
	e = reopen()
	for _, id := range ids {
		if _, err := e.Get(ctx, id, engine.GetOptions{}); err != nil {
			t.Errorf("acknowledged before the partition parked: %v", err)
		}
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

func (m *ailing) reopen(t *testing.T, change ...func(*netherite.Options)) *netherite.Engine {
	t.Helper()
	o := netherite.Options{Storage: m, Logger: slog.New(slog.DiscardHandler)}
	for _, f := range change {
		f(&o)
	}
	e, err := netherite.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// Operations over all instances do their work in healthy partitions, and say by
// type which ones they had to leave out.
func TestQueriesAndPurgesGoOnWithoutAParkedPartition(t *testing.T) {
	ctx := t.Context()
	m := &ailing{memory: newMemory(2)}
	e := m.reopen(t)
	w := helloWorker()
	w.connect(t, e)
	startAndWait(t, e, "Hello5", 40, 4)
	var entities int
	for i := range 20 {
		id := fmt.Sprintf("@none@%d", i)
		if err := e.Signal(ctx, engine.SignalRequest{Entity: id, Operation: "x"}); err != nil {
			t.Fatal(err)
		}
		if model.PartitionOf(id, 2) == 0 {
			entities++
		}
	}
	w.close()
	if err := e.Close(ctx); err != nil {
		t.Fatal(err)
	}
	m.bad = true
	e = m.reopen(t, func(o *netherite.Options) { o.Retention = time.Nanosecond })
	missing := func(what string, err error) {
		t.Helper()
		partial, ok := errors.AsType[*engine.PartialError](err)
		if !ok || !slices.Equal(partial.Partitions, []int{1}) || !errors.Is(err, engine.ErrUnavailable) {
			t.Errorf("%s: %v", what, err)
		}
	}
	healthy := 0
	for i := range 40 {
		if model.PartitionOf(fmt.Sprintf("Hello5-%d", i), 2) == 0 {
			healthy++
		}
	}
	page, err := e.Query(ctx, engine.Query{PageSize: 3})
	missing("query", err)
	got := len(page.Instances)
	for page.Token != "" {
		page, err = e.Query(ctx, engine.Query{PageSize: 3, Token: page.Token})
		missing("next page", err)
		got += len(page.Instances)
	}
	if got != healthy {
		t.Errorf("%d instances, want %d", got, healthy)
	}
	page, err = e.Query(ctx, engine.Query{Entities: true})
	missing("query entities", err)
	if len(page.Instances) != entities {
		t.Errorf("%d entities, want %d", len(page.Instances), entities)
	}
	_, err = e.CleanEntities(ctx, engine.CleanOptions{RemoveEmpty: true, ReleaseOrphanedLocks: true})
	missing("clean", err)
	n, _, err := e.PurgeWhere(ctx, engine.Query{IDPrefix: "Hello5-1"})
	missing("purge", err)
	e.Retire(ctx)
	if all := int64(n) + e.Stats().Retired; n == 0 || all != int64(healthy) {
		t.Errorf("%d purged, %d retired, want %d together", n, e.Stats().Retired, healthy)
	}
	if err := e.Health(); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("health: %v", err)
	}
	if err := e.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// A partition that is parked is one, also after the node has failed and been replaced.
func TestParkedPartitionIsCountedOnceHoweverOftenTheNodeIsReplaced(t *testing.T) {
	m := newMemory(2)
	begin := func(prefix string) *netherite.Engine {
		t.Helper()
		e := openHub(t, m, fastRecovery)
		startIn(t, e, prefix, 0, 1, 0)
		return e
	}
	e := begin("a")
	startIn(t, e, "a", 1, 1, 0)
	if err := e.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	m.store.Damage(substrate.Main, []byte{0, 1, 'M'})
	e = begin("b")
	for round := range 2 {
		m.log.SetFault(failIn(mem.OpWrite, 1))
		startIn(t, e, fmt.Sprint("c-", round), 0, 1, 0)
		if s := e.Stats(); s.Parked != 1 || s.Failures != int64(round)+1 {
			t.Errorf("%d partitions are parked after %d failures, want 1 after %d", s.Parked, s.Failures, round+1)
		}
	}
	m.store.Mend()
	m.log.SetFault(failIn(mem.OpWrite, 1))
	startIn(t, e, "d", 0, 1, 0)
	if s := e.Stats(); s.Parked != 0 {
		t.Errorf("%d partitions are parked once the row is back: %v", s.Parked, e.Health())
	}
}
