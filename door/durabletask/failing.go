package durabletask

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Workers of this project keep the state of an entity in memory, as their own last
// result has left it, and go on from there if that is the one that counts: the engine
// knows it by its hand-out. A result that cannot be kept must not be taken for it. So
// the batch is not failed under the hand-out that the worker knows: it is given back,
// and failed when it comes again.

// failing is a batch of operations of which the first ones fail when it comes again.
type failing struct {
	request    string      // the first operation's
	last       engine.Name // what the batch begins with
	operations int
	with       *model.Failure
}

// maxFailing bounds the batches that are to be failed. Each is somebody's next item;
// one that is forgotten is given to a worker again, which comes to the same.
const maxFailing = 10_000

// failLater gives a batch back, of which the first n operations fail with f.
func (d *desk) failLater(h *held, n int, f *model.Failure) error {
	d.mu.Lock()
	if len(d.failing) >= maxFailing {
		clear(d.failing)
	}
	d.failing[h.instance] = &failing{firstRequest(h.entity), h.entity.Last, n, f}
	d.mu.Unlock()
	return h.s.conn.Abandon(engine.EntityKind, h.token, 0)
}

// failed returns how a batch has failed that comes again, nil for another.
func (d *desk) failed(i *engine.EntityItem) *failing {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.failing[i.Instance]
	delete(d.failing, i.Instance)
	if f == nil || f.request != firstRequest(i) || f.last != i.Last {
		return nil
	}
	return f
}

func firstRequest(i *engine.EntityItem) string {
	if len(i.Operations) == 0 {
		return ""
	}
	return i.Operations[0].RequestID
}
