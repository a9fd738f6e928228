package check

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netherite-go/netherite/model"
)

// Ledger is the clients' memory: what they asked for, what was acknowledged, and
// what they have seen. None of that may be undone (G1, G9).
type Ledger struct {
	Instances map[string]*Instance
	Posts     map[string]map[string]bool // by entity: operation, whether it was acknowledged
	Money     int64
	Retention time.Duration // after which what has ended may be gone; negative: never
	repeated  map[string]bool
	before    map[string]map[string]string // by entity: operation, the one that it was sent after
}

// Instance is what clients know of an orchestration.
type Instance struct {
	Kind      string
	Want      string // the output, as JSON; empty: whatever it is
	Status    model.Status
	Acked     bool   // the start was acknowledged
	Purged    bool   // somebody may have purged it
	Any       bool   // it may end in any way
	Failure   string // of the type of which it may fail instead
	Stopped   bool   // its termination was acknowledged
	Held      bool   // its suspension was acknowledged, and nobody has asked to resume it
	Restarted bool   // it may have been started again
	Rewound   bool   // it may have been rewound, or tried again
	Gone      bool   // its purge was acknowledged
	Forgotten bool   // so was that of its children with it
	Children  int    // that it may have, for as long as it runs
	Tags      map[string]string
	Raised    map[string]bool // by payload: events raised for it, and whether that was acknowledged
	Row       []string        // payloads that one sender has sent, in this order
	Since     time.Time       // nothing of it happened before
	seen      *model.Instance
	told      View // by a watch; zero: nothing
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{Retention: -1, Instances: map[string]*Instance{}, Posts: map[string]map[string]bool{}, repeated: map[string]bool{}, before: map[string]map[string]string{}}
}

// AsOf is the ledger of a copy of the hub that was begun when the ledger was as
// before, and is complete now: what has been acknowledged or seen since may be in
// the copy or not.
func (l *Ledger) AsOf(before *Ledger) *Ledger {
	c := l.Clone()
	for id, i := range c.Instances {
		was := before.Instances[id]
		if was == nil {
			was = &Instance{}
		}
		i.Acked, i.Stopped, i.seen, i.told = was.Acked, was.Stopped, was.seen, was.told
		i.Held = i.Held && was.Held
		i.Gone, i.Forgotten = was.Gone, was.Forgotten
	}
	for entity, posts := range c.Posts {
		for op := range posts {
			posts[op] = before.Posts[entity][op]
		}
	}
	return c
}

// Clone is a copy that does not change any more.
func (l *Ledger) Clone() *Ledger {
	c := *l
	c.Instances, c.Posts = make(map[string]*Instance, len(l.Instances)), make(map[string]map[string]bool, len(l.Posts))
	for id, i := range l.Instances {
		copied := *i
		copied.Raised = maps.Clone(i.Raised)
		c.Instances[id] = &copied
	}
	for entity, posts := range l.Posts {
		c.Posts[entity] = maps.Clone(posts)
	}
	c.repeated = maps.Clone(l.repeated)
	c.before = make(map[string]map[string]string, len(l.before))
	for entity, ops := range l.before {
		c.before[entity] = maps.Clone(ops)
	}
	return &c
}

// Begin notes that a client is about to start an instance, which is to end so.
func (l *Ledger) Begin(id, kind string, status model.Status, want string) *Instance {
	i := &Instance{Kind: kind, Status: status, Want: want}
	l.Instances[id] = i
	return i
}

// Post notes a one-way operation and whether it has been acknowledged.
func (l *Ledger) Post(entity, op string, acked bool) {
	if l.Posts[entity] == nil {
		l.Posts[entity] = map[string]bool{}
	}
	l.Posts[entity][op] = acked
}

// Follow notes that an operation is sent to an entity after another one by the same
// sender, or by one who has been told of that: it has to come after it.
func (l *Ledger) Follow(entity, op, first string) {
	if l.before[entity] == nil {
		l.before[entity] = map[string]string{}
	}
	l.before[entity][op] = first
}

