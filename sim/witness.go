package sim

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// endure looks, when all faults but a damaged row have ended, whether its partition
// keeps to itself. Then the row is put back, and, once the same partition has parked
// for a second time, all has to be as if nothing had been.
func (w *world) endure() {
	for again := true; w.damage != nil && w.failure == nil; again = false {
		d := w.damage
		w.visit("witness", w.witnessed(), func(c *client) {
			c.saysSo(d)
			c.goOn(d)
			c.trims()
		})
		if w.failure != nil {
			return
		}
		w.mend()
		w.visit("witness", w.witnessed(), func(c *client) { c.isBack(d) })
		if again && w.failure == nil {
			w.damageNow(d.partition)
		}
	}
}

// witnessed is the number of the next witness.
func (w *world) witnessed() int {
	w.witnesses++
	return 6000 + w.witnesses
}

// saysSo checks that the hub says which partition is parked and why, and that this
// refuses at once whatever it is asked for.
func (c *client) saysSo(d *damage) {
	w := c.w
	c.look(func(ctx context.Context, e *netherite.Engine) error {
		p := w.serving()
		parked := p.eng.Parked(d.partition)
		switch {
		case p.eng.Failed():
			return errDisconnected // it is not there yet
		case parked == nil && d.atOnce && d.isThere(p):
			return fmt.Errorf("parked: partition %d runs, although its row %x is damaged", d.partition, d.key)
		case parked == nil:
			return nil
		case !errors.Is(e.Health(), parked) || e.Stats().Parked != 1:
			return fmt.Errorf("parked: %w, but the hub says that %d partitions are, and of its health: %w", parked, e.Stats().Parked, e.Health())
		}
		id := w.named(fmt.Sprint("refused-", w.damages), d, true)
		for what, request := range refusals(ctx, e, id) {
			asked := w.now
			err := request()
			switch {
			case p.eng.Parked(d.partition) != parked:
				return errDisconnected
			case !errors.Is(err, parked):
				return fmt.Errorf("parked: %w, but %s has led to %w", parked, what, err)
			case w.now-asked > time.Second:
				return fmt.Errorf("parked: %w, but %s was refused only after %v", parked, what, w.now-asked)
			}
		}
		return nil
	})
}

// errLooked is of something that was looked at, and is no answer that a crash could
// undo.
var errLooked = errors.New("seen")

// look has a client look at the process that serves, until that is there.
func (c *client) look(at func(ctx context.Context, e *netherite.Engine) error) {
	w := c.w
	for w.failure == nil {
		err := c.once("", nil, func(ctx context.Context, e *netherite.Engine) error { return cmp.Or(at(ctx, e), errLooked) })
		switch {
		case errors.Is(err, errLooked):
			return
		case !transient(err):
			w.fail("%w", err)
		}
		w.sleep(time.Second)
	}
}

// refusals are requests about an instance that a parked partition would have.
func refusals(ctx context.Context, e *netherite.Engine, id string) func(yield func(string, func() error) bool) {
	return func(yield func(string, func() error) bool) {
		_ = yield("start", func() error {
			_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Loop", Input: encode(1)})
			return err
		}) && yield("get", func() error {
			_, err := e.Get(ctx, id, engine.GetOptions{})
			return err
		}) && yield("wait", func() error {
			_, err := e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{})
			return err
		}) && yield("history", func() error {
			_, err := e.History(ctx, id)
			return err
		}) && yield("raise", func() error {
			return e.Raise(ctx, engine.RaiseRequest{Instance: id, Event: "Free", Payload: encode("free")})
		}) && yield("suspend", func() error {
			return e.Suspend(ctx, id, "for now")
		}) && yield("purge", func() error {
			_, err := e.Purge(ctx, id, true)
			return err
		})
	}
}

// named makes up the ID of an instance in the damaged partition, or outside of it.
func (w *world) named(prefix string, d *damage, in bool) string {
	for n := 0; ; n++ {
		id := fmt.Sprintf("%s-%d", prefix, n)
		if (model.PartitionOf(id, w.plan.partitions) == d.partition) == in {
			return id
		}
	}
}

// journalOf makes up the key of a journal in the damaged partition, or outside.
func (w *world) journalOf(d *damage, in bool) string {
	for n := 0; ; n++ {
		key := fmt.Sprint("w", n)
		if (model.PartitionOf(journals.Key(key).InstanceID(), w.plan.partitions) == d.partition) == in {
			return key
		}
	}
}

// goOn has the other partitions do something, and send messages to the parked one:
// all that does not wait for it has to end.
func (c *client) goOn(d *damage) {
	w := c.w
	var ids []string
	begin := func(n int, kind string, input, want any) {
		id := w.named(fmt.Sprintf("witness-%d-%s-%d", w.damages, strings.ToLower(kind), n), d, false)
		if c.start(id, kind, input, want) != nil {
			ids = append(ids, id)
		}
	}
	for n := range 1 + w.parking.IntN(3) {
		begin(n, "Loop", 1+n, "done")
		begin(n, "Nap", nap{Each: []time.Duration{time.Duration(w.parking.IntN(5000)) * time.Millisecond}}, "rested")
	}
	in, out := w.journalOf(d, true), w.journalOf(d, false)
	for n := range 1 + w.parking.IntN(20) {
		l := letter{Journal: in, Behind: out, Note: fmt.Sprintf("witness-%d-%d", w.damages, n)}
		for entity, note := range map[string]string{in: l.Note, out: passed(l.Note)} { // order-free: each is noted for itself
			w.ledger.Post(journals.Key(entity).InstanceID(), note, true)
		}
		begin(n, "Courier", l, "sent")
	}
	c.post(journals.Key(out).InstanceID(), fmt.Sprint("witness-", w.damages))
	for _, id := range ids {
		if got := c.await(id); w.failure == nil && got != nil {
			if err := w.ledger.Ended(id, got); err != nil {
				w.fail("%w", err)
			}
		}
	}
}

// trims checks that the log is not kept for a parked partition: once everything is
// checkpointed, nothing is needed of what the log has now.
func (c *client) trims() {
	w := c.w
	end := w.prefix.Synced()
	for range 60 {
		c.look(func(ctx context.Context, e *netherite.Engine) error { return e.Checkpoint(ctx) })
		if w.failure != nil {
			return
		}
		if p := w.serving(); p != nil && p.log.trimmed >= end {
			return
		}
		w.sleep(time.Second)
	}
	trimmed := substrate.Offset(0)
	if p := w.serving(); p != nil {
		trimmed = p.log.trimmed
	}
	w.fail("trim: the log is needed from %d on, although all that it had up to %d is stored or set aside", trimmed, end)
}

// isBack checks that a partition runs again, and has not done what it refused.
func (c *client) isBack(d *damage) {
	w := c.w
	c.look(func(_ context.Context, e *netherite.Engine) error {
		switch p := w.serving(); {
		case p.eng.Failed():
			return errDisconnected
		case e.Stats().Parked != 0:
			return fmt.Errorf("parked: %d partitions are, although no row is damaged: %w", e.Stats().Parked, e.Health())
		}
		return nil
	})
	id := w.named(fmt.Sprint("refused-", w.damages), d, true)
	if got := w.entity(c, id, false); got != nil {
		w.fail("parked: partition %d has refused to start %q while it was parked, but it is %v", d.partition, id, got.Status)
	}
}
