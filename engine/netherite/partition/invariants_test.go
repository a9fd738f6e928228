package partition

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
)

// checkState recomputes what the state keeps beside its content: sizes, counts,
// lists, flags.
func checkState(h *testHub, s *State) {
	s.recount()
	atWork, bytes := 0, int64(0)
	for ord, inst := range s.byOrd {
		bytes += inst.counted
		if ord != inst.ord || s.byID[inst.id] != inst || inst.gone {
			h.failed("instance %s: not where it should be", inst.id)
		}
		checkInstance(h, s, inst)
		if s.counted(inst) {
			atWork++
		}
		if s.working(inst) != (inst.atWork != 0) {
			h.failed("instance %s: at work: %t, counted at age %d of %d", inst.id, s.working(inst), inst.atWork, s.age)
		}
	}
	if n := s.AtWork(); n != atWork {
		h.failed("%d orchestrations are at work, %d are counted", atWork, n)
	}
	if len(s.byOrd) != len(s.byID) {
		h.failed("%d instances by ordinal, %d by ID", len(s.byOrd), len(s.byID))
	}
	if s.lru.bytes != bytes {
		h.failed("the instances take %d bytes, %d are counted", bytes, s.lru.bytes)
	}
	if total, _ := s.Bytes(); total < 0 {
		h.failed("the state takes %d bytes", total)
	}
}

func checkInstance(h *testHub, s *State, inst *instance) {
	if size := sizeOf(inst); size != inst.size {
		h.failed("instance %s: size is %d, its content %d", inst.id, inst.size, size)
	}
	lists := [][]entry{inst.inbox}
	if inst.entity != nil {
		lists = append(lists, inst.entity.backlog)
		if (inst.entity.section == "") != (inst.entity.holder == "") {
			h.failed("entity %s: section %q, holder %q", inst.id, inst.entity.section, inst.entity.holder)
		}
	}
	for i, list := range lists {
		if !slices.IsSortedFunc(list, func(a, b entry) int { return int(a.seq) - int(b.seq) }) {
			h.failed("instance %s: messages out of order: %s", inst.id, showEntries(list))
		}
		for j := range list {
			if list[j].backlog != (i == 1) || list[j].seq >= inst.nextSeq || list[j].stored && !inst.stored.row && s.live {
				h.failed("instance %s: flags of %s", inst.id, showEntries(list[j:j+1]))
			}
		}
	}
	if !slices.IsSortedFunc(inst.held, func(a, b heldMessage) int { return int(a.seq) - int(b.seq) }) || len(inst.held) > 0 && !inst.holds || inst.holds && inst.quarantine == nil {
		h.failed("instance %s: set aside: %t, %v, holds %d messages", inst.id, inst.holds, inst.quarantine, len(inst.held))
	}
	if (inst.hist == 0) && !(inst.holds && inst.events == 0 || inst.isEntity()) {
		h.failed("instance %s has no place for its history", inst.id)
	}
	if inst.ended() && (len(inst.inbox) > 0 || inst.tasks.live+inst.timers.live+len(inst.sections)+len(inst.calls) > 0 || inst.handout != (engine.Name{})) {
		h.failed("instance %s has ended and still waits", inst.id)
	}
	if !inst.dirty && !inst.captive && inst.stored.row != (inst.stored.row || s.live) {
		h.failed("instance %s is clean and not stored", inst.id)
	}
	if _, ok := s.runnable(inst); ok && s.live && !inst.queued {
		h.failed("instance %s could run and is not queued", inst.id)
	}
	if inst.dirty != slices.Contains(s.dirty, inst) {
		h.failed("instance %s: dirty is %t", inst.id, inst.dirty)
	}
}

// sizeOf adds up what an instance's size should be.
func sizeOf(inst *instance) (n int64) {
	add := func(list []entry) {
		for i := range list {
			n += eventSize(&list[i].event)
		}
	}
	add(inst.inbox)
	if inst.entity != nil {
		add(inst.entity.backlog)
	}
	for i := range inst.held {
		n += eventSize(&inst.held[i].event)
	}
	inst.tasks.all(func(_ int32, t *task) bool { n += eventSize(t.event) + 64; return true })
	inst.timers.all(func(_ int32, t *timer) bool {
		if n += 96; t.msg != nil {
			n += eventSize(&t.msg.event)
		}
		return true
	})
	inst.children.all(func(int32, *child) bool { n += 120; return true })
	return n
}
