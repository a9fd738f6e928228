package netherite

import (
	"testing"

	"github.com/netherite-go/netherite/substrate"
)

// closable is a view that knows whether it was closed.
type closable struct {
	substrate.Snapshot
	closed bool
}

func (c *closable) Close() error {
	c.closed = true
	return nil
}

// A call may be given up after a node has failed that had opened a view for it, and
// before the next one comes to it.
func TestCallThatIsGivenUpKeepsNoViewOpen(t *testing.T) {
	v := &closable{}
	c := &call{done: make(chan struct{}, 1), read: func(*host, *call) { t.Error("it is read") }, page: &pageRead{view: v}}
	c.giveUp()
	(&host{}).read(c)
	if !v.closed || len(c.done) > 0 {
		t.Errorf("its view was closed: %t; it was answered %d times", v.closed, len(c.done))
	}
}
