package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
)

// refusing is a memory whose store is damaged where partition 1 would be written, or
// where all have to be flushed.
type refusing struct {
	*memory
	flush bool
}

func (m *refusing) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &refusingStore{s, m.flush}, err
}

type refusingStore struct {
	substrate.Store
	flush bool
}

var inTheWay = &substrate.Damage{File: "main/000007.sst", Kind: "crc"}

func (s *refusingStore) Apply(b substrate.Batch, partition int, stamp substrate.Stamp) error {
	if !s.flush && partition == 1 {
		return fmt.Errorf("apply: %w", inTheWay)
	}
	return s.Store.Apply(b, partition, stamp)
}

func (s *refusingStore) Flush() error {
	if s.flush {
		return fmt.Errorf("flush: %w", inTheWay)
	}
	return s.Store.Flush()
}

// Damage in the way of a checkpoint does not go away when the node is recovered: so it is
// not, and the partitions that cannot be written park. What was acknowledged is in the log.
func TestDamageInTheWayOfACheckpointParksWhatCannotBeWritten(t *testing.T) {
	for name, parked := range map[string]int64{"apply": 1, "flush": 2} {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			m := &refusing{newMemory(2), name == "flush"}
			e := openHub(t, m)
			for i := range 20 {
				if _, err := e.Start(ctx, engine.StartRequest{Instance: fmt.Sprint("i-", i), Name: "X"}); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Checkpoint(ctx); m.flush != errors.Is(err, engine.ErrDamaged) {
				t.Errorf("checkpoint: %v", err)
			}
			for e.Stats().Parked < parked { // it is counted a little later
				runtime.Gosched()
			}
			if s := e.Stats(); s.Parked != parked || s.Failures != 0 {
				t.Errorf("%d partitions are parked after %d failures of the node", s.Parked, s.Failures)
			}
			if err := e.Health(); !errors.Is(err, engine.ErrUnavailable) || !strings.Contains(err.Error(), inTheWay.File) {
				t.Errorf("health: %v", err)
			}
			if err := e.Close(context.Background()); m.flush != errors.Is(err, engine.ErrDamaged) {
				t.Errorf("close: %v", err)
			}
			e = openHub(t, m.memory)
			for i := range 20 {
				if inst, err := e.Get(ctx, fmt.Sprint("i-", i), engine.GetOptions{}); err != nil || inst == nil {
					t.Errorf("instance %d: %+v, %v", i, inst, err)
				}
			}
		})
	}
}

// moody is a memory whose store is on a disk that is full, and then damaged.
type moody struct {
	*memory
	flush atomic.Pointer[error]
}

func (m *moody) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &moodyStore{s, m}, err
}

type moodyStore struct {
	substrate.Store
	m *moody
}

func (s *moodyStore) Flush() error {
	if err := s.m.flush.Load(); err != nil {
		return fmt.Errorf("flush: %w", *err)
	}
	return s.Store.Flush()
}

func (m *moody) becomes(err error) { m.flush.Store(&err) }

// openMoody opens a hub on a store that is still in order, and has all so far.
func openMoody(t *testing.T) (*moody, *netherite.Engine) {
	t.Helper()
	m := &moody{memory: newMemory(2)}
	e := openHub(t, m)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	return m, e
}

// A disk that has space again is not full any more, also if it shows that it is damaged.
func TestDiskThatIsDamagedInsteadOfFullIsNotFull(t *testing.T) {
	m, e := openMoody(t)
	m.becomes(substrate.ErrDiskFull)
	startIn(t, e, "a", 0, 1, 1)
	over, cancel := context.WithTimeout(t.Context(), time.Millisecond)
	defer cancel()
	for !errors.Is(e.Health(), engine.ErrDiskFull) {
		_ = e.Checkpoint(over) // which ends with the wait for space
	}
	m.becomes(inTheWay)
	for e.Stats().Parked == 0 {
		runtime.Gosched()
	}
	for deadline := time.Now().Add(30 * time.Second); errors.Is(e.Health(), engine.ErrDiskFull); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("health: %v", e.Health())
		}
	}
	startIn(t, e, "b", 1, 1, 1)
	if err := e.Close(context.Background()); !errors.Is(err, engine.ErrDamaged) {
		t.Errorf("close: %v", err)
	}
}

// A store that could not be flushed may do so later: another compaction has succeeded. What
// is not parked by then goes on.
func TestStoreThatIsFlushedAgainKeepsTheCheckpointsOfTheOthers(t *testing.T) {
	m, e := openMoody(t)
	m.becomes(inTheWay)
	startIn(t, e, "a", 0, 1, 1)
	if err := e.Checkpoint(t.Context()); !errors.Is(err, engine.ErrDamaged) {
		t.Errorf("checkpoint: %v", err)
	}
	m.flush.Store(nil)
	startIn(t, e, "b", 1, 1, 1)
	if err := e.Checkpoint(t.Context()); err != nil {
		t.Errorf("checkpoint: %v", err)
	}
	if n := e.Stats().Parked; n != 1 {
		t.Errorf("%d partitions are parked", n)
	}
	if err := e.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}
