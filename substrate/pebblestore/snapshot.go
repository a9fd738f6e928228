package pebblestore

import (
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// Snapshot implements substrate.Store.
func (s *Store) Snapshot() substrate.Snapshot {
	if err := s.enter(); err != nil {
		return &snapshot{store: s, err: err}
	}
	defer s.leave()
	s.view.RLock()
	defer s.view.RUnlock()
	v := &snapshot{store: s, main: s.main.NewSnapshot(), history: s.history.NewSnapshot(), deleted: s.deleted}
	s.views.add(v)
	return v
}

type snapshot struct {
	store         *Store
	err           error // why there is no snapshot
	main, history *pebble.Snapshot
	deleted       ranges
}

func (s *snapshot) enter() error {
	if s.err != nil {
		return s.err
	}
	return s.store.enter()
}

// Get implements substrate.Snapshot.
func (s *snapshot) Get(space substrate.Space, key []byte) ([]byte, error) {
	if err := s.enter(); err != nil {
		return nil, fmt.Errorf("get a key of a snapshot: %w", err)
	}
	defer s.store.leave()
	if space == substrate.Main {
		return s.store.get(s.main, key)
	}
	if s.deleted.contains(key) {
		return nil, nil
	}
	return s.store.get(s.history, key)
}

// Scan implements substrate.Snapshot.
func (s *snapshot) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	if err := s.enter(); err != nil {
		return fmt.Errorf("scan keys of a snapshot: %w", err)
	}
	defer s.store.leave()
	if space == substrate.Main {
		return s.store.scan(s.main, nil, low, high, f)
	}
	return s.store.scan(s.history, s.deleted, low, high, f)
}

// Close implements substrate.Snapshot.
func (s *snapshot) Close() error {
	if s.err != nil {
		return nil
	}
	s.err = substrate.ErrClosed
	if err := s.store.enter(); err != nil {
		return nil // a dead or closed store holds nothing for it
	}
	defer s.store.leave()
	s.store.views.remove(s)
	return s.release()
}

func (s *snapshot) release() error { return errors.Join(s.main.Close(), s.history.Close()) }

// views are the snapshots that are open. Whoever reads one is not waited for by Close:
// it may go on for long, and Pebble calls a database that is closed before its
// snapshots leaky.
type views struct {
	mu   sync.Mutex
	open map[*snapshot]bool
}

func (v *views) add(s *snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.open == nil {
		v.open = map[*snapshot]bool{}
	}
	v.open[s] = true
}

func (v *views) remove(s *snapshot) {
	v.mu.Lock()
	defer v.mu.Unlock()
	delete(v.open, s)
}

// closeDatabases closes both, and the snapshots of them before. Nobody is in a call;
// whoever still has a snapshot finds the store closed. No compaction begins because of
// what the snapshots held, as closing would wait for its end.
func (s *Store) closeDatabases() error {
	err := s.guard(func() (err error) {
		for _, c := range s.schedulers {
			c.Unregister()
		}
		for v := range s.views.open { // order-free: closes each
			err = errors.Join(err, v.release())
		}
		return err
	})
	return errors.Join(err, s.guard(s.main.Close), s.guard(s.history.Close))
}
