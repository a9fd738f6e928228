package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

var errDisk = errors.New("disk error")

// failIn makes the n-th operation of a kind from now fail.
func failIn(op mem.Op, n int) mem.Fault {
	return func(o mem.Op, _ int) error {
		if o == op {
			if n--; n == 0 {
				return errDisk
			}
		}
		return nil
	}
}

// fastRecovery lets a failed node be replaced without the usual delays.
func fastRecovery(o *netherite.Options) {
	o.Backoff = []time.Duration{0, time.Millisecond}
	o.KeeperTick(time.Millisecond)
}

func TestFailedLogIsRecoveredInProcessAndClientsSeeOnlyDelay(t *testing.T) {
	for _, op := range []mem.Op{mem.OpWrite, mem.OpSync} {
		t.Run(string(op), func(t *testing.T) {
			storage := newMemory(4)
			e := openHub(t, storage, fastRecovery)
			l := newLedger(6)
			w := l.worker()
			w.connect(t, e)
			defer w.close()
			for round := range 4 {
				storage.log.SetFault(failIn(op, 5+3*round))
				l.run(t.Context(), t, e, round, 60, 8, rand.New(rand.NewPCG(uint64(round), 9)))
			}
			storage.log.SetFault(nil)
			l.check(t, e)
			if s := e.Stats(); s.Failures == 0 {
				t.Error("the log never failed")
			}
			if len(l.maybe) > 0 {
				t.Errorf("requests without an answer: %v", l.maybe)
			}
		})
	}
}

// counted is a transport that tells when it has been closed.
type counted struct {
	deliver func([]netherite.Frame)
	closed  *int
}

func (c *counted) Send(frames []netherite.Frame) { c.deliver(frames) }
func (c *counted) Close()                        { *c.closed++ }

func TestTransportOfARecoveryThatFailsIsClosed(t *testing.T) {
	storage, made, closed := newMemory(2), 0, 0
	storage.log.SetFault(failIn(mem.OpWrite, 1))
	_, err := netherite.Open(netherite.Options{Storage: storage, Logger: testLogger(t), Transport: func(deliver func([]netherite.Frame)) netherite.Transport {
		made++
		return &counted{deliver, &closed}
	}})
	if !errors.Is(err, errDisk) || made != 1 || closed != made {
		t.Errorf("open: %v; %d transports were made, %d closed", err, made, closed)
	}
}

func TestFailedStoreIsRecoveredInProcess(t *testing.T) {
	for _, op := range []mem.Op{mem.OpApply, mem.OpFlush, mem.OpGet} {
		t.Run(string(op), func(t *testing.T) {
			storage := newMemory(4)
			e := openHub(t, storage, fastRecovery, func(o *netherite.Options) {
				o.Checkpoint = netherite.Checkpoint{Records: 40, Idle: time.Millisecond}
			})
			l := newLedger(6)
			w := l.worker()
			w.connect(t, e)
			defer w.close()
			for round := range 3 {
				storage.store.SetFault(failIn(op, 2+3*round))
				l.run(t.Context(), t, e, round, 60, 8, rand.New(rand.NewPCG(uint64(round), 9)))
				if err := e.Checkpoint(t.Context()); err != nil && !errors.Is(err, errDisk) {
					t.Error(err)
				}
			}
			storage.store.SetFault(nil)
			l.check(t, e)
			if s := e.Stats(); s.Failures == 0 {
				t.Error("the store never failed")
			}
		})
	}
}

func TestCallBoundedByItsContextWhileTheHubRecovers(t *testing.T) {
	storage := newMemory(2)
	e := openHub(t, storage, func(o *netherite.Options) { o.Backoff = []time.Duration{time.Hour} })
	storage.log.SetFault(func(mem.Op, int) error { return errDisk })
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	_, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "Hello5"})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("start while the hub recovers: %v", err)
	}
}

// ending is a memory that is asked before a view of its store is read.
type ending struct {
	*memory
	before func() error
}

type endingStore struct {
	substrate.Store
	m *ending
}

type endingView struct {
	substrate.Snapshot
	m *ending
}

func (m *ending) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := m.memory.OpenStore(bytes)
	return &endingStore{s, m}, err
}

func (s *endingStore) Snapshot() substrate.Snapshot { return &endingView{s.Store.Snapshot(), s.m} }

func (v *endingView) Scan(space substrate.Space, low, high []byte, f func(k, v []byte) bool) error {
	if err := v.m.before(); err != nil {
		return err
	}
	return v.Snapshot.Scan(space, low, high, f)
}

// A store that dies under a read is an attempt of it, a node that ends meanwhile
// is none.
func TestQueryGoesOnHoweverOftenTheNodeEndsMeanwhile(t *testing.T) {
	for deaths := range 3 {
		t.Run(fmt.Sprint(deaths, " deaths of the store"), func(t *testing.T) { queryOverEnds(t, deaths, 5) })
	}
}

func TestQueryThatIsGivenUpWhileTheNodeEndsSaysSo(t *testing.T) {
	storage := &ending{memory: newMemory(1)}
	e := openHub(t, storage, fastRecovery)
	ctx, giveUp := context.WithCancel(t.Context())
	storage.before = func() error {
		giveUp()
		return substrate.ErrClosed
	}
	if _, err := e.Query(ctx, engine.Query{}); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want %v", err, context.Canceled)
	}
}

func queryOverEnds(t *testing.T, deaths, ends int) {
	storage := &ending{memory: newMemory(1)}
	e := openHub(t, storage, fastRecovery)
	storage.before = func() error {
		if deaths--; deaths >= 0 {
			return substrate.ErrFailed
		}
		if ends--; ends < 0 {
			return nil
		}
		failures := e.Stats().Failures
		storage.log.SetFault(failIn(mem.OpWrite, 1))
		go e.Start(t.Context(), engine.StartRequest{Instance: fmt.Sprint("x-", ends), Name: "X"}) //nolint:errcheck // it makes the log fail
		for e.Stats().Failures == failures && t.Context().Err() == nil {
			runtime.Gosched()
		}
		return substrate.ErrClosed
	}
	if _, err := e.Query(t.Context(), engine.Query{}); err != nil {
		t.Error(err)
	}
}
