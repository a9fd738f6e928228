package sweep_test

import (
	"maps"
	"sync"

	"github.com/netherite-go/netherite/internal/hubtest"
)

// ledger is what a client knows: what it has asked for, and what was
// acknowledged.
type ledger struct {
	mu      sync.Mutex
	asked   facts
	granted facts
}

// facts is what a client knows at one moment.
type facts struct {
	transfers map[string]hubtest.Move // by instance
	squares   map[string]int
	parents   map[string]int
	tickings  map[string]int
	listeners map[string]bool
	said      map[string]int  // to a listener
	deposits  map[string]int  // to an account
	finished  map[string]bool // by instance: its end was reported
	purged    map[string]bool
	ended     map[string]bool // terminated
	suspended map[string]bool
	resumed   map[string]bool
	changes   int
}

func newFacts() facts {
	return facts{
		transfers: map[string]hubtest.Move{}, squares: map[string]int{}, parents: map[string]int{}, tickings: map[string]int{}, listeners: map[string]bool{},
		said: map[string]int{}, deposits: map[string]int{}, finished: map[string]bool{}, purged: map[string]bool{}, ended: map[string]bool{}, suspended: map[string]bool{}, resumed: map[string]bool{},
	}
}

func (f *facts) clone() facts {
	return facts{
		transfers: maps.Clone(f.transfers), squares: maps.Clone(f.squares), parents: maps.Clone(f.parents), tickings: maps.Clone(f.tickings), listeners: maps.Clone(f.listeners),
		said: maps.Clone(f.said), deposits: maps.Clone(f.deposits), finished: maps.Clone(f.finished), purged: maps.Clone(f.purged), ended: maps.Clone(f.ended), suspended: maps.Clone(f.suspended),
		resumed: maps.Clone(f.resumed), changes: f.changes,
	}
}

func newLedger() *ledger { return &ledger{asked: newFacts(), granted: newFacts()} }

// ask notes a request, makes it, and notes that it was granted.
func (l *ledger) ask(note func(*facts), request func() error) error {
	l.mu.Lock()
	note(&l.asked)
	l.mu.Unlock()
	if err := request(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	note(&l.granted)
	l.granted.changes++
	return nil
}

// Granted returns what was acknowledged up to now.
func (l *ledger) Granted() facts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.granted.clone()
}

// Asked returns what was asked for up to now.
func (l *ledger) Asked() facts {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.asked.clone()
}

// all returns all instances of orchestrations.
func (f *facts) all() map[string]bool {
	ids := maps.Clone(f.listeners)
	for id := range f.transfers { // order-free: fills a set
		ids[id] = true
	}
	for _, m := range []map[string]int{f.squares, f.parents, f.tickings} {
		for id := range m { // order-free: fills a set
			ids[id] = true
		}
	}
	return ids
}
