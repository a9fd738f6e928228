package netherite

import (
	"cmp"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
)

// slots bounds what one connection has of one kind of work. Partitions that
// find none free queue up, and a slot that becomes free is kept for the first
// in the queue: so no partition can crowd out the others.
type slots struct {
	mu       sync.Mutex
	free     int
	reserved int // of free, for partitions that were called
	queue    []int
	state    []atomic.Uint32 // by partition; changed with mu held
}

// States of a partition.
const (
	away uint32 = iota
	queued
	called
)

func newSlots(limit, partitions int) slots {
	return slots{free: limit, state: make([]atomic.Uint32, partitions)}
}

// take takes up to want slots for a partition. If it gets fewer, the partition
// is queued and will be called. next is another partition to call, or -1.
func (s *slots) take(id, want int) (got, next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.state[id].Load() == called {
		s.state[id].Store(away)
		s.reserved--
	}
	got = min(want, s.free-s.reserved)
	s.free -= got
	if got < want && s.state[id].Load() == away {
		s.state[id].Store(queued)
		s.queue = append(s.queue, id)
	}
	return got, s.call()
}

// put gives slots back. next is a partition to call, or -1.
func (s *slots) put(n int) (next int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += n
	return s.call()
}

// settle ends a partition's round: it gives back what the partition has not
// used, and what is reserved for it if it did not come for it.
func (s *slots) settle(id, unused int) (next int) {
	if unused == 0 && s.state[id].Load() != called {
		return -1 // most rounds have used what they took
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.free += unused
	if s.state[id].Load() == called {
		s.state[id].Store(away)
		s.reserved--
	}
	return s.call()
}

// call reserves a free slot for the first partition in the queue.
func (s *slots) call() int {
	if len(s.queue) == 0 || s.free <= s.reserved {
		return -1
	}
	id := s.queue[0]
	s.queue = s.queue[:copy(s.queue, s.queue[1:])]
	s.state[id].Store(called)
	s.reserved++
	return id
}

// compareTokens orders the tokens of a partition: what follows from a list of
// them follows in the same order in each run of a simulation.
func compareTokens(a, b engine.Token) int {
	return cmp.Or(cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Task, b.Task),
		cmp.Compare(a.Name.Epoch, b.Name.Epoch), cmp.Compare(a.Name.Number, b.Name.Number))
}

// held is an item that somebody has.
type held struct {
	kind  engine.ItemKind
	token engine.Token
}
