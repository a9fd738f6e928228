package partition

import (
	"encoding/binary"
	"maps"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Writer takes the changed rows of a checkpoint. It copies keys and values.
type Writer interface {
	SetMain(key, value []byte)
	DeleteMain(key []byte)
	DeleteMainRange(low, high []byte)
	SetHistory(key, value []byte)
	DeleteHistoryRange(low, high []byte)
}

// storedRows is what the store has of an instance, as of the last capture, and
// which of its rows have to be deleted with the next one.
type storedRows struct {
	row    bool // the main row and what goes with it
	active bool
	chunks bool // chunks of the current history
	// What the index rows say.
	name    string
	status  model.Status
	created model.Time
	tags    map[string]string

	deadSubs   []deadSub
	deadTimers []TimerRef // without Ord
	deadHist   []uint64
}

type deadSub struct {
	sub    byte
	number uint64
}

func (st *storedRows) dead(sub byte, number uint64) {
	st.deadSubs = append(st.deadSubs, deadSub{sub, number})
}

// deadTimer notes that a timer's rows, if stored, are to be deleted.
func (st *storedRows) deadTimer(t *timer) {
	if t.stored {
		st.dead(subWake, uint64(uint32(t.id)))
		st.deadTimers = append(st.deadTimers, TimerRef{FireAt: t.fireAt, ID: t.id})
	}
}

// grave is a buried instance whose stored rows are to be deleted.
type grave struct{ inst *instance }

// capture is a checkpoint being taken: the state as it was at BeginCapture. An
// instance is encoded when its turn comes or when a Step is about to change it,
// whichever is first, so that nothing has to be copied and no Step waits.
type capture struct {
	w       Writer
	queue   []*instance // captured, some of them encoded already
	encoded []*instance // to be released by CaptureApplied
	graves  []uint64
}

// BeginCapture freezes the durable state as it is for a checkpoint into w. It
// reports false, and does nothing, if nothing has changed since the last one.
// The previous capture must have been applied.
func (s *State) BeginCapture(w Writer) bool {
	if len(s.dirty) == 0 && !s.metaDirty && len(s.graves) == 0 {
		return false
	}
	if s.capture.w != nil {
		bug("a capture begins before the last one was applied")
	}
	s.capture.w = w
	s.captureGraves()
	s.captureMeta()
	s.capture.queue, s.dirty = s.dirty, nil
	for _, inst := range s.capture.queue {
		inst.dirty = false
		inst.captive = !inst.gone
	}
	return true
}

// CaptureSome encodes up to max instances. It reports true when all are.
func (s *State) CaptureSome(max int) (done bool) {
	for max > 0 && len(s.capture.queue) > 0 {
		inst := s.capture.queue[0]
		s.capture.queue = s.capture.queue[1:]
		if inst.captive {
			s.encodeCaptive(inst)
			max--
		}
	}
	if len(s.capture.queue) > 0 {
		return false
	}
	s.capture.queue = nil
	return true
}

// CaptureApplied says that the captured rows can be read from the store.
func (s *State) CaptureApplied() {
	s.ended = s.ended[:0]
	if planted.OutboxDroppedOnCheckpoint {
		for dest := range s.outbox {
			s.acked(&Acked{Dest: dest, Through: s.outbox[dest].next - 1})
		}
	}
	for _, inst := range s.capture.encoded {
		inst.tail.held, inst.pinned = nil, false
		switch {
		case inst.gone, planted.EvictedBeforeApplied && s.byOrd[inst.ord] != inst:
		case inst.dirty:
			s.resize(inst)
		default:
			inst.shrink()
			s.lru.use(inst)
			if inst.ended() {
				s.ended = append(s.ended, inst)
			}
		}
	}
	for _, ord := range s.capture.graves {
		id := s.graves[ord].inst.id
		if s.graveIDs[id] == ord {
			delete(s.graveIDs, id)
			if s.byID[id] == nil {
				s.absent[Key{ID: id}] = struct{}{} // an input of this batch may have counted on it
			}
		}
		s.absent[Key{Ord: ord}] = struct{}{}
		delete(s.graves, ord)
	}
	s.capture = capture{}
	s.tidyTimers()
}

// encodeCaptive writes the rows of a captured instance.
func (s *State) encodeCaptive(inst *instance) {
	inst.captive = false
	inst.pinned = true
	if planted.EvictedBeforeApplied {
		inst.pinned = false
		s.lru.use(inst)
	}
	s.capture.encoded = append(s.capture.encoded, inst)
	s.encodeInstance(s.capture.w, inst)
}

// encodeInstance writes what is stored differently from what is in memory.
func (s *State) encodeInstance(w Writer, inst *instance) {
	p, st := s.cfg.Partition, &inst.stored
	s.deleteDead(w, inst)
	if len(inst.tail.buf) > 0 {
		first, chunk := inst.tail.hold(inst.events)
		w.SetHistory(historyKey(s.keyBuf, p, inst.hist, first), chunk)
		st.chunks = true
	}
	inst.tail.first = inst.events
	s.encodeElements(w, inst)
	s.encodeIndex(w, inst)
	s.scratch = appendRow(s.scratch[:0], inst)
	w.SetMain(instanceKey(s.keyBuf, p, inst.ord), s.scratch)
	if !st.row {
		w.SetMain(idKey(s.keyBuf, p, inst.id), binary.BigEndian.AppendUint64(s.ordBuf[:0], inst.ord))
		st.row = true
	}
	if active := s.active(inst); active != st.active {
		if st.active = active; active {
			w.SetMain(activeKey(s.keyBuf, p, inst.ord), nil)
		} else {
			w.DeleteMain(activeKey(s.keyBuf, p, inst.ord))
		}
	}
}

// active reports whether the instance would have something to run after a restart.
func (s *State) active(inst *instance) bool {
	if inst.ended() || inst.quarantine != nil {
		return false
	}
	return len(inst.inbox) > 0 || inst.more || inst.tasks.live > 0
}

// deleteDead deletes rows of elements and histories that are gone.
func (s *State) deleteDead(w Writer, inst *instance) {
	p, st := s.cfg.Partition, &inst.stored
	for _, d := range st.deadSubs {
		w.DeleteMain(subKey(s.keyBuf, p, inst.ord, d.sub, d.number))
	}
	for _, t := range st.deadTimers {
		t.Ord = inst.ord
		w.DeleteMain(timerKey(s.keyBuf, p, t))
	}
	for _, h := range st.deadHist {
		low, high := historyRange(p, h)
		w.DeleteHistoryRange(low, high)
	}
	st.deadSubs, st.deadTimers, st.deadHist = nil, nil, nil
}

// encodeElements writes rows of elements that are new or changed.
func (s *State) encodeElements(w Writer, inst *instance) {
	s.encodeEntries(w, inst, inst.inbox)
	if inst.entity != nil {
		s.encodeEntries(w, inst, inst.entity.backlog)
	}
	p := s.cfg.Partition
	for i := range inst.held {
		if h := &inst.held[i]; !h.stored {
			mark.Hit(mark.HeldStored)
			h.stored = true
			if planted.HeldNotStored {
				continue
			}
			s.scratch = appendHeld(s.scratch[:0], h, inst.created)
			w.SetMain(subKey(s.keyBuf, p, inst.ord, subHeld, h.seq), s.scratch)
		}
	}
	inst.tasks.all(func(id int32, t *task) bool {
		if !t.stored || t.dirty {
			t.stored, t.dirty = true, false
			s.scratch = appendTask(s.scratch[:0], t, inst.created)
			w.SetMain(subKey(s.keyBuf, p, inst.ord, subTask, uint64(uint32(id))), s.scratch)
		}
		return true
	})
	inst.timers.all(func(id int32, t *timer) bool {
		if !t.stored {
			t.stored = true
			s.scratch = appendWake(s.scratch[:0], t, inst.created)
			w.SetMain(subKey(s.keyBuf, p, inst.ord, subWake, uint64(uint32(id))), s.scratch)
			w.SetMain(timerKey(s.keyBuf, p, TimerRef{FireAt: t.fireAt, Ord: inst.ord, ID: id}), nil)
		}
		return true
	})
	inst.children.all(func(id int32, c *child) bool {
		if c.dirty {
			c.dirty, c.stored = false, true
			s.scratch = appendChild(s.scratch[:0], c)
			w.SetMain(subKey(s.keyBuf, p, inst.ord, subChild, uint64(uint32(id))), s.scratch)
		}
		return true
	})
}

func (s *State) encodeEntries(w Writer, inst *instance, list []entry) {
	for i := range list {
		if e := &list[i]; !e.stored || e.dirty {
			e.stored, e.dirty = true, false
			s.scratch = appendEntry(s.scratch[:0], e, inst.created)
			w.SetMain(subKey(s.keyBuf, s.cfg.Partition, inst.ord, subInbox, e.seq), s.scratch)
		}
	}
}

// encodeIndex writes the index rows that queries are served from.
func (s *State) encodeIndex(w Writer, inst *instance) {
	p, st, entity := s.cfg.Partition, &inst.stored, inst.isEntity()
	if st.row && st.status == inst.status && st.name == inst.name && maps.Equal(st.tags, inst.tags) {
		return
	}
	if st.row {
		s.deleteIndex(w, inst)
	}
	ord := binary.BigEndian.AppendUint64(s.ordBuf[:0], inst.ord)
	w.SetMain(nameKey(s.keyBuf, p, entity, inst.name, inst.status, inst.id), ord)
	w.SetMain(createdKey(s.keyBuf, p, entity, inst.status, inst.created, inst.ord), nil)
	for tag, value := range inst.tags { // order-free: a batch of different keys
		w.SetMain(tagKey(s.keyBuf, p, tag, value, inst.id), ord)
	}
	st.name, st.status, st.created, st.tags = inst.name, inst.status, inst.created, inst.tags
}

func (s *State) deleteIndex(w Writer, inst *instance) {
	p, st, entity := s.cfg.Partition, &inst.stored, inst.isEntity()
	if !planted.IndexRowLeft {
		w.DeleteMain(nameKey(s.keyBuf, p, entity, st.name, st.status, inst.id))
	}
	w.DeleteMain(createdKey(s.keyBuf, p, entity, st.status, st.created, inst.ord))
	for tag, value := range st.tags { // order-free: a batch of different keys
		w.DeleteMain(tagKey(s.keyBuf, p, tag, value, inst.id))
	}
}

// captureGraves deletes all rows of buried instances. They come first: an
// instance of the same ID that was created since writes its rows over them.
func (s *State) captureGraves() {
	w, p := s.capture.w, s.cfg.Partition
	for _, ord := range s.sortedGraves() {
		inst := s.graves[ord].inst
		s.capture.graves = append(s.capture.graves, ord)
		s.deleteDead(w, inst)
		if inst.stored.row {
			s.deleteIndex(w, inst)
			inst.timers.all(func(id int32, t *timer) bool {
				w.DeleteMain(timerKey(s.keyBuf, p, TimerRef{FireAt: t.fireAt, Ord: ord, ID: id}))
				return true
			})
			w.DeleteMain(idKey(s.keyBuf, p, inst.id))
			w.DeleteMain(activeKey(s.keyBuf, p, ord))
			w.DeleteMainRange(instanceKey(nil, p, ord), instanceKey(nil, p, ord+1))
		}
		if inst.stored.chunks {
			low, high := historyRange(p, inst.hist)
			w.DeleteHistoryRange(low, high)
		}
	}
}
