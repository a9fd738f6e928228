package partition

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

// outbox holds the messages to one destination until it says, in a logged
// acknowledgement, that they are logged there. Sequence numbers are dense per
// pair of partitions and start at 1.
type outbox struct {
	first, next uint64           // first retained, next to assign
	entries     []*model.Message // nil: only in the store
	// Rows [storedFirst, storedNext) exist in the store.
	storedFirst, storedNext uint64
	bytes                   int64 // of those in memory
}

// sendRef names an outbox entry that was not sent in this incarnation.
type sendRef struct {
	dest int
	seq  uint64
}

// enqueue appends a message to the outbox of another partition.
func (s *State) enqueue(dest int, m model.Message) {
	o, kept := &s.outbox[dest], m // a copy of its own, so that what stays here is not allocated where this is inlined
	o.entries = append(o.entries, &kept)
	o.bytes += eventSize(&m.Event)
	if s.live {
		s.unsent = append(s.unsent, sendRef{dest, o.next})
	}
	o.next++
}

// Unsent returns the next message, in order of emission over all destinations,
// that has not been sent in this incarnation. If its Message is nil, it is in the
// store only: Recall it before it can be sent.
func (s *State) Unsent() (Outgoing, bool) {
	for s.nextUnsent < len(s.unsent) {
		r := s.unsent[s.nextUnsent]
		if o := &s.outbox[r.dest]; r.seq >= o.first {
			return Outgoing{Dest: r.dest, Seq: r.seq, Message: o.entries[r.seq-o.first]}, true
		}
		s.MarkSent() // acknowledged meanwhile
	}
	return Outgoing{}, false
}

// MarkSent says that the message that Unsent returned is on its way.
func (s *State) MarkSent() {
	s.nextUnsent++
	switch {
	case s.nextUnsent == len(s.unsent) && cap(s.unsent) > maxSpareInbox:
		s.unsent, s.nextUnsent = nil, 0
	case s.nextUnsent == len(s.unsent):
		s.unsent, s.nextUnsent = s.unsent[:0], 0
	case s.nextUnsent >= maxSpareInbox && s.nextUnsent >= len(s.unsent)/2: // it may never be sent as a whole
		s.unsent, s.nextUnsent = slices.Delete(s.unsent, 0, s.nextUnsent), 0
	}
}

// Resend makes all retained messages to dest from a sequence number on unsent.
func (s *State) Resend(dest int, from uint64) {
	o := &s.outbox[dest]
	s.unsent, s.nextUnsent = slices.Delete(s.unsent, 0, s.nextUnsent), 0
	s.unsent = slices.DeleteFunc(s.unsent, func(r sendRef) bool { return r.dest == dest && r.seq >= from })
	for seq := max(from, o.first); seq < o.next; seq++ {
		mark.Hit(mark.MessageSentAgain)
		s.unsent = append(s.unsent, sendRef{dest, seq})
	}
}

// OutboxRange returns the first sequence number to dest that is retained and
// the next to be assigned.
func (s *State) OutboxRange(dest int) (first, next uint64) {
	return s.outbox[dest].first, s.outbox[dest].next
}

// acked removes what the destination has logged.
func (s *State) acked(e *Acked) {
	mark.Hit(mark.AckLogged)
	o := &s.outbox[e.Dest]
	n := min(e.Through+1, o.next) - o.first
	for i, m := range o.entries[:n] {
		if m != nil {
			o.bytes -= eventSize(&m.Event)
			o.entries[i] = nil
		}
	}
	o.first += n
	if o.entries = o.entries[n:]; len(o.entries) == 0 {
		o.entries = nil
	}
}

// DropSent forgets messages that have arrived, without a record. It is a bug, and
// planted: only a record may change what is durable.
func (s *State) DropSent(dest int, through uint64) {
	if o := &s.outbox[dest]; through >= o.first && o.first < o.next {
		s.acked(&Acked{Dest: dest, Through: through})
	}
}

// Retained returns messages to a destination, or nil if not all of them are in
// memory. It is for a planted bug.
func (s *State) Retained(dest int, from uint64, n int) []*model.Message {
	o := &s.outbox[dest]
	if from < o.first || from+uint64(n) > o.next {
		return nil
	}
	list := o.entries[from-o.first:][:n]
	if slices.Contains(list, nil) {
		return nil
	}
	return list
}

// checkAcked drops what was acknowledged before, and what was never sent.
func (s *State) checkAcked(e *Acked) Verdict {
	if o := &s.outbox[e.Dest]; e.Through < o.first || o.first == o.next {
		mark.Hit(mark.AckRepeated)
		return Drop
	}
	return Admit
}

// Shelve drops from memory what is stored of the messages to a destination that
// does not take any. It may be called when a capture has been applied and before
// the next one begins. Shelving cannot be observed but by Unsent.
func (s *State) Shelve(dest int) {
	if s.capture.w != nil {
		bug("messages are shelved while a capture is under way")
	}
	o := &s.outbox[dest]
	for i := range o.entries[:max(o.storedNext, o.first)-o.first] {
		if m := o.entries[i]; m != nil {
			mark.Hit(mark.MessageShelved)
			o.bytes -= eventSize(&m.Event)
			o.entries[i] = nil
		}
	}
}

// What Recall takes back at a time.
const (
	recallMessages = 64
	recallBytes    = 64 << 10
)

// Recall takes some shelved messages to a destination back into memory, from a
// sequence number on: at least that one.
func (s *State) Recall(r Reader, dest int, from uint64) error {
	mark.Hit(mark.MessageRecalled)
	o := &s.outbox[dest]
	to := from
	for to < min(o.next, from+recallMessages) && o.entries[to-o.first] == nil {
		to++
	}
	return s.scanOutbox(r, dest, from, to, recallBytes, func(seq uint64, m *model.Message) { o.entries[seq-o.first] = m })
}

func appendOutbox(b []byte, m *model.Message) []byte {
	return model.AppendMessage(append(b, rowVersion1), m, 0)
}

func decodeOutbox(row []byte) (m model.Message, err error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return m, err
	}
	m, _ = model.DecodeMessage(r, 0)
	return m, r.Done()
}

// scanOutbox reads the rows [from, to) of the outbox to a destination; a hole is
// damage. f gets nil instead of what lies beyond a number of bytes in memory.
func (s *State) scanOutbox(r Reader, dest int, from, to uint64, limit int64, f func(seq uint64, m *model.Message)) error {
	p, next, o := s.cfg.Partition, from, &s.outbox[dest]
	before := o.bytes
	var bad error
	err := r.Scan(true, outboxKey(nil, p, dest, from), outboxKey(nil, p, dest, to), func(key, value []byte) bool {
		if bad = keyLength(key, 3+2+8); bad != nil {
			return false
		}
		if seq := binary.BigEndian.Uint64(key[3+2:]); seq != next {
			bad = fmt.Errorf("%w: outbox to partition %d has %d where %d is expected", engine.ErrDamaged, dest, seq, next)
			return false
		}
		next++
		if o.bytes-before >= limit {
			f(next-1, nil)
			return true
		}
		m, err := decodeOutbox(append([]byte(nil), value...))
		if bad = err; err != nil {
			return false
		}
		o.bytes += eventSize(&m.Event)
		f(next-1, &m)
		return true
	})
	if err == nil && bad == nil && next != to {
		bad = fmt.Errorf("%w: outbox to partition %d ends at %d, expected %d", engine.ErrDamaged, dest, next, to)
	}
	return damaged(firstError(err, bad))
}
