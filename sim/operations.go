package sim

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
)

// enough reports whether there is no need for another operation. It sees to it that
// there are enough faults in the end.
func (w *world) enough() bool {
	switch {
	case w.failure != nil || !w.chaos:
		return true
	case w.plan.operations > 0:
		return w.asked >= w.plan.operations
	}
	if w.steps >= w.plan.events && w.faults < leastFaults {
		w.plan.harden()
	}
	return w.steps >= w.plan.events && (w.faults >= leastFaults || w.steps >= 3*w.plan.events)
}

// run does operations as long as there is need for more.
func (c *client) run() {
	w := c.w
	for n := 0; !w.enough(); n++ {
		w.asked++
		id := fmt.Sprintf("%d-%d", c.nr, n)
		switch {
		case w.plan.bulky && w.bulk.IntN(20) == 0:
			c.haul("freight-" + id)
		case w.plan.throngs && w.bulk.IntN(100) == 0:
			c.throng(id)
		case w.plan.dooms && w.often.IntN(60) == 0:
			c.doom("doomed-" + id)
		case w.plan.watches && w.often.IntN(30) == 0:
			c.spectate()
		default:
			c.operation(id)
		}
		w.sleep(time.Duration(w.work.IntN(500)) * time.Millisecond)
	}
}

// operation does one thing with the hub.
func (c *client) operation(id string) {
	w := c.w
	switch w.work.IntN(21) {
	case 0, 1, 2:
		from, to := w.work.IntN(w.plan.accounts), w.work.IntN(w.plan.accounts-1)
		if to >= from {
			to++
		}
		c.start("transfer-"+id, "Transfer", move{fmt.Sprint(from), fmt.Sprint(to), int64(1 + w.work.IntN(60))}, "ok")
	case 3:
		if c.start("audit-"+id, "Audit", w.plan.accounts, w.ledger.Money) != nil && w.work.IntN(2) == 0 {
			c.await("audit-" + id)
		}
	case 4:
		n, want := 1+w.work.IntN(12), 0
		for i := range n {
			want += i * i
		}
		if c.start("fanout-"+id, "FanOut", n, want) != nil {
			c.await("fanout-" + id)
		}
	case 5:
		t := tree{1 + w.work.IntN(2), 1 + w.work.IntN(3)}
		want := t.Width
		if t.Depth == 2 {
			want *= t.Width
		}
		c.start("tree-"+id, "Tree", t, want)
	case 6:
		c.doze("nap-" + id)
	case 7:
		c.start("loop-"+id, "Loop", 1+w.work.IntN(4), "done")
	case 8:
		c.collect("collect-"+id, "Collect")
	case 9:
		c.collect("relay-"+id, "Relay")
	case 10:
		c.mend("mend-"+id, "Mend", "mend-"+id)
	case 11:
		c.mend("foreman-"+id, "Foreman", "foreman-"+id+"-job")
	case 12, 13:
		c.captive([...]string{"captive-", "prisoner-"}[w.work.IntN(2)] + id)
	case 14:
		c.cutShort("cut-" + id)
	case 15:
		c.again("again-" + id)
	case 16:
		c.query()
	case 17:
		c.probe()
	case 18:
		c.errand("errand-" + id)
	case 19:
		c.start("fickle-"+id, fickle, w.work.IntN(2), "settled")
	default:
		c.post(journals.Key(fmt.Sprint(w.work.IntN(3))).InstanceID(), "post-"+id)
	}
}

// errand starts an orchestration whose entity cannot apply what comes for it until
// it is mended. Tried again, it has to apply all of it.
func (c *client) errand(id string) {
	w := c.w
	n, entity := 1+w.work.IntN(3), frails.Key(id).InstanceID()
	w.poisons.mark(entity, w.chaos && w.plan.has(Poison))
	c.start(id, "Errand", n, n)
	w.sleep(time.Duration(w.work.IntN(3000)) * time.Millisecond)
	w.poisons.mark(entity, false)
	c.tend(id, entity)
}

// tend has the entity of an errand tried again until the errand has ended.
func (c *client) tend(id, entity string) {
	for c.w.failure == nil {
		if got := c.see(id); got == nil || got.Status.Ended() {
			return
		}
		c.retry(entity)
		c.w.sleep(time.Second)
	}
}

// doze starts a nap, and may suspend it in between.
func (c *client) doze(id string) {
	w := c.w
	var n nap
	var wait time.Duration
	if w.work.IntN(3) == 0 {
		wait = time.Duration(w.work.IntN(20_000)) * time.Millisecond
	}
	for range 1 + w.work.IntN(3) {
		n.Each = append(n.Each, time.Duration(w.work.IntN(90_000))*time.Millisecond)
	}
	i := c.startAt(id, "Nap", n, "rested", wait)
	if i == nil || w.work.IntN(2) == 0 {
		return
	}
	i.Held = c.command("suspend", id, engine.ErrEnded, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Suspend(ctx, id, "for now") })
	if i.Held && w.work.IntN(4) == 0 {
		return // the judge looks whether it has stayed so
	}
	w.sleep(time.Duration(w.work.IntN(5_000)) * time.Millisecond)
	c.see(id)
	i.Held = false
	c.command("resume", id, engine.ErrEnded, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Resume(ctx, id, "go on") })
}

