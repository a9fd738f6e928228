package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"testing/synctest"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/mem"
)

// seized is the storage of a process whose directory somebody else has opened since:
// it keeps its handles, and gets no others.
type seized struct {
	netherite.Storage
	opened bool
}

func (s *seized) OpenLog() (substrate.Log, error) {
	if s.opened {
		return nil, engine.ErrHeld
	}
	s.opened = true
	return s.Storage.OpenLog()
}

// openSeized opens a hub that somebody else is about to open, too.
func openSeized(t *testing.T, s netherite.Storage) *netherite.Engine {
	t.Helper()
	o := netherite.Options{Storage: &seized{Storage: s}, Logger: slog.New(slog.DiscardHandler), Gather: -1}
	o.KeeperTick(time.Minute) // what it does before, it is asked to
	e, err := netherite.Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = e.Close(context.Background()) }) // it has something to complain about
	return e
}

// started starts the instances of a round, all of which are acknowledged.
func started(t *testing.T, e *netherite.Engine, round string) {
	t.Helper()
	for i := range 10 {
		if _, err := e.Start(t.Context(), engine.StartRequest{Instance: fmt.Sprintf("%s-%d", round, i), Name: "X"}); err != nil {
			t.Fatal(err)
		}
	}
}

func wantStarted(t *testing.T, e *netherite.Engine, rounds ...string) {
	t.Helper()
	for _, round := range rounds {
		for i := range 10 {
			if _, err := e.Get(t.Context(), fmt.Sprintf("%s-%d", round, i), engine.GetOptions{}); err != nil {
				t.Errorf("%s-%d: %v", round, i, err)
			}
		}
	}
}

// overtaken opens a hub in memory whose store lacks what was started first, and opens
// it again: the later one has all of it, and more, in the store.
func overtaken(t *testing.T) (storage *memory, old, later *netherite.Engine) {
	t.Helper()
	storage = newMemory(4)
	old = openSeized(t, storage)
	started(t, old, "first")
	later = openHub(t, storage)
	started(t, later, "second")
	if err := later.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return storage, old, later
}

// rowsOf are the rows of a store that are durable, and its stamps.
func rowsOf(t *testing.T, m *memory) map[string]string {
	t.Helper()
	s, err := m.store.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Abandon()
	rows := map[string]string{}
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		err := s.Scan(space, nil, nil, func(key, value []byte) bool {
			rows[fmt.Sprintf("%v %x", space, key)] = string(value)
			return true
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for p := range m.params.Partitions {
		stamp, err := s.Stamp(p)
		if err != nil {
			t.Fatal(err)
		}
		rows[fmt.Sprint("stamp of partition ", p)] = fmt.Sprint(stamp)
	}
	return rows
}

// The twin of the store in memory would let an earlier opening put what it knows in
// the place of what is there: so it is the engine that must not.
func TestEarlierOpeningTakesNoCheckpoint(t *testing.T) {
	for name, try := range map[string]func(context.Context, *netherite.Engine) error{
		"Checkpoint": func(ctx context.Context, e *netherite.Engine) error { return e.Checkpoint(ctx) },
		"Copy": func(ctx context.Context, e *netherite.Engine) error {
			return e.Copy(ctx, func(substrate.Log, substrate.Store) error { return nil })
		},
		"Close": func(ctx context.Context, e *netherite.Engine) error { return e.Close(ctx) },
		"when it is due": func(ctx context.Context, e *netherite.Engine) error {
			<-time.After(5 * time.Minute)
			_, err := e.Get(ctx, "first-0", engine.GetOptions{})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				storage, old, later := overtaken(t)
				later.Kill(false)
				before := rowsOf(t, storage)
				if err := try(t.Context(), old); err == nil {
					t.Error("it was not refused")
				}
				// What the log has yet would make up for it.
				if after := rowsOf(t, storage); !maps.Equal(after, before) {
					t.Errorf("the store has %d rows, and had %d; or others", len(after), len(before))
				}
				storage.log.Crash(mem.KeepNone)
				storage.store.Crash(mem.KeepNone, mem.KeepNone)
				wantStarted(t, openHub(t, storage), "first", "second")
			})
		})
	}
}

// brimful has a store that cannot be flushed, until it is closed.
type brimful struct {
	*memory
	full chan struct{} // told of each flush with all that there is
}

func (b *brimful) OpenStore(int64) (substrate.Store, error) {
	s, err := b.store.Open()
	return &brimfulStore{Store: s, full: b.full}, err
}

// brimfulStore is used by the keeper alone.
type brimfulStore struct {
	*mem.Store
	full    chan struct{}
	applied int
}

func (s *brimfulStore) Apply(b substrate.Batch, partition int, stamp substrate.Stamp) error {
	s.applied++
	return s.Store.Apply(b, partition, stamp)
}

func (s *brimfulStore) Flush() error {
	if s.applied == 4 {
		s.full <- struct{}{}
	}
	return substrate.ErrDiskFull
}

// A node fails for any reason after its hub was opened again: what it had applied to
// its store is not flushed as it goes.
func TestNodeThatFailsAfterItsHubWasTakenLeavesTheStoreAlone(t *testing.T) {
	storage := newMemory(4)
	full := make(chan struct{}, 8)
	old := openSeized(t, &brimful{storage, full})
	started(t, old, "first")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- old.Checkpoint(ctx) }()
	<-full
	cancel()
	if err := <-done; err == nil {
		t.Fatal("the disk is not full")
	}
	<-full // and once more, then not for a minute
	later := openHub(t, storage)
	started(t, later, "second")
	if err := later.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := old.Get(t.Context(), "first-0", engine.GetOptions{}); !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("a read was answered with %v", err)
	}
	_ = old.Close(t.Context())
	later.Kill(false)
	storage.log.Crash(mem.KeepNone)
	storage.store.Crash(mem.KeepNone, mem.KeepNone)
	wantStarted(t, openHub(t, storage), "first", "second")
}

// The same with files, all of them, of a parked partition too.
func TestFilesOfAHubThatWasTakenAreLeftAlone(t *testing.T) {
	leaktest.StoresDie(t)
	w := &ward{fs: faultfs.New()}
	old := openSeized(t, w)
	started(t, old, "first")
	later := openHub(t, w)
	started(t, later, "second")
	if err := later.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	w.fs.SetFault(func(op faultfs.Op) error {
		switch op.Kind {
		case faultfs.OpRead, faultfs.OpOpen, faultfs.OpList:
		default:
			t.Errorf("the earlier one: %s %s", op.Kind, op.Path)
		}
		return nil
	})
	if err := old.Checkpoint(t.Context()); err == nil {
		t.Error("the earlier one has taken a checkpoint")
	}
	_ = old.Close(t.Context())
	w.fs.SetFault(nil)
	wantStarted(t, later, "first", "second")
}
