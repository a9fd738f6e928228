package sim

import (
	"fmt"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/sim/check"
)

// letter is what a courier carries: parcels to an orchestration, and a note to two
// journals, to the second one by way of the first.
type letter struct {
	To              string
	Parcels         []int
	Journal, Behind string
	Note            string
}

// passage is what one journal passes on to another.
type passage struct{ To, Note string }

var (
	post = durable.Operation(journals, "Post", func(j *journal, _ *durable.EntityContext, op string) (int, error) {
		j.Ops = append(j.Ops, op)
		return len(j.Ops), nil
	})
	passOn = durable.Operation(journals, "PassOn", func(_ *journal, ctx *durable.EntityContext, p passage) (durable.None, error) {
		return durable.None{}, post.Signal(ctx, journals.Key(p.To), p.Note)
	})
)

// carry sends all there is, and does not wait for anything.
func carry(ctx *durable.Context, l letter) (string, error) {
	for _, n := range l.Parcels {
		if err := parcel.Send(ctx, l.To, n); err != nil {
			return "", err
		}
	}
	if err := post.Signal(ctx, journals.Key(l.Journal), l.Note); err != nil {
		return "", err
	}
	err := passOn.Signal(ctx, journals.Key(l.Journal), passage{l.Behind, passed(l.Note)})
	return "sent", err
}

func passed(note string) string { return note + " passed on" }

// sendFor has a courier send the parcels that an orchestration waits for. As it is
// there and waits, all of them have to come, and the notes.
func (c *client) sendFor(i *check.Instance, id string, parcels []int) {
	w := c.w
	l := letter{To: id, Parcels: parcels, Journal: fmt.Sprint(w.work.IntN(3)), Behind: fmt.Sprint(w.work.IntN(3)), Note: "courier-" + id}
	notes := [][2]string{
		{journals.Key(l.Journal).InstanceID(), l.Note},
		{journals.Key(l.Behind).InstanceID(), passed(l.Note)},
	}
	for _, n := range notes {
		w.ledger.Post(n[0], n[1], false)
	}
	if notes[0][0] == notes[1][0] {
		w.ledger.Follow(notes[1][0], notes[1][1], notes[0][1])
	}
	if c.start("courier-"+id, "Courier", l, "sent") == nil {
		c.giveUpOn(i, id)
		return
	}
	for _, n := range notes {
		w.ledger.Post(n[0], n[1], true)
	}
	for _, n := range parcels {
		if i.Kind == "Collect" { // it has all of them in its one history
			i.Raise(string(encode(n)), true)
			i.Row = append(i.Row, string(encode(n)))
		}
	}
}