// Repeated notes that an operation, or an event with this payload, may have come
// twice: it was sent again after what is remembered for an hour could be forgotten.
func (l *Ledger) Repeated(instance, what string) { l.repeated[instance+" "+what] = true }

// Raise notes an event for an instance, and whether it has been acknowledged.
func (i *Instance) Raise(payload string, acked bool) {
	if i.Raised == nil {
		i.Raised = map[string]bool{}
	}
	i.Raised[payload] = acked
}

// Retired reports whether an instance may be gone because its retention has
// passed, where now is the latest time that any clock has shown.
func (l *Ledger) Retired(id string, now time.Time) bool {
	i := l.Instances[id]
	if l.Retention < 0 || i == nil {
		return false
	}
	last := i.Since
	if i.seen != nil && i.seen.LastUpdated.Std().After(last) {
		last = i.seen.LastUpdated.Std()
	}
	return now.Sub(last) >= l.Retention
}

// Saw compares what a client has read, nil for nothing, with what had been read
// before and what had been acknowledged. Now is the latest time that any clock has
// shown.
func (l *Ledger) Saw(id string, got *model.Instance, now time.Time) error {
	i := l.Instances[id]
	switch {
	case got == nil && l.Retired(id, now):
		return nil
	case i == nil:
		return nil
	case got == nil && i.Acked && !i.Purged:
		return fmt.Errorf("ledger: the start of %q was acknowledged, but there is no such instance", id)
	case got == nil && i.seen != nil && !i.Purged:
		return fmt.Errorf("ledger: %q has been read as %v, but there is no such instance any more", id, i.seen.Status)
	case got == nil:
		return nil
	}
	if i.Gone && !i.Restarted {
		return fmt.Errorf("ledger: the purge of %q was acknowledged, but it is %v", id, got.Status)
	}
	if err := sane(got); err != nil {
		return fmt.Errorf("status: %q %w", id, err)
	}
	if was := i.seen; was != nil && was.Execution == got.Execution {
		if was.Status.Ended() && got.Status != was.Status && (was.Status != model.Failed || !i.Rewound) {
			return fmt.Errorf("ledger: %q had ended, %v, now it is %v", id, was.Status, got.Status)
		}
		if was.Status.Ended() && got.Status == was.Status && string(was.Output) != string(got.Output) {
			return fmt.Errorf("ledger: %q had ended with %s, now with %s", id, was.Output, got.Output)
		}
	}
	i.seen = got
	switch {
	case i.Stopped && !got.Status.Ended():
		return fmt.Errorf("ledger: the termination of %q was acknowledged, but it is %v", id, got.Status)
	case i.Held && got.Status != model.Suspended && !got.Status.Ended():
		return fmt.Errorf("ledger: the suspension of %q was acknowledged, but it is %v", id, got.Status)
	}
	return nil
}

// Seen is the status in which the instance was read last; false if it never was.
func (i *Instance) Seen() (model.Status, bool) {
	if i.seen == nil {
		return 0, false
	}
	return i.seen.Status, true
}

// Told notes what a watch has told of an instance.
func (l *Ledger) Told(id string, v View) {
	if i := l.Instances[id]; i != nil && (v.Execution != i.told.Execution || v.LastUpdated >= i.told.LastUpdated) {
		i.told = v
	}
}

// LastTold is what was told last; to be asked before an instance is read.
func (l *Ledger) LastTold(id string) View {
	if i := l.Instances[id]; i != nil {
		return i.told
	}
	return View{}
}

// Kept compares what a client has read, nil for nothing, with what a watch had told
// before it began to read: that was durable.
func (l *Ledger) Kept(id string, told View, got *model.Instance, now time.Time) error {
	switch i := l.Instances[id]; {
	case told == View{} || i == nil:
		return nil
	case got == nil && !told.Gone && !i.Purged && !l.Retired(id, now):
		return fmt.Errorf("watch: it was told that %q is %v, but there is no such instance", id, told)
	}
	if err := ViewOf(got).Follows(told); err != nil {
		return fmt.Errorf("watch: it was told that %q %w", id, err)
	}
	return nil
}

