package worker

import (
	"sync"

	"github.com/netherite-go/netherite/worker/replay"
)

// pool runs items on goroutines, up to a limit of them at a time.
//
// A goroutine that takes an item while others wait brings in one more, but never
// more than one is on its way. So as many run as there are processors to run
// them, plus one for each that blocks; nobody has to guess which items block.
type pool[T comparable] struct {
	// run runs an item. It is called again in another goroutine if it does not
	// return because user code ended its goroutine.
	run      func(s *slot[T], item T, again bool)
	labelled bool    // slots know their labels
	ran      func(T) // called with the mutex held when an item was run without incident; may be nil

	mu       sync.Mutex
	cond     sync.Cond
	queue    []T
	head     int
	stepped  bool // no goroutines: runOne runs items
	wanted   int
	limit    int // 0 until open
	maxIdle  int
	total    int // goroutines, without those that have been detached
	idle     int
	coming   bool // one has been started or woken and has not looked yet
	closed   bool
	all      sync.WaitGroup
	occupied map[*slot[T]]struct{}
}

// slot is a goroutine of a pool.
type slot[T comparable] struct {
	item     T      // what it runs, if busy; guarded by the pool's mu
	busy     bool   // guarded by the pool's mu
	detached bool   // its place has been taken; guarded by the pool's mu
	left     bool   // nobody waits for it any more; guarded by the pool's mu
	held     int    // goroutines of it that close waits for; guarded by the pool's mu
	label    string // of the goroutine, see replay.GoroutineLabel; guarded by the pool's mu
}

func newPool[T comparable](limit int, run func(*slot[T], T, bool)) *pool[T] {
	p := &pool[T]{wanted: limit, maxIdle: 32, run: run, occupied: map[*slot[T]]struct{}{}}
	p.cond.L = &p.mu
	return p
}

// open lets goroutines start.
func (p *pool[T]) open() {
	p.mu.Lock()
	p.limit = p.wanted
	p.bring()
	p.mu.Unlock()
}

// add queues n items, which it asks for with the mutex held. It never blocks for
// long.
func (p *pool[T]) add(n int, item func(i int) T) {
	p.mu.Lock()
	if !p.closed {
		for i := range n {
			p.queue = append(p.queue, item(i))
		}
		p.bring()
	}
	p.mu.Unlock()
}

// bring lets one more goroutine join if there is something to take.
func (p *pool[T]) bring() {
	if p.coming || p.stepped || p.head == len(p.queue) || p.closed {
		return
	}
	switch {
	case p.idle > 0:
		p.coming = true
		p.cond.Signal()
	case p.total < p.limit:
		p.coming = true
		p.total++
		p.all.Add(1)
		s := &slot[T]{held: 1}
		p.occupied[s] = struct{}{}
		go p.work(s)
	}
}

// work is a goroutine's life.
func (p *pool[T]) work(s *slot[T]) {
	defer p.left(s)
	label := p.label()
	p.mu.Lock()
	p.coming, s.label = false, label
	p.loop(s)
	delete(p.occupied, s)
	p.mu.Unlock()
}

// loop takes items until there is no more need for this goroutine. The mutex is
// held when it is called and when it returns.
func (p *pool[T]) loop(s *slot[T]) {
	for {
		if p.head == len(p.queue) || p.closed {
			if !p.wait() {
				p.total--
				return
			}
			continue
		}
		item := p.pop()
		s.item, s.busy = item, true
		p.bring()
		p.mu.Unlock()
		p.runGuarded(s, item, false)
		p.mu.Lock()
		s.free()
		if s.detached { // its place has been taken
			return
		}
		if p.ran != nil {
			p.ran(item)
		}
	}
}

func (s *slot[T]) free() {
	var none T
	s.item, s.busy = none, false
}

func (p *pool[T]) label() string {
	if !p.labelled {
		return ""
	}
	return replay.GoroutineLabel()
}

// wait blocks an idle goroutine; false means that it should end.
func (p *pool[T]) wait() bool {
	if p.closed || p.idle >= p.maxIdle {
		return false
	}
	p.idle++
	p.cond.Wait()
	p.idle--
	p.coming = false
	return !p.closed
}

func (p *pool[T]) pop() T {
	item := p.queue[p.head]
	var none T
	p.queue[p.head] = none
	p.head++
	if p.head == len(p.queue) {
		p.queue, p.head = p.queue[:0], 0
	} else if p.head >= 1024 && p.head >= len(p.queue)/2 {
		n := copy(p.queue, p.queue[p.head:])
		clear(p.queue[n:])
		p.queue, p.head = p.queue[:n], 0
	}
	return item
}

// runGuarded runs the slot's item. If user code ends the goroutine, another one
// finishes the item and then goes on in the slot.
func (p *pool[T]) runGuarded(s *slot[T], item T, again bool) {
	returned := false
	defer func() {
		if returned {
			return
		}
		p.mu.Lock()
		if !s.left {
			p.all.Add(1)
			s.held++
		}
		p.mu.Unlock()
		go func() {
			defer p.left(s)
			label := p.label()
			p.mu.Lock()
			s.label = label
			p.mu.Unlock()
			p.runGuarded(s, item, true)
			p.mu.Lock()
			s.free()
			if !s.detached {
				p.loop(s)
			}
			delete(p.occupied, s)
			p.mu.Unlock()
		}()
	}()
	p.run(s, item, again)
	returned = true
}

// detach gives the place of a slot that still runs the item to another goroutine,
// because the item takes too long. Its own goroutine ends when that returns; with
// leave, close does not wait for it.
func (p *pool[T]) detach(s *slot[T], item T, leave bool) {
	p.mu.Lock()
	if s.busy && s.item == item && !s.detached {
		s.detached = true
		p.total--
		p.bring()
		if leave {
			p.all.Add(-s.held)
			s.left, s.held = true, 0
		}
	}
	p.mu.Unlock()
}

// left notes that a goroutine of the slot has ended.
func (p *pool[T]) left(s *slot[T]) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !s.left {
		s.held--
		p.all.Done()
	}
}

// running calls f for every item that runs, with the mutex held.
func (p *pool[T]) running(f func(*slot[T])) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for s := range p.occupied { // order-free: each is told the same
		if s.busy {
			f(s)
		}
	}
}

// items calls f for every item that waits or runs, with the mutex held.
func (p *pool[T]) items(f func(T)) {
	p.mu.Lock()
	for _, item := range p.queue[p.head:] {
		f(item)
	}
	p.mu.Unlock()
	p.running(func(s *slot[T]) { f(s.item) })
}

// stop takes no more items, and returns what was queued, which will not run.
func (p *pool[T]) stop() (queued []T) {
	p.mu.Lock()
	defer p.mu.Unlock()
	queued = p.queue[p.head:]
	p.closed = true
	p.queue, p.head = nil, 0
	p.cond.Broadcast()
	return queued
}

// ended returns a channel that is closed when the last goroutine of a pool that was
// stopped has ended.
func (p *pool[T]) ended() <-chan struct{} {
	done := make(chan struct{})
	go func() {
		p.all.Wait()
		close(done)
	}()
	return done
}
