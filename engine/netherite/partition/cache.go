package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
)

// lru lists the clean instances in memory in the order of their last use, so
// that looking for something to evict passes over few that cannot be; and it
// counts the bytes of all.
type lru struct {
	root  lruNode // root.next is the least recently used
	bytes int64   // of all instances
	clean int64   // of those in the list
}

type lruNode struct {
	prev, next *lruNode
	inst       *instance
}

func (l *lru) init() { l.root.prev, l.root.next = &l.root, &l.root }

// use makes a clean instance the most recently used.
func (l *lru) use(inst *instance) {
	l.unlink(inst)
	l.count(inst)
	n := &inst.node
	n.inst, n.prev, n.next = inst, l.root.prev, &l.root
	n.prev.next, n.next.prev = n, n
	l.clean += inst.counted
}

// unlink takes an instance out of the list: it is about to change or to go.
func (l *lru) unlink(inst *instance) {
	n := &inst.node
	if n.next == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	*n = lruNode{}
	l.clean -= inst.counted
}

// count counts an instance that is not in the list.
func (l *lru) count(inst *instance) {
	size := inst.footprint()
	l.bytes += size - inst.counted
	inst.counted = size
}

// remove forgets an instance.
func (l *lru) remove(inst *instance) {
	l.unlink(inst)
	l.bytes -= inst.counted
	inst.counted = 0
}

// footprint estimates the memory of an instance, in bytes.
func (inst *instance) footprint() int64 {
	n := 900 + inst.size + int64(2*len(inst.id)+len(inst.input)+len(inst.output)+len(inst.custom))
	if inst.entity != nil {
		n += int64(len(inst.entity.state)) + 120
	}
	return n + int64(48*len(inst.tags)) + int64(len(inst.tail.buf)+len(inst.tail.held))
}

// evictable reports whether nothing would be lost or forgotten if the instance
// were loaded again: it is as stored, and nothing of it is handed out.
func (inst *instance) evictable() bool {
	return !inst.dirty && !inst.captive && !inst.pinned && !inst.queued && inst.running == 0 &&
		inst.handout == (engine.Name{}) && inst.stored.row
}

// Rough sizes of what else is in memory.
const (
	timerBytes   = 24
	sessionBytes = 700
	keyBytes     = 200
)

// Bytes estimates the memory that the state takes, in all and in instances
// that cannot be evicted before a checkpoint.
func (s *State) Bytes() (total, dirty int64) {
	s.recount()
	return s.lru.bytes + s.fixedBytes(), s.lru.bytes - s.lru.clean
}

// fixedBytes is what is in memory beside the instances.
func (s *State) fixedBytes() int64 {
	n := timerBytes*int64(len(s.timers)) + sessionBytes*int64(len(s.clients.sessions)) + keyBytes*int64(len(s.clients.keys))
	for i := range s.outbox {
		n += s.outbox[i].bytes
	}
	return n
}

// recount counts the instances that have changed since they were counted.
func (s *State) recount() {
	for i, inst := range s.resized {
		s.resized[i] = nil
		if inst.resized = false; !inst.gone && inst.node.next == nil {
			s.lru.count(inst)
		}
		s.countWork(inst, s.working(inst))
	}
	s.resized = s.resized[:0]
}

// Evict drops least recently used instances until the state takes at most target
// bytes or nothing more can be dropped.
func (s *State) Evict(target int64) {
	s.recount()
	target -= s.fixedBytes()
	for n := s.lru.root.next; n != &s.lru.root && s.lru.bytes > target; {
		inst := n.inst
		n = n.next
		if inst.evictable() {
			mark.Hit(mark.Evicted)
			s.forget(inst)
		}
	}
}

// EvictEnded drops the instances that the last checkpoint has stored as ended.
// Few are ever asked for again, and with them gone what stays is small: lookups
// find it in the processor's cache, and the garbage collector has little to mark.
func (s *State) EvictEnded() {
	s.recount() // before it is forgotten: it would be added again, and nothing takes it off once more
	for _, inst := range s.ended {
		if inst.ended() && inst.evictable() && s.byOrd[inst.ord] == inst {
			mark.Hit(mark.EvictedEnded)
			s.forget(inst)
		}
	}
	clear(s.ended)
	s.ended = s.ended[:0]
}

// forget drops a clean instance from memory.
func (s *State) forget(inst *instance) {
	s.countWork(inst, false)
	s.lru.remove(inst)
	delete(s.byOrd, inst.ord)
	delete(s.byID, inst.id)
}

// AtWork is how many orchestrations have begun, do not wait for anything but
// workers, and have got on in this age or the last one.
func (s *State) AtWork() int {
	s.recount()
	return s.atWork[0] + s.atWork[1]
}

// Age begins an age. What has not got on
// since before the last one is not counted any more, until it does.
func (s *State) Age() {
	s.recount()
	s.age++
	s.atWork[s.age%2] = 0
}

func (s *State) countWork(inst *instance, working bool) {
	if s.counted(inst) {
		s.atWork[inst.atWork%2]--
	}
	if inst.atWork = 0; working {
		inst.atWork = s.age
		s.atWork[s.age%2]++
	}
}

// counted reports whether atWork includes an instance.
func (s *State) counted(inst *instance) bool { return inst.atWork != 0 && s.age-inst.atWork < 2 }

// working reports whether a worker has, or is about to get, something of an
// orchestration that has begun.
func (s *State) working(inst *instance) bool {
	if inst.gone || inst.isEntity() {
		return false
	}
	if inst.handout != (engine.Name{}) || inst.running > 0 {
		return true
	}
	_, ok := s.runnable(inst)
	return ok && inst.queued && inst.steps > 0
}
