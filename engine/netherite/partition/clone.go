package partition

import (
	"slices"

	"github.com/netherite-go/netherite/model"
)

// Clone returns a state with the same durable part, made by decoding its
// encoding, and no volatile part. It is for checks that replay is exact.
func (s *State) Clone() (*State, error) {
	c := New(s.cfg)
	if err := c.decodeMeta(s.appendMeta(nil)); err != nil {
		return nil, err
	}
	for i := range s.outbox {
		for _, m := range s.outbox[i].entries {
			d, err := model.DecodeMessage(model.NewReader(model.AppendMessage(nil, m, 0)), 0)
			if err != nil {
				return nil, err
			}
			c.outbox[i].entries = append(c.outbox[i].entries, &d)
			c.outbox[i].bytes += eventSize(&d.Event)
		}
	}
	for id, ses := range s.clients.sessions { // order-free: copies a map
		d, err := decodeSession(id, appendSession(nil, ses))
		if err != nil {
			return nil, err
		}
		c.clients.sessions[id] = d
	}
	for _, k := range s.clients.keyOrder {
		d := *k
		c.clients.keys[d.key] = &d
		c.clients.keyOrder = append(c.clients.keyOrder, &d)
	}
	for ord := range s.byOrd { // order-free: copies a map
		l, err := s.CloneInstance(Key{Ord: ord})
		if err != nil {
			return nil, err
		}
		c.Install(l)
	}
	return c, nil
}

// CloneInstance returns a copy of an instance, made by decoding its encoding, to
// install into another state.
func (s *State) CloneInstance(k Key) (*Loaded, error) {
	inst, _ := s.lookup(k)
	if inst == nil {
		return &Loaded{key: k}, nil
	}
	c, err := decodeRow(inst.ord, appendRow(nil, inst))
	if err != nil {
		return nil, err
	}
	c.tail = tail{first: inst.tail.first, base: inst.tail.base, buf: slices.Clone(inst.tail.buf)}
	entries := inst.inbox
	if inst.entity != nil {
		entries = append(slices.Clone(entries), inst.entity.backlog...)
	}
	for i := range entries {
		if err := c.addRow(subInbox, entries[i].seq, appendEntry(nil, &entries[i], inst.created)); err != nil {
			return nil, err
		}
	}
	for i := range inst.held {
		if err := c.addRow(subHeld, inst.held[i].seq, appendHeld(nil, &inst.held[i], inst.created)); err != nil {
			return nil, err
		}
	}
	add := func(sub byte, id int32, row []byte) bool {
		err = c.addRow(sub, uint64(uint32(id)), row)
		return err == nil
	}
	inst.tasks.all(func(id int32, t *task) bool { return add(subTask, id, appendTask(nil, t, inst.created)) })
	inst.timers.all(func(id int32, t *timer) bool { return add(subWake, id, appendWake(nil, t, inst.created)) })
	inst.children.all(func(id int32, ch *child) bool { return add(subChild, id, appendChild(nil, ch)) })
	c.stored = storedRows{}
	return &Loaded{key: k, inst: c}, err
}