// Child compares what is left of a child, nil for nothing, with what became of its
// parent, an instance that was terminated or purged together with its children.
// Nothing may be under way any more.
func (l *Ledger) Child(parent, id string, got *model.Instance) error {
	i := l.Instances[parent]
	switch {
	case i == nil || got == nil:
		return nil
	case i.Forgotten:
		return fmt.Errorf("children: %q is %v, although %q was purged with its children", id, got.Status, parent)
	case i.Stopped && !got.Status.Ended():
		return fmt.Errorf("children: %q is %v, although %q was terminated with its children", id, got.Status, parent)
	}
	return nil
}

// sane checks an instance by itself.
func sane(i *model.Instance) error {
	switch {
	case i.LastUpdated < i.Created:
		return fmt.Errorf("was updated at %v, before it was created at %v", i.LastUpdated, i.Created)
	case i.Status.Ended() && i.Completed == 0:
		return fmt.Errorf("is %v without a time when it ended", i.Status)
	case i.Status == model.Completed && i.Failure != nil:
		return fmt.Errorf("has completed with a failure: %v", i.Failure)
	}
	return nil
}

// Ended compares how an instance has ended with how it had to.
func (l *Ledger) Ended(id string, got *model.Instance) error {
	i := l.Instances[id]
	if i.Any || i.Failure != "" && got.Status == model.Failed && got.Failure.Type == i.Failure {
		return nil
	}
	if got.Status != i.Status {
		return fmt.Errorf("outcome: %s %q is %v, want %v (output %s, failure %v)", i.Kind, id, got.Status, i.Status, got.Output, got.Failure)
	}
	if i.Want != "" && string(got.Output) != i.Want {
		return fmt.Errorf("outcome: %s %q ended with %s, want %s", i.Kind, id, got.Output, i.Want)
	}
	return nil
}

// Heard compares the history of an instance that has ended with the events that
// were raised for it: each is there once, if it was acknowledged; at most once if
// not, or if the instance may have ended before.
func (l *Ledger) Heard(id string, events []model.Event) error {
	i := l.Instances[id]
	if i == nil {
		return nil
	}
	count := map[string]int{}
	var row []string
	for n := range events {
		if payload := string(events[n].Payload); events[n].Kind == model.EventRaised {
			if count[payload]++; count[payload] == 1 && slices.Contains(i.Row, payload) {
				row = append(row, payload)
			}
		}
	}
	if !slices.Equal(row, i.Row[:len(row)]) {
		return fmt.Errorf("order: %q has got %q, which were sent as %q", id, row, i.Row)
	}
	for _, payload := range slices.Sorted(maps.Keys(i.Raised)) {
		switch n := count[payload]; {
		case n > 1 && !l.repeated[id+" "+payload]:
			return fmt.Errorf("ledger: %q has got the event %s %d times", id, payload, n)
		case n == 0 && i.Raised[payload] && !i.Any:
			return fmt.Errorf("ledger: %q has not got the event %s, which was acknowledged", id, payload)
		}
	}
	return nil
}

// Applied compares the operations that an entity has applied with those that
// were posted: each once, if it was acknowledged; at most once if not (G2).
func (l *Ledger) Applied(entity string, ops []string) error {
	count := map[string]int{}
	for _, op := range ops {
		count[op]++
		if _, posted := l.Posts[entity][op]; !posted {
			return fmt.Errorf("ledger: entity %s has applied %s, which nobody has posted", entity, op)
		}
		if count[op] > 1 && !l.repeated[entity+" "+op] {
			return fmt.Errorf("ledger: entity %s has applied %s twice", entity, op)
		}
		if first := l.before[entity][op]; first != "" && count[first] == 0 {
			return fmt.Errorf("order: entity %s has applied %s before %s, which was sent before", entity, op, first)
		}
	}
	for _, op := range slices.Sorted(maps.Keys(l.Posts[entity])) {
		if l.Posts[entity][op] && count[op] == 0 {
			return fmt.Errorf("ledger: entity %s has not applied %s, which was acknowledged", entity, op)
		}
	}
	return nil
}
