package pebblestore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/substrate"
)

// Main and History belong together. Each notes how far the log had come when it was
// flushed, and what the other had noted durably by then. So an older copy of one, or
// another hub's, is told from the right one: it has noted less than the other knows
// of it.

// pair is what the databases have noted.
type pair struct {
	main, history substrate.Reach // of the log, by each
	ofMain        substrate.Reach // what History knows that Main has noted durably
	ofHistory     substrate.Reach // what Main knows that History has
}

// mainBehind reports whether Main is older than History.
func (p *pair) mainBehind() bool { return isBefore(p.main, p.ofMain) }

// check refuses a History that is older than Main: nothing makes up for that, as what
// the log has of it may be gone. What Main lacks the log may still have.
func (p *pair) check() error {
	if !isBefore(p.history, p.ofHistory) {
		return nil
	}
	return &substrate.Damage{File: historyDir, Kind: "short", Detail: fmt.Sprintf(
		"it knows of opening %d of the log up to %d, and main was flushed when it knew of opening %d up to %d: this is an older copy, or another hub's; put the right one back",
		p.history.Incarnation, p.history.Durable, p.ofHistory.Incarnation, p.ofHistory.Durable)}
}

// Age tells an older copy of Main from the right one.
type Age struct {
	Incarnation uint64 // the last opening of the log that is noted beside the partitions' state
	Behind      bool   // History has seen a later one
}

func (s *Store) age() Age {
	return Age{Incarnation: s.known.Incarnation, Behind: s.pair.mainBehind()}
}

// isBefore reports whether a tells of less than b.
func isBefore(a, b substrate.Reach) bool {
	return a.Incarnation < b.Incarnation || a.Incarnation == b.Incarnation && a.Durable < b.Durable
}

// loadPair reads what is noted; zero where nothing is, as in a store of an earlier
// program. With an error it has what could be read.
func loadPair(get func(space substrate.Space, key []byte) ([]byte, error)) (p pair, err error) {
	for _, note := range []struct {
		space substrate.Space
		in    string
		key   []byte
		to    *substrate.Reach
	}{
		{substrate.Main, mainDir, reachKey, &p.main}, {substrate.Main, mainDir, ofHistoryKey, &p.ofHistory},
		{substrate.History, historyDir, reachKey, &p.history}, {substrate.History, historyDir, ofMainKey, &p.ofMain},
	} {
		value, bad := get(note.space, note.key)
		if bad == nil && value != nil {
			*note.to, bad = decodeReach(note.in, value)
		}
		if err == nil {
			err = bad // the others may be of the same table
		}
	}
	return p, err
}

// noteInHistory notes in History what is to be flushed with it. No batch is applied
// meanwhile.
func (s *Store) noteInHistory() error {
	if s.opts.Reached == nil || !s.historyCount.dirty() {
		return nil
	}
	r := s.opts.Reached()
	r.Closed = false // that is told by Main, which is flushed last
	if r == s.pair.history && s.pair.main == s.pair.ofMain {
		return nil
	}
	b := new(pebble.Batch)
	err := errors.Join(b.Set(reachKey, encodeReach(r), nil), b.Set(ofMainKey, encodeReach(s.pair.main), nil))
	if err == nil {
		err = s.makeHistoryRoom(memory{entries: 2, bytes: uint64(b.Len())})
	}
	if err == nil {
		err = s.change(s.history, &s.historyCount, b)
	}
	if err == nil {
		s.pair.history, s.pair.ofMain = r, s.pair.main
	}
	return err
}
