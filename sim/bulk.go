package sim

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/mark"
)

// What usual operations carry fits many times into a record, and few of them come
// at once. In some runs loads are larger than a segment of the log, or than the hub
// allows; in some, a throng of clients comes at the same moment.
const (
	smallLimit = 10 << 10 // bytes of a payload, in runs in which loads exceed it
	largeLoad  = 40 << 10
	throngSize = 40
	wideFanOut = 100
)

var (
	depots = durable.Entity[string]("Depot")
	keep   = durable.Operation(depots, "Keep", func(kept *string, _ *durable.EntityContext, load string) (string, error) {
		*kept = load
		return load, nil
	})
	double = durable.Activity("Double", func(_ context.Context, load string) (string, error) { return load + load, nil })
)

// freight carries a load through an activity that doubles it, if that may be, its
// status and an entity.
func freight(ctx *durable.Context, load string) (string, error) {
	ctx.SetStatus(load)
	doubled, err := double.Call(ctx, load, patch).Await()
	switch {
	case errors.Is(err, durable.ErrPayloadTooLarge):
		mark.Hit(mark.ResultTooLarge)
		doubled = load
	case err != nil:
		return "", err
	}
	return keep.Call(ctx, depots.Key(ctx.ID()), doubled).Await()
}

// haul starts an orchestration with a large load.
func (c *client) haul(id string) {
	w := c.w
	limit := w.plan.limit
	most := min(limit, largeLoad)
	load := strings.Repeat(string(rune('a'+w.bulk.IntN(26))), 1+w.bulk.IntN(most-2))
	switch w.bulk.IntN(4) {
	case 0:
		load = strings.Repeat("x", most-2) // with its quotes it is just as much as may be
	case 1:
		c.overload(id, limit)
		return
	}
	want := load
	if 2*len(load)+2 <= limit {
		want += load
	}
	c.start(id, "Freight", load, want)
}

// overload starts an orchestration with more than is allowed.
func (c *client) overload(id string, limit int) {
	load := encode(strings.Repeat("x", limit-1))
	err := c.request("start", id, func(ctx context.Context, e *netherite.Engine, key string) error {
		_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Freight", Input: load, Key: key})
		return err
	})
	if !errors.Is(err, engine.ErrTooLarge) {
		c.w.fail("client: start of %q with %d bytes, of at most %d: %v", id, len(load), limit, err)
	}
	mark.Hit(mark.LoadRefused)
}

// throng has many clients ask at once, and waits for them.
func (c *client) throng(id string) {
	w := c.w
	left := throngSize
	w.throngs++
	for n := range throngSize {
		other := &client{w: w, nr: 30_000 + w.throngs*throngSize + n}
		own := fmt.Sprintf("%s-%d", id, n)
		w.spawn("one of a throng", nil, func() {
			defer func() { left-- }()
			switch {
			case n == 0:
				other.start("fanout-"+own, "FanOut", wideFanOut, squares(wideFanOut))
			case n%2 == 0:
				other.post(journals.Key("throng").InstanceID(), "post-"+own)
			default:
				other.start("loop-"+own, "Loop", 1, "done")
			}
		})
	}
	w.park(func() bool { return left == 0 })
}

// squares is the sum of the squares of 0 to n-1.
func squares(n int) (sum int) {
	for i := range n {
		sum += i * i
	}
	return sum
}
