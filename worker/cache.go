package worker

import (
	"container/list"
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// cache keeps what lives on between two steps of an instance: an orchestration's
// coroutines, an entity's decoded state. What has not been used for longest goes
// first. A copy that is in use is not in the cache.
type cache[T any] struct {
	drop func(T) // gives a copy up; called without the mutex

	mu       sync.Mutex
	byID     map[string]*list.Element
	order    list.List // of *cached[T], least recently used first
	maxCount int       // negative: none
	maxBytes int64
	bytes    int64
	closed   bool
}

type cached[T any] struct {
	instance  string
	execution model.ExecutionID
	last      engine.Name // hand-out that it completed last
	cost      int64
	value     T
}

func newCache[T any](count int, bytes int64, drop func(T)) *cache[T] {
	return &cache[T]{drop: drop, byID: map[string]*list.Element{}, maxCount: count, maxBytes: bytes}
}

// take removes and returns the copy that completed exactly the given hand-out
// last. A copy of any other past is given up.
func (c *cache[T]) take(instance string, execution model.ExecutionID, last engine.Name) (value T, ok bool) {
	c.mu.Lock()
	e := c.byID[instance]
	if e == nil {
		c.mu.Unlock()
		return value, false
	}
	entry := c.remove(e)
	c.mu.Unlock()
	if last != (engine.Name{}) && entry.last == last && entry.execution == execution {
		return entry.value, true
	}
	c.drop(entry.value)
	return value, false
}

func (c *cache[T]) remove(e *list.Element) *cached[T] {
	entry := c.order.Remove(e).(*cached[T])
	delete(c.byID, entry.instance)
	c.bytes -= entry.cost
	return entry
}

// put adds a copy, whose user must not touch it any more, and gives up what is
// too much.
func (c *cache[T]) put(entry *cached[T]) {
	c.mu.Lock()
	var out []*cached[T]
	if e := c.byID[entry.instance]; e != nil {
		out = append(out, c.remove(e))
	}
	c.byID[entry.instance] = c.order.PushBack(entry)
	c.bytes += entry.cost
	out = c.trim(out)
	c.mu.Unlock()
	for _, e := range out {
		c.drop(e.value)
	}
}

// trim removes until the bounds hold.
func (c *cache[T]) trim(out []*cached[T]) []*cached[T] {
	for c.order.Len() > 0 && (c.closed || c.order.Len() > c.maxCount || c.bytes > c.maxBytes) {
		out = append(out, c.remove(c.order.Front()))
	}
	return out
}

// forget gives up the copy that completed a hand-out whose result was refused.
func (c *cache[T]) forget(instance string, last engine.Name) {
	c.mu.Lock()
	e := c.byID[instance]
	if e == nil || e.Value.(*cached[T]).last != last {
		c.mu.Unlock()
		return
	}
	entry := c.remove(e)
	c.mu.Unlock()
	c.drop(entry.value)
}

// limit changes the bound in bytes.
func (c *cache[T]) limit(bytes int64) {
	c.mu.Lock()
	c.maxBytes = bytes
	out := c.trim(nil)
	c.mu.Unlock()
	for _, e := range out {
		c.drop(e.value)
	}
}

// size returns the number of copies and their estimated bytes.
func (c *cache[T]) size() (count int, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.order.Len(), c.bytes
}

// close gives everything up, now and from now on.
func (c *cache[T]) close() {
	c.mu.Lock()
	c.closed = true
	out := c.trim(nil)
	c.mu.Unlock()
	for _, e := range out {
		c.drop(e.value)
	}
}
