package pebblestore

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// The log cannot tell that its own end is gone, so the store notes how far it had
// come: when it is opened, with whatever is flushed, and when it is closed. A
// note is of what was durable before it was written; so it is true whatever becomes
// of it, also if it is not the last.

// noteReach notes how far the log has come, unless nothing but that would be written
// to a store that goes on. History is flushed, and no batch is applied meanwhile.
func (s *Store) noteReach() error {
	if s.opts.Reached == nil {
		return nil
	}
	r := s.opts.Reached()
	r.Closed = s.closing
	turn := r.Incarnation != s.reach.Incarnation || r.Closed != s.reach.Closed
	if r == s.reach || !turn && !s.mainCount.dirty() {
		return nil
	}
	if err := s.unstall(s.main); err != nil {
		return err
	}
	b := new(pebble.Batch)
	err := errors.Join(b.Set(reachKey, encodeReach(r), nil), b.Set(ofHistoryKey, encodeReach(s.pair.history), nil))
	if err != nil {
		return err
	}
	if err := s.change(s.main, &s.mainCount, b); err != nil {
		return err
	}
	s.reach, s.mainNote, s.pair.ofHistory = r, r, s.pair.history
	return nil
}

// loadReach reads what is noted; zero if nothing is.
func (s *Store) loadReach() error {
	opened, err := readOpened(s.opts.FS, s.opts.Dir)
	if err != nil {
		return err
	}
	s.pair, err = loadPair(func(space substrate.Space, key []byte) ([]byte, error) {
		switch {
		case space == substrate.Main:
			return s.get(s.main, key)
		case s.history != nil:
			return s.get(s.history, key)
		}
		return nil, nil
	})
	if err != nil {
		return err
	}
	s.mainNote, s.known = s.pair.main, later(s.pair.main, opened)
	s.reach = later(s.known, s.pair.history)
	return nil
}

// Reached returns what is noted of the log; zero if nothing is, or if it is lost.
func (r *Remains) Reached() (substrate.Reach, error) {
	opened, err := readOpened(r.files, r.dir)
	if err != nil && !errors.Is(err, substrate.ErrDamaged) {
		return substrate.Reach{}, err
	}
	p, err := loadPair(r.Get)
	if errors.Is(err, substrate.ErrDamaged) {
		err = nil // what was read before it stays
	}
	return later(later(p.main, p.history), opened), err
}

func encodeReach(r substrate.Reach) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, reachBytes), r.Incarnation)
	b = binary.BigEndian.AppendUint64(b, uint64(r.Durable))
	if r.Closed {
		return append(b, 1)
	}
	return append(b, 0)
}

func decodeReach(file string, value []byte) (r substrate.Reach, err error) {
	if len(value) != reachBytes || value[reachBytes-1] > 1 {
		return r, &substrate.Damage{File: file, Kind: "short", Detail: "the note of how far the log has come is unreadable"}
	}
	be := binary.BigEndian
	return substrate.Reach{
		Incarnation: be.Uint64(value), Durable: substrate.Offset(be.Uint64(value[8:])), Closed: value[16] == 1,
	}, nil
}
