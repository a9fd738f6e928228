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
	said      map[string]int    // to a listener
	deposits  map[string]int    // to an account
	inputs    map[string]string // as JSON, of instances that do not continue as new
	finished  map[string]bool   // by instance: its end was reported
	purged    map[string]bool
	ended     map[string]bool // terminated
	suspended map[string]bool
	resumed   map[string]bool
	troubles  troubles // what only the workload of that name asks for
	changes   int
}

func newFacts() facts {
	return facts{
		transfers: map[string]hubtest.Move{}, squares: map[string]int{}, parents: map[string]int{}, tickings: map[string]int{}, listeners: map[string]bool{},
		said: map[string]int{}, deposits: map[string]int{}, inputs: map[string]string{}, finished: map[string]bool{}, purged: map[string]bool{}, ended: map[string]bool{}, suspended: map[string]bool{}, resumed: map[string]bool{},
		troubles: newTroubles(),
	}
}

func (f *facts) clone() facts {
	return facts{
		transfers: maps.Clone(f.transfers), squares: maps.Clone(f.squares), parents: maps.Clone(f.parents), tickings: maps.Clone(f.tickings), listeners: maps.Clone(f.listeners),
		said: maps.Clone(f.said), deposits: maps.Clone(f.deposits), inputs: maps.Clone(f.inputs), finished: maps.Clone(f.finished), purged: maps.Clone(f.purged), ended: maps.Clone(f.ended), suspended: maps.Clone(f.suspended),
		resumed: maps.Clone(f.resumed), troubles: f.troubles.clone(), changes: f.changes,
	}
}

func newLedger() *ledger { return &ledger{asked: newFacts(), granted: newFacts()} }

// ask notes a request, makes it, and notes that it was granted.
func (l *ledger) ask(note func(*facts), request func() error) error {
	l.note(note)
	if err := request(); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	note(&l.granted)
	l.granted.changes++
	return nil
}

// note notes what may come to be from now on.
func (l *ledger) note(asked func(*facts)) {
	l.mu.Lock()
	defer l.mu.Unlock()
	asked(&l.asked)
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
	maps.Copy(ids, f.troubles.all())
	return ids
}

// afterRecovery returns what may have been asked for once a recovery was audited up to
// anywhere: that tells listeners to end, has tried again what was set aside, and
// rewinds what has failed.
func (f *facts) afterRecovery() facts {
	next := f.clone()
	for id := range f.listeners { // order-free: fills a set
		next.resumed[id] = true
	}
	next.troubles.afterRecovery()
	return next
}
