package worker

import (
	"fmt"
	"slices"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func TestCacheGivesUpWhatIsTooMuchOldestFirst(t *testing.T) {
	var dropped []string
	c := newCache(3, 100, func(v string) { dropped = append(dropped, v) })
	name := func(n int) engine.Name { return engine.Name{Epoch: 1, Number: uint64(n)} }
	put := func(id string, n int, cost int64) {
		c.put(&cached[string]{instance: id, last: name(n), cost: cost, value: fmt.Sprint(id, n)})
	}
	expect := func(want ...string) {
		t.Helper()
		if !slices.Equal(dropped, want) {
			t.Errorf("dropped %q, want %q", dropped, want)
		}
		dropped = nil
	}
	put("a", 1, 10)
	put("b", 2, 10)
	put("c", 3, 10)
	if e := c.take("a", model.ExecutionID{}, name(1)); e == nil || e.value != "a1" {
		t.Errorf("%+v", e)
	}
	put("a", 4, 10)
	put("d", 5, 10)
	expect("b2")
	put("e", 6, 90)
	expect("c3", "a4")
	put("e", 7, 10)
	expect("e6")
	if c.take("d", model.ExecutionID{}, name(9)) != nil || c.take("e", model.ExecutionID{1}, name(7)) != nil || c.take("x", model.ExecutionID{}, name(1)) != nil {
		t.Error("took a copy of another past")
	}
	expect("d5", "e7")
	put("f", 8, 10)
	c.forget("f", name(7))
	expect()
	c.forget("f", name(8))
	expect("f8")
	put("g", 9, 500)
	c.limit(49)
	expect()
	put("G", 9, 10)
	expect("g9")
	c.limit(0)
	expect("G9")
	c.limit(100)
	put("h", 1, 1)
	c.close()
	put("i", 1, 1)
	expect("h1", "i1")
	if n, bytes := c.size(); n != 0 || bytes != 0 {
		t.Errorf("%d copies of %d bytes left", n, bytes)
	}
}
