package partition

import "github.com/netherite-go/netherite/engine"

// lru orders the instances in memory by their last use and counts their bytes.
type lru struct {
	root  lruNode // root.next is the least recently used
	bytes int64
}

type lruNode struct {
	prev, next *lruNode
	inst       *instance
	counted    int64
}

func (l *lru) init() { l.root.prev, l.root.next = &l.root, &l.root }

// use makes the instance the most recently used and counts its size again.
func (l *lru) use(inst *instance) {
	n := &inst.node
	if n.next != nil {
		n.prev.next, n.next.prev = n.next, n.prev
	}
	n.inst = inst
	n.prev, n.next = l.root.prev, &l.root
	n.prev.next, n.next.prev = n, n
	size := inst.footprint()
	l.bytes += size - n.counted
	n.counted = size
}

func (l *lru) remove(inst *instance) {
	n := &inst.node
	if n.next == nil {
		return
	}
	n.prev.next, n.next.prev = n.next, n.prev
	l.bytes -= n.counted
	*n = lruNode{}
}

// footprint estimates the memory of an instance, in bytes.
func (inst *instance) footprint() int64 {
	n := 900 + inst.size + int64(2*len(inst.id)+len(inst.input)+len(inst.output)+len(inst.custom))
	if inst.entity != nil {
		n += int64(len(inst.entity.state)) + 120
	}
	return n + int64(48*len(inst.tags)) + int64(len(inst.tail.held))
}

// evictable reports whether nothing would be lost or forgotten if the instance
// were loaded again: it is as stored, and nothing of it is handed out.
func (inst *instance) evictable() bool {
	return !inst.dirty && !inst.captive && !inst.pinned && !inst.queued && inst.running == 0 &&
		inst.handout == (engine.Name{}) && inst.stored.row
}

// Bytes estimates the memory that the state takes, in all and in instances
// that cannot be evicted before a checkpoint.
func (s *State) Bytes() (total, dirty int64) {
	total = s.lru.bytes
	for i := range s.outbox {
		total += s.outbox[i].bytes
	}
	return total + int64(24*len(s.timers)), int64(len(s.dirty)) * 1024
}

// Evict drops least recently used instances until the state takes at most
// target bytes or nothing more can be dropped.
func (s *State) Evict(target int64) {
	for n := s.lru.root.next; n != &s.lru.root && s.lru.bytes > target; {
		inst := n.inst
		n = n.next
		if inst.evictable() {
			s.forget(inst)
		}
	}
}

// forget drops a clean instance from memory.
func (s *State) forget(inst *instance) {
	s.lru.remove(inst)
	delete(s.byOrd, inst.ord)
	delete(s.byID, inst.id)
}