// collect raises events, each until it is acknowledged.
func (c *client) collect(id, name string) {
	n := 1 + c.w.work.IntN(4)
	var input any = n
	if name == "Relay" {
		input = relayed{Left: n}
	}
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	i := c.start(id, name, input, want)
	if i == nil {
		return
	}
	if c.w.work.IntN(3) == 0 {
		c.sendFor(i, id, want)
		return
	}
	for n := range want {
		if !c.raise(i, id, "Parcel", n, name == "Collect") {
			c.giveUpOn(i, id)
			return
		}
	}
}

// mend rewinds an orchestration that has failed.
func (c *client) mend(id, name, job string) {
	w := c.w
	i := c.start(id, name, 0, "mended")
	if i == nil {
		return
	}
	if got := c.await(id); got != nil && got.Status != model.Failed {
		w.fail("outcome: %q is %v before it is mended", id, got.Status)
	}
	w.workload.mended[job] = true
	c.rewind(id)
	// A job that was tried again, by a request that was sent again, may have been
	// rewound before it was mended, and fail after that.
	if w.poisons.tried[job] {
		if got := c.await(id); got != nil && got.Status == model.Failed {
			c.rewind(id)
		}
	}
}

// captive terminates what would wait for ever, or frees it, and may purge it.
func (c *client) captive(id string) {
	w := c.w
	name, n := "Captive", w.work.IntN(3)
	if n > 0 {
		name = "Warden"
	}
	i := c.start(id, name, n, "free")
	if i == nil {
		return
	}
	i.Children = n
	if n == 0 && w.work.IntN(3) == 0 {
		if !c.raise(i, id, "Free", "free", true) {
			c.giveUpOn(i, id)
		}
		return
	}
	i.Status, i.Want = model.Terminated, string(encode("enough"))
	var gone error
	if strings.HasPrefix(id, "captive-") { // a query may purge it, also between two attempts
		i.Purged, gone = true, engine.ErrNotFound
	}
	i.Stopped = c.command("terminate", id, gone, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("enough"), Recursive: true})
	})
	c.await(id)
	if w.work.IntN(2) == 0 {
		i.Purged = true
		if c.purge(id) {
			i.Gone, i.Forgotten = true, true
		}
	}
}

// cutShort terminates what holds locks or waits for an activity, at some time.
func (c *client) cutShort(id string) {
	w := c.w
	name, input, alone := "Hurry", 7, "hurried" // what it ends with by itself
	if w.work.IntN(2) == 0 {
		name, input, alone = "Loiter", w.plan.accounts, "gone"
	}
	i := c.start(id, name, input, alone)
	if i == nil {
		return
	}
	i.Want, i.Any = "", true // it may end by itself before
	w.sleep(time.Duration(w.work.IntN(100)) * time.Millisecond)
	i.Stopped = c.command("terminate", id, nil, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("cut")})
	})
}

// again starts instances of one ID, one after the other, in all ways there are.
func (c *client) again(id string) {
	w := c.w
	i := c.start(id, "Captive", 0, "free")
	if i == nil {
		return
	}
	i.Restarted = true
	if _, acked := c.startAgain(id, engine.FailIfExists, engine.ErrExists); acked {
		w.fail("client: %q was started again, although it was not to be if it exists", id)
	}
	second, replaced := c.startAgain(id, engine.ReplaceAny, nil)
	third, attached := c.startAgain(id, engine.AttachIfExists, nil)
	if attached && (!third.Attached || replaced && third.Execution != second.Execution) {
		w.fail("client: %q runs as %v, and the request to attach to it was answered with %+v", id, second.Execution, third)
	}
	if !c.raise(i, id, "Free", "free", true) {
		c.giveUpOn(i, id)
	}
	if got := c.await(id); got == nil && w.failure == nil && !w.ledger.Retired(id, w.latestWall) {
		w.fail("ledger: %q was started, but there is no such instance", id)
	}
}

// startAgain starts an instance of an ID that there is.
func (c *client) startAgain(id string, how engine.Reuse, expected error) (s engine.Started, acked bool) {
	what := "start again"
	if how == engine.AttachIfExists { // of which nothing may come, that is not remembered
		what = "attach to"
	}
	acked = c.command(what, id, expected, func(ctx context.Context, e *netherite.Engine, key string) (err error) {
		s, err = e.Start(ctx, engine.StartRequest{Instance: id, Name: "Captive", Input: encode(0), Key: key, IfExists: how})
		return err
	})
	return s, acked
}
