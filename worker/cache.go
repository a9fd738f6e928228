package worker

import (
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// cache keeps what lives on between two steps of an instance: an orchestration's
// coroutines, an entity's decoded state. What has not been used for longest goes
// first. A copy that is in use is not in the cache. The one that was used last
// stays even if it alone is too large: it needs as much memory whenever it makes a
// step, and rebuilding it for each would take longer the larger it is.
type cache[T any] struct {
	drop func(T) // gives a copy up; called without the mutex

	mu       sync.Mutex
	byID     map[string]*cached[T] // what is in the cache, and what was taken and not ended
	count    int                   // of what is in the cache
	ring     cached[T]             // its next is the least recently used, its prev the most
	maxCount int                   // negative: none
	maxBytes int64
	bytes    int64
	closed   bool
}

// cached is one copy, in the cache or in use. It is a link of the list itself,
// so that a step costs no allocation here.
type cached[T any] struct {
	instance  string
	execution model.ExecutionID
	last      engine.Name // hand-out that it completed last
	cost      int64
	value     T

	prev, next *cached[T] // nil while in use
}

func newCache[T any](count int, bytes int64, drop func(T)) *cache[T] {
	c := &cache[T]{drop: drop, byID: map[string]*cached[T]{}, maxCount: count, maxBytes: bytes}
	c.ring.prev, c.ring.next = &c.ring, &c.ring
	return c
}

// take removes and returns the copy that completed exactly the given hand-out
// last, or nil. A copy of any other past is given up. Who takes a copy either puts
// it back or calls end.
func (c *cache[T]) take(instance string, execution model.ExecutionID, last engine.Name) *cached[T] {
	c.mu.Lock()
	e := c.byID[instance]
	if e == nil || e.next == nil {
		c.mu.Unlock()
		return nil
	}
	if (last != (engine.Name{}) && e.last == last || planted.LiveCopyOfAnyPast) && e.execution == execution {
		c.unlink(e)
		c.mu.Unlock()
		return e
	}
	mark.Hit(mark.LiveCopyOutdated)
	c.remove(e)
	c.mu.Unlock()
	c.drop(e.value)
	return nil
}

// end forgets a copy that was taken and will not be put back.
func (c *cache[T]) end(e *cached[T]) {
	c.mu.Lock()
	if c.byID[e.instance] == e {
		delete(c.byID, e.instance)
	}
	c.mu.Unlock()
}

func (c *cache[T]) remove(e *cached[T]) {
	c.unlink(e)
	delete(c.byID, e.instance)
}

func (c *cache[T]) unlink(e *cached[T]) {
	e.prev.next, e.next.prev = e.next, e.prev
	e.prev, e.next = nil, nil
	c.bytes -= e.cost
	c.count--
}

// put adds a copy, whose user must not touch it any more, and gives up what is
// too much.
func (c *cache[T]) put(e *cached[T]) {
	c.mu.Lock()
	var out []T
	if old := c.byID[e.instance]; old != e {
		if old != nil && old.next != nil {
			c.remove(old)
			out = append(out, old.value)
		}
		c.byID[e.instance] = e
	}
	e.prev, e.next = c.ring.prev, &c.ring
	e.prev.next, e.next.prev = e, e
	c.bytes += e.cost
	c.count++
	c.trim(out)
}

// trim gives up what exceeds the bounds, and what is in out. The mutex is held
// when it is called, and not any more when it returns.
func (c *cache[T]) trim(out []T) {
	for c.count > 0 && (c.closed || c.count > c.maxCount || c.bytes > c.maxBytes && (c.count > 1 || c.maxBytes <= 0)) {
		mark.Hit(mark.LiveCopyEvicted)
		e := c.ring.next
		c.remove(e)
		out = append(out, e.value)
	}
	c.mu.Unlock()
	for _, v := range out {
		c.drop(v)
	}
}

// forget gives up the copy that completed a hand-out whose result was refused.
func (c *cache[T]) forget(instance string, last engine.Name) {
	c.mu.Lock()
	e := c.byID[instance]
	if e == nil || e.next == nil || e.last != last {
		c.mu.Unlock()
		return
	}
	c.remove(e)
	c.trim([]T{e.value})
}

// limit changes the bound in bytes.
func (c *cache[T]) limit(bytes int64) {
	c.mu.Lock()
	c.maxBytes = bytes
	c.trim(nil)
}

// size returns the number of copies and their estimated bytes.
func (c *cache[T]) size() (count int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.count, c.bytes
}

// close gives everything up, now and from now on.
func (c *cache[T]) close() {
	c.mu.Lock()
	c.closed = true
	c.trim(nil)
}
