package partition

import (
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Read describes an instance whose key is loaded; nil if there is none. The
// result shares payloads, which nobody changes, and nothing else.
func (s *State) Read(id string, o engine.GetOptions) *model.Instance {
	inst := s.find(Key{ID: id})
	if inst == nil {
		return nil
	}
	if inst.node.next != nil {
		s.lru.use(inst)
	}
	return describe(inst, o)
}

// Ordinal is that of the instance with an ID whose key is loaded; 0 if there is
// none. Another run of the ID has another.
func (s *State) Ordinal(id string) uint64 {
	if inst := s.find(Key{ID: id}); inst != nil {
		return inst.ord
	}
	return 0
}

// OfRun reports whether an instance whose key is loaded is of the run that began
// with an execution, or is at that execution. One that a client has started
// still has the request that names its first execution.
func (s *State) OfRun(id string, execution model.ExecutionID) bool {
	inst := s.find(Key{ID: id})
	return inst != nil && (inst.execution == execution ||
		inst.request != (request{}) && model.RequestExecution(inst.request.session, inst.request.seq, id) == execution)
}

// UnchangedSince reports whether what is known of an instance, its absence
// included, comes from records up to the one of that name. The key is loaded.
func (s *State) UnchangedSince(k Key, name engine.Name) bool {
	c := s.buried
	if inst, _ := s.lookup(k); inst != nil {
		c = inst.changed
	}
	return c.Epoch < name.Epoch || c.Epoch == name.Epoch && c.Number <= name.Number
}

// describe says how an instance is, for those who ask.
func describe(inst *instance, o engine.GetOptions) *model.Instance {
	m := shared(inst, o)
	unshare(m)
	return m
}

// shared is a description that shares tags, failures and parent with the instance.
func shared(inst *instance, o engine.GetOptions) *model.Instance {
	m := &model.Instance{
		ID: inst.id, Name: inst.name, Version: inst.version, Execution: inst.execution, Status: inst.status,
		Created: inst.created, LastUpdated: inst.updated, Completed: inst.completed, ScheduledAt: inst.scheduled,
		Failure: inst.failure, Tags: inst.tags, Parent: inst.parent,
		HistoryEvents: inst.events, HistoryBytes: inst.bytes,
	}
	if o.Payloads {
		m.Input, m.Output, m.CustomStatus = inst.input, inst.output, inst.custom
	}
	if ent := inst.entity; ent != nil {
		m.Entity = &model.EntityState{HasState: ent.state != nil, LockedBy: ent.holder, Backlog: int64(len(inst.inbox) + len(ent.backlog) + len(inst.held))}
		if o.Payloads {
			m.Entity.State = ent.state
			if planted.StateBeforeLock && inst.custom != nil {
				m.Entity.State = inst.custom
			}
		}
		for i := range ent.backlog {
			if e := &ent.backlog[i]; e.event.Kind == model.EntityLockRequested {
				m.Entity.LockQueue = append(m.Entity.LockQueue, e.from)
			}
		}
		for i := range inst.held {
			if x := inst.held[i].event.Extra(); inst.held[i].event.Kind == model.EntityLockRequested && x.Parent != nil {
				m.Entity.LockQueue = append(m.Entity.LockQueue, x.Parent.Instance)
			}
		}
	}
	if o.Waits {
		m.Waits = waits(inst)
	}
	return m
}

// maxHeldShown is how many of the messages that an instance holds are described.
const maxHeldShown = 100

// waits says what keeps the instance from going on.
func waits(inst *instance) *model.Waits {
	w := &model.Waits{
		Messages: int64(len(inst.inbox) + len(inst.held)), InFlight: inst.handout != (engine.Name{}),
		Events: slices.Clone(inst.awaits), Quarantine: inst.quarantine,
		HeldCount: int64(len(inst.held)),
	}
	for i := range inst.held[:min(len(inst.held), maxHeldShown)] {
		h := &inst.held[i]
		w.Held = append(w.Held, model.WaitHeld{Kind: h.event.Kind, Name: h.event.Name, From: h.from})
	}
	if inst.ended() {
		return w
	}
	inst.tasks.all(func(id int32, t *task) bool {
		if !t.dropped {
			w.Tasks = append(w.Tasks, model.WaitTask{ID: id, Name: t.event.Name, Version: t.event.Version, Attempt: max(t.event.Extra().Attempt, 1), Running: t.hand == handOut})
		}
		return true
	})
	inst.timers.all(func(id int32, t *timer) bool {
		switch {
		case id >= wakeBase: // the engine's own
		case t.attempt > 1:
			w.Tasks = append(w.Tasks, model.WaitTask{ID: id, Name: t.name, Attempt: t.attempt, NextRetry: t.fireAt})
		default:
			w.Timers = append(w.Timers, model.WaitTimer{ID: id, FireAt: t.fireAt})
		}
		return true
	})
	inst.children.all(func(id int32, c *child) bool {
		if !c.done {
			w.Children = append(w.Children, model.WaitChild{ID: id, Instance: c.instance, Name: c.name})
		}
		return true
	})
	for _, c := range inst.calls {
		w.Calls = append(w.Calls, model.WaitCall{ID: c.id, Entity: c.entity, Operation: c.operation})
	}
	for _, sec := range inst.sections {
		w.Locks = append(w.Locks, model.WaitLock{Section: sec.key, LockSet: slices.Clone(sec.lockSet), Granted: sec.granted})
	}
	return w
}

// HistoryRef says where the history of an instance's current execution is: in
// stored chunks up to an index, and in memory from there on.
type HistoryRef struct {
	Execution model.ExecutionID
	hist      uint64
	stored    int64
	tails     [][]byte
	events    int64
	bytes     int64
}

// eventBytes is about what an event takes in memory beside its texts and payload.
const eventBytes = 256

// Size is about how many bytes the history takes in memory.
func (h *HistoryRef) Size() int64 { return h.bytes + eventBytes*h.events }

// HistoryOf returns where to find an instance's history. FetchHistory must read
// it from a snapshot of the store that is taken before the next Step: it stays
// good while the instance goes on, as long as its history is not deleted.
func (s *State) HistoryOf(k Key) (h HistoryRef, ok bool) {
	inst := s.find(k)
	if inst == nil {
		return h, false
	}
	h = HistoryRef{Execution: inst.execution, hist: inst.hist, events: inst.events, bytes: inst.bytes, stored: inst.tail.first}
	if inst.tail.held != nil {
		h.stored = inst.tail.heldFirst
		h.tails = append(h.tails, inst.tail.held)
	}
	if len(inst.tail.buf) > 0 {
		h.tails = append(h.tails, slices.Clone(inst.tail.buf))
	}
	return h, true
}

// FetchHistory reads the history that h names. A hole is damage.
func FetchHistory(r Reader, partition int, h HistoryRef) ([]model.Event, error) {
	events := make([]model.Event, 0, min(h.events, 1<<12))
	var bad error
	if h.stored > 0 {
		low, high := historyRange(partition, h.hist)
		err := r.Scan(false, low, high, func(key, value []byte) bool {
			if bad = keyLength(key, 2+8+8); bad != nil {
				return false
			}
			first := int64(binary.BigEndian.Uint64(key[2+8:]))
			if first != int64(len(events)) || first >= h.stored {
				return first < h.stored // a chunk of a lost future that was written over
			}
			events, bad = decodeChunk(events, value)
			return bad == nil
		})
		if err = firstError(err, bad); err != nil {
			return nil, fmt.Errorf("read history: %w", damaged(err))
		}
	}
	if int64(len(events)) != h.stored {
		return nil, fmt.Errorf("%w: history has %d stored events, expected %d", engine.ErrDamaged, len(events), h.stored)
	}
	for _, tail := range h.tails {
		var err error
		if events, err = decodeChunk(events, tail); err != nil {
			return nil, fmt.Errorf("read history: %w", damaged(err))
		}
	}
	if int64(len(events)) != h.events {
		return nil, fmt.Errorf("%w: history has %d events, expected %d", engine.ErrDamaged, len(events), h.events)
	}
	return events, nil
}

// Culprit is the instance that was last touched: the one to quarantine if Step
// panicked.
func (s *State) Culprit() Key { return s.culprit }

// Stats counts what is in memory.
type Stats struct {
	Instances int // in memory
	Dirty     int // of them changed since the last checkpoint
	Ready     int // with something to hand out
	Tasks     int // activities to hand out
	Timers    int
	Outbox    int // messages not yet acknowledged
	Sessions  int
	Keys      int
}

// Stats returns the current counts.
func (s *State) Stats() Stats {
	st := Stats{
		Instances: len(s.byOrd), Dirty: len(s.dirty), Ready: len(s.batches) + len(s.ready) + len(s.fresh),
		Tasks: len(s.tasks) + len(s.committed), Timers: len(s.timers), Sessions: len(s.clients.sessions), Keys: len(s.clients.keys),
	}
	for i := range s.outbox {
		st.Outbox += len(s.outbox[i].entries)
	}
	return st
}
