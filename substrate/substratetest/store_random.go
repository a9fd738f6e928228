package substratetest

import (
	"fmt"
	"maps"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

func storeConcurrent(t *testing.T, r *storeRun) {
	var wg sync.WaitGroup
	fail := make(chan error, 1)
	report := func(err error) {
		if err != nil {
			select {
			case fail <- err:
			default:
			}
		}
	}
	for p := range 4 {
		wg.Go(func() {
			for i := range 40 {
				b := r.store.NewBatch()
				key := fmt.Appendf(nil, "p%d-%d", p, i)
				b.Set(substrate.Main, key, key)
				b.Set(substrate.History, key, key)
				if i > 0 {
					b.Delete(substrate.History, fmt.Appendf(nil, "p%d-%d", p, i-1))
				}
				report(r.store.Apply(b, p, substrate.Stamp{Offset: substrate.Offset(i)}))
				got, err := r.store.Get(substrate.History, key)
				report(err)
				if string(got) != string(key) {
					report(fmt.Errorf("partition %d does not see its own write", p))
				}
				if i%10 == 9 {
					report(r.store.Flush())
				}
				snap := r.store.Snapshot()
				report(snap.Scan(substrate.History, nil, nil, func(_, _ []byte) bool { return true }))
				report(snap.Close())
			}
		})
	}
	wg.Wait()
	select {
	case err := <-fail:
		t.Fatal(err)
	default:
	}
	if got := len(scan(t, r.store, substrate.Main)); got != 160 {
		t.Fatalf("%d keys", got)
	}
	if got := len(scan(t, r.store, substrate.History)); got != 4 {
		t.Fatalf("%d history keys", got)
	}
}

// storeState is what a partition has in a store.
type storeState struct {
	main, history map[string]string
}

// storeModel is the states of one partition, one per batch; the first is empty.
type storeModel struct {
	states  []storeState
	serial  int
	durable int // so many batches must survive
}

// storeRandom applies random batches of several partitions, crashes, and checks
// each time that what is found is what the contract says. Then it goes on from
// there, as an engine does that replays its log.
func storeRandom(t *testing.T, r *storeRun) {
	models := make([]*storeModel, 3)
	for p := range models {
		models[p] = &storeModel{states: []storeState{{main: map[string]string{}, history: map[string]string{}}}}
	}
	for range 400 / r.medium.Scale {
		switch n := r.rng.IntN(100); {
		case n < 80:
			p := r.rng.IntN(len(models))
			r.applyRandom(p, models[p])
		case n < 93:
			r.flush()
			for _, m := range models {
				m.durable = len(m.states) - 1
			}
		default:
			r.reopen()
			for p, m := range models {
				r.checkCrash(t, p, m)
			}
		}
	}
	for p, m := range models {
		r.checkExact(t, p, m)
	}
}

// applyRandom applies one batch: rows that come, change and go, and chunks of
// history under growing keys, some of which are deleted in a range.
func (r *storeRun) applyRandom(p int, m *storeModel) {
	r.t.Helper()
	last := m.states[len(m.states)-1]
	next := storeState{main: maps.Clone(last.main), history: maps.Clone(last.history)}
	b := r.store.NewBatch()
	for range r.rng.IntN(20) {
		key := fmt.Sprintf("p%d-row%02d", p, r.rng.IntN(40))
		if r.rng.IntN(4) == 0 {
			b.Delete(substrate.Main, []byte(key))
			delete(next.main, key)
			continue
		}
		value := fmt.Sprintf("%0*d", 1+r.rng.IntN(2000), r.rng.IntN(1000))
		b.Set(substrate.Main, []byte(key), []byte(value))
		next.main[key] = value
	}
	for range r.rng.IntN(6) {
		m.serial++
		key := fmt.Sprintf("p%d-chunk%06d", p, m.serial)
		value := fmt.Sprintf("%0*d", 1+r.rng.IntN(3000), m.serial)
		b.Set(substrate.History, []byte(key), []byte(value))
		next.history[key] = value
	}
	if m.serial > 0 && r.rng.IntN(3) == 0 {
		low := fmt.Sprintf("p%d-chunk%06d", p, r.rng.IntN(m.serial))
		high := fmt.Sprintf("p%d-chunk%06d", p, m.serial-r.rng.IntN(min(m.serial, 5)))
		b.DeleteRange(substrate.History, []byte(low), []byte(high))
		maps.DeleteFunc(next.history, func(k, _ string) bool { return low <= k && k < high })
	}
	m.states = append(m.states, next)
	stamp := substrate.Stamp{Offset: substrate.Offset(len(m.states) - 1), Record: uint64(m.serial)}
	if err := r.store.Apply(b, p, stamp); err != nil {
		r.t.Fatalf("apply: %v", err)
	}
}

func (r *storeRun) partition(t *testing.T, space substrate.Space, p int) map[string]string {
	t.Helper()
	got := make(map[string]string)
	if err := r.store.Scan(space, fmt.Appendf(nil, "p%d-", p), fmt.Appendf(nil, "p%d.", p), func(k, v []byte) bool {
		got[string(k)] = string(v)
		return true
	}); err != nil {
		t.Fatal(err)
	}
	return got
}

// checkCrash finds out by its stamp to which batch a partition has returned, and
// wants Main exactly as it was, and all of its history there.
func (r *storeRun) checkCrash(t *testing.T, p int, m *storeModel) {
	t.Helper()
	stamp, err := r.store.Stamp(p)
	if err != nil {
		t.Fatal(err)
	}
	n := int(stamp.Offset)
	if n < m.durable || n >= len(m.states) {
		t.Fatalf("partition %d is at batch %d of %d, %d were durable", p, n, len(m.states)-1, m.durable)
	}
	m.states, m.durable = m.states[:n+1], n
	if got := r.partition(t, substrate.Main, p); !maps.Equal(got, m.states[n].main) {
		t.Fatalf("partition %d at batch %d: %d rows, want %d, or other values", p, n, len(got), len(m.states[n].main))
	}
	got := r.partition(t, substrate.History, p)
	for k, v := range m.states[n].history {
		if got[k] != v {
			t.Fatalf("partition %d at batch %d: history %s is missing", p, n, k)
		}
	}
	// What is ahead would be written alike by a replay; this run continues
	// otherwise, so it starts its history anew behind it.
	b := r.store.NewBatch()
	for k := range got {
		if _, ok := m.states[n].history[k]; !ok {
			b.Delete(substrate.History, []byte(k))
		}
	}
	if b.Len() > 0 {
		if err := r.store.Apply(b, p, stamp); err != nil {
			t.Fatal(err)
		}
	}
}

func (r *storeRun) checkExact(t *testing.T, p int, m *storeModel) {
	t.Helper()
	last := m.states[len(m.states)-1]
	if got := r.partition(t, substrate.Main, p); !maps.Equal(got, last.main) {
		t.Fatalf("partition %d: %d rows, want %d, or other values", p, len(got), len(last.main))
	}
	if got := r.partition(t, substrate.History, p); !maps.Equal(got, last.history) {
		t.Fatalf("partition %d: %d chunks, want %d, or other values", p, len(got), len(last.history))
	}
}
