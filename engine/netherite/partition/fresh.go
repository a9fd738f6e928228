package partition

// A signal is acknowledged when it is in the entity's inbox, before the
// operation has run. A read that must include what was acknowledged before it
// waits for those operations: all that are in the inbox at that moment. What is
// in the backlog waits for somebody's lock, which may take for ever; it does not
// count.

// Unapplied returns the mark that an entity's inbox has to pass until all
// operations in it have been applied; 0 if there are none. The key is loaded.
func (s *State) Unapplied(id string) (mark uint64) {
	inst := s.find(Key{ID: id})
	if inst == nil || !inst.isEntity() || inst.quarantine != nil || len(inst.inbox) == 0 {
		return 0
	}
	return inst.inbox[len(inst.inbox)-1].seq
}

// Applied reports whether an entity's inbox has passed a mark. The key is loaded.
func (s *State) Applied(id string, mark uint64) bool {
	inst := s.find(Key{ID: id})
	return inst == nil || !inst.isEntity() || inst.quarantine != nil || len(inst.inbox) == 0 || inst.inbox[0].seq > mark
}
