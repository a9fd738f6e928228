package replay

import (
	"slices"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// inbox holds the external events of one name: those that nobody has asked for
// yet, or those who have asked for one that has not come. Both are served first
// in, first out.
type inbox struct {
	name     string // as the code writes it
	buffered []buffered
	waiting  []*Op
}

type buffered struct {
	event   model.Event
	arrival uint64
}

// fold returns an event name as it is compared: without case.
func fold(name string) string { return strings.ToLower(name) }

func (x *Execution) inboxOf(name string) *inbox {
	key := fold(name)
	if in := x.inboxes[key]; in != nil {
		return in
	}
	in := &inbox{name: name}
	if x.inboxes == nil {
		x.inboxes = map[string]*inbox{}
	}
	x.inboxes[key] = in
	return in
}

// raised takes an external event: the one who waits longest gets it.
func (x *Execution) raised(ev *model.Event) {
	in := x.inboxOf(ev.Name)
	if len(in.waiting) > 0 {
		op := in.waiting[0]
		in.waiting = in.waiting[1:]
		op.Payload = ev.Payload
		x.held += int64(len(op.Payload))
		op.Finish()
		return
	}
	x.arrivals++
	x.held += int64(len(ev.Payload)) + 200
	in.buffered = append(in.buffered, buffered{event: *ev, arrival: x.arrivals})
}

// Expect makes op done with the next external event of the name, which may have
// come already.
func (x *Execution) Expect(op *Op, name string) {
	x.enter()
	if x.inert() {
		return
	}
	op.kind = opEvent
	in := x.inboxOf(name)
	in.name = name
	if len(in.buffered) == 0 {
		in.waiting = append(in.waiting, op)
		return
	}
	op.Payload = in.buffered[0].event.Payload
	x.held -= 200
	in.buffered[0] = buffered{}
	in.buffered = in.buffered[1:]
	op.Finish()
}

// Buffered reports whether an external event of the name has come that nobody
// has asked for.
func (x *Execution) Buffered(name string) bool {
	x.enter()
	in := x.inboxes[fold(name)]
	return in != nil && len(in.buffered) > 0
}

// withdraw ends op's wait for an event, so that the next one goes to others.
func (x *Execution) withdraw(op *Op) {
	for _, in := range x.inboxes { // order-free: op is in one of them at most
		if i := slices.Index(in.waiting, op); i >= 0 {
			in.waiting = slices.Delete(in.waiting, i, i+1)
			return
		}
	}
}

// carryOver returns the events that nobody asked for, in the order of arrival.
func (x *Execution) carryOver() []model.Event {
	var all []buffered
	for _, in := range x.inboxes { // sorted: below
		all = append(all, in.buffered...)
	}
	slices.SortFunc(all, func(a, b buffered) int { return int(a.arrival) - int(b.arrival) })
	events := make([]model.Event, len(all))
	for i := range all {
		events[i] = all[i].event
	}
	return events
}

// Awaits names the external events that the code now waits for, sorted.
func (x *Execution) Awaits() (names []string) {
	if x.done {
		return nil
	}
	for _, in := range x.inboxes { // sorted: below
		if len(in.waiting) > 0 {
			names = append(names, in.name)
		}
	}
	slices.Sort(names)
	return names
}
