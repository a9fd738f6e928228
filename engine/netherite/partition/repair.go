package partition

import "github.com/netherite-go/netherite/model"

// What a repair does to the states of two partitions of which one has lost
// records that the other one counts on. None of it is logged: the states are
// captured as a whole afterwards.

// SkipTo gives up the messages to a destination that it has received already,
// though this partition does not know of all of them: the next one gets number
// next.
func (s *State) SkipTo(dest int, next uint64) {
	o := &s.outbox[dest]
	o.first, o.next, o.entries, o.bytes = next, next, nil, 0
	s.metaDirty = true
}

// GiveUp takes messages of an origin as received that neither of the two has any
// more.
func (s *State) GiveUp(origin int, through uint64) {
	s.seen[origin] = through
	s.metaDirty = true
}

// Reinsert puts messages that were acknowledged back in front of those that are
// retained, so that they are sent again. They are the last ones before these.
func (s *State) Reinsert(dest int, messages []*model.Message) {
	o := &s.outbox[dest]
	o.first -= uint64(len(messages))
	o.entries = append(append([]*model.Message(nil), messages...), o.entries...)
	o.storedFirst, o.storedNext = o.first, o.first // all are written anew
	for _, m := range messages {
		o.bytes += eventSize(&m.Event)
	}
	s.metaDirty = true
}

// Touch makes the next capture write the singletons in any case.
func (s *State) Touch() { s.metaDirty = true }

// Known reports whether an instance, whose key is loaded, exists.
func (s *State) Known(k Key) bool {
	inst, _ := s.lookup(k)
	return inst != nil
}
