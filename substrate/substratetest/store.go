package substratetest

import (
	"errors"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

// StoreMedium is what a store lives on.
type StoreMedium struct {
	// Open opens the store; the one that was open before has been closed or crashed.
	Open func() (substrate.Store, error)
	// Crash ends the open store, and loses as much of what was not flushed as it
	// likes. The handle must then refuse.
	Crash func(rng *rand.Rand)
	// OpenExport opens what Export wrote to a directory named like this, and
	// Export gets that name; nil if the medium cannot.
	OpenExport func(dir string) (substrate.Store, error)
	ExportDir  string
	// FailFlush makes the next flush fail; nil if the medium cannot.
	FailFlush func(err error)
	// Scale divides the length of the random test; 0 means 1.
	Scale int
}

// StoreFactory makes an empty medium.
type StoreFactory func(t *testing.T) StoreMedium

// TestStore runs the suite of substrate.Store.
func TestStore(t *testing.T, factory StoreFactory) {
	for _, c := range []struct {
		name string
		test func(*testing.T, *storeRun)
	}{
		{"AbsentKeyIsNoError", storeAbsent},
		{"BatchIsVisibleAtOnce", storeVisible},
		{"LaterChangeInABatchWins", storeOrder},
		{"KeysAndValuesAreCopied", storeCopies},
		{"ScanIsOrderedAndBounded", storeScan},
		{"BadKeyIsRefused", storeBadKey},
		{"SnapshotDoesNotChange", storeSnapshot},
		{"StampIsTheLastApplied", storeStamp},
		{"DeletedHistoryIsGoneAtOnceAndStaysSo", storeHistory},
		{"HistoryCanBeSetAgainAfterItsDeletion", storeHistoryAgain},
		{"FlushedStateSurvivesACrash", storeFlush},
		{"CloseFlushes", storeClose},
		{"ClosedStoreRefuses", storeClosed},
		{"AbandonedStoreWritesNothing", storeAbandoned},
		{"CrashedStoreRefuses", storeZombie},
		{"FailedFlushIsFinal", storeFailedFlush},
		{"ExportIsConsistent", storeExport},
		{"ConcurrentUseIsSafe", storeConcurrent},
		{"CrashLeavesAPrefixPerPartitionAndAllItsHistory", storeRandom},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := &storeRun{t: t, medium: factory(t), rng: rand.New(rand.NewPCG(3, 9))}
			r.medium.Scale = max(r.medium.Scale, 1)
			r.open()
			c.test(t, r)
			if err := r.store.Close(); err != nil && !errors.Is(err, substrate.ErrClosed) && !errors.Is(err, substrate.ErrFailed) {
				t.Fatalf("close: %v", err)
			}
		})
	}
}

type storeRun struct {
	t      *testing.T
	medium StoreMedium
	rng    *rand.Rand
	store  substrate.Store
	stamp  uint64
}

func (r *storeRun) open() {
	r.t.Helper()
	s, err := r.medium.Open()
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	r.store = s
}

func (r *storeRun) apply(change func(b substrate.Batch)) {
	r.t.Helper()
	b := r.store.NewBatch()
	change(b)
	r.stamp++
	if err := r.store.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(r.stamp)}); err != nil {
		r.t.Fatalf("apply: %v", err)
	}
}

func (r *storeRun) flush() {
	r.t.Helper()
	if err := r.store.Flush(); err != nil {
		r.t.Fatalf("flush: %v", err)
	}
}

func (r *storeRun) reopen() {
	r.medium.Crash(r.rng)
	r.open()
}

// scan returns the keys and values of a space.
func scan(t *testing.T, s substrate.Reader, space substrate.Space) map[string]string {
	t.Helper()
	got := make(map[string]string)
	last := ""
	if err := s.Scan(space, nil, nil, func(k, v []byte) bool {
		if string(k) <= last {
			t.Fatalf("key %q after %q", k, last)
		}
		last = string(k)
		got[last] = string(v)
		return true
	}); err != nil {
		t.Fatalf("scan: %v", err)
	}
	return got
}

func wantSpace(t *testing.T, s substrate.Reader, space substrate.Space, want map[string]string) {
	t.Helper()
	if got := scan(t, s, space); !maps.Equal(got, want) {
		t.Fatalf("space %d has %v, want %v", space, slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want)))
	}
	for k, v := range want {
		got, err := s.Get(space, []byte(k))
		if err != nil || string(got) != v {
			t.Fatalf("get %q: %q, %v", k, got, err)
		}
	}
}

func wantAbsent(t *testing.T, s substrate.Reader, space substrate.Space, key string) {
	t.Helper()
	if got, err := s.Get(space, []byte(key)); got != nil || err != nil {
		t.Fatalf("get %q: %q, %v", key, got, err)
	}
}
