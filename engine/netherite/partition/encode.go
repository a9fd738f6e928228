package partition

import (
	"cmp"
	"slices"

	"github.com/netherite-go/netherite/model"
)

// EncodeInstance returns the canonical encoding of the durable part of an
// instance in memory, nil if it is absent: the same whichever way it came
// about, live, by replay or from its rows.
func (s *State) EncodeInstance(k Key) []byte {
	inst, _ := s.lookup(k)
	if inst == nil {
		return nil
	}
	b := appendRow(nil, inst)
	b = appendEntries(b, inst, inst.inbox)
	if inst.entity != nil {
		b = appendEntries(b, inst, inst.entity.backlog)
	}
	for i := range inst.held {
		b = model.AppendUvarint(append(b, subHeld), inst.held[i].seq)
		b = appendHeld(b, &inst.held[i], inst.created)
	}
	inst.tasks.all(func(id int32, t *task) bool {
		b = model.AppendVarint(append(b, subTask), int64(id))
		b = appendTask(b, t, inst.created)
		return true
	})
	inst.timers.all(func(id int32, t *timer) bool {
		b = model.AppendVarint(append(b, subWake), int64(id))
		b = appendWake(b, t, inst.created)
		return true
	})
	inst.children.all(func(id int32, c *child) bool {
		b = model.AppendVarint(append(b, subChild), int64(id))
		b = appendChild(b, c)
		return true
	})
	return b
}

func appendEntries(b []byte, inst *instance, list []entry) []byte {
	for i := range list {
		b = model.AppendUvarint(append(b, subInbox), list[i].seq)
		b = appendEntry(b, &list[i], inst.created)
	}
	return b
}

// Instances lists the instances that are in memory, by their ordinals.
func (s *State) Instances() []Key {
	keys := make([]Key, 0, len(s.byOrd))
	for ord := range s.byOrd { // sorted: below
		keys = append(keys, Key{Ord: ord})
	}
	slices.SortFunc(keys, func(a, b Key) int { return cmp.Compare(a.Ord, b.Ord) })
	return keys
}

// EncodeShared appends the canonical encoding of what belongs to no instance:
// counters, dedup, outbox, and sessions of clients.
func (s *State) EncodeShared(b []byte) []byte {
	b = s.appendMeta(b)
	for i := range s.outbox {
		o := &s.outbox[i]
		for j, m := range o.entries {
			b = model.AppendUvarint(b, o.first+uint64(j))
			b = model.AppendMessage(b, m, 0)
		}
	}
	return s.appendClients(b)
}

func (s *State) appendClients(b []byte) []byte {
	ids := make([]*session, 0, len(s.clients.sessions))
	for _, ses := range s.clients.sessions { // sorted: below
		ids = append(ids, ses)
	}
	slices.SortFunc(ids, func(a, b *session) int { return slices.Compare(a.id[:], b.id[:]) })
	for _, ses := range ids {
		b = append(b, ses.id[:]...)
		b = appendSession(b, ses)
	}
	for _, k := range s.clients.keyOrder {
		b = appendRequestKey(model.AppendString(b, k.key), k)
	}
	return b
}
