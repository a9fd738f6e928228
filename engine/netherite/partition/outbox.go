package partition

import (
	"slices"

	"github.com/netherite-go/netherite/model"
)

// outbox holds the messages to one destination until it says, in a logged
// acknowledgement, that they are logged there. Sequence numbers are dense per
// pair of partitions and start at 1.
type outbox struct {
	first, next uint64 // first retained, next to assign
	entries     []*model.Message
	// Rows [storedFirst, storedNext) exist in the store.
	storedFirst, storedNext uint64
	bytes                   int64
}

// sendRef names an outbox entry that was not sent in this incarnation.
type sendRef struct {
	dest int
	seq  uint64
}

// enqueue appends a message to the outbox of another partition.
func (s *State) enqueue(dest int, m model.Message) {
	o := &s.outbox[dest]
	o.entries = append(o.entries, &m)
	o.bytes += eventSize(&m.Event)
	if s.live {
		s.unsent = append(s.unsent, sendRef{dest, o.next})
	}
	o.next++
}

// Unsent returns the next message, in order of emission over all destinations,
// that has not been sent in this incarnation.
func (s *State) Unsent() (Outgoing, bool) {
	for len(s.unsent) > 0 {
		r := s.unsent[0]
		if o := &s.outbox[r.dest]; r.seq >= o.first {
			return Outgoing{Dest: r.dest, Seq: r.seq, Message: o.entries[r.seq-o.first]}, true
		}
		s.MarkSent() // acknowledged meanwhile
	}
	return Outgoing{}, false
}

// MarkSent says that the message that Unsent returned is on its way.
func (s *State) MarkSent() {
	if s.unsent = s.unsent[1:]; len(s.unsent) == 0 {
		s.unsent = nil
	}
}

// Resend makes all retained messages to dest from a sequence number on unsent.
func (s *State) Resend(dest int, from uint64) {
	o := &s.outbox[dest]
	s.unsent = slices.DeleteFunc(s.unsent, func(r sendRef) bool { return r.dest == dest && r.seq >= from })
	for seq := max(from, o.first); seq < o.next; seq++ {
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
	o := &s.outbox[e.Dest]
	n := min(e.Through+1, o.next) - o.first
	for i := range o.entries[:n] {
		o.bytes -= eventSize(&o.entries[i].Event)
		o.entries[i] = nil
	}
	o.first += n
	if o.entries = o.entries[n:]; len(o.entries) == 0 {
		o.entries = nil
	}
}

// checkAcked drops what was acknowledged before, and what was never sent.
func (s *State) checkAcked(e *Acked) Verdict {
	if o := &s.outbox[e.Dest]; e.Through < o.first || o.first == o.next {
		return Drop
	}
	return Admit
}
