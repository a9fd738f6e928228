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
}

// Instance is what clients know of an orchestration.
type Instance struct {
	Kind   string
	Want   string // the output, as JSON; empty: whatever it is
	Status model.Status
	Acked  bool // the start was acknowledged
	Purged bool // somebody may have purged it
	Any    bool // it may end in any way
	seen   *model.Instance
}

// NewLedger returns an empty ledger.
func NewLedger() *Ledger {
	return &Ledger{Instances: map[string]*Instance{}, Posts: map[string]map[string]bool{}}
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

// Saw compares what a client has read, nil for nothing, with what had been read
// before and what had been acknowledged.
func (l *Ledger) Saw(id string, got *model.Instance) error {
	i := l.Instances[id]
	switch {
	case i == nil:
		return nil
	case got == nil && i.Acked && !i.Purged:
		return fmt.Errorf("ledger: the start of %q was acknowledged, but there is no such instance", id)
	case got == nil && i.seen != nil && !i.Purged:
		return fmt.Errorf("ledger: %q has been read as %v, but there is no such instance any more", id, i.seen.Status)
	case got == nil:
		return nil
	}
	if err := sane(got); err != nil {
		return fmt.Errorf("status: %q %w", id, err)
	}
	if was := i.seen; was != nil && was.Execution == got.Execution {
		if was.Status == model.Completed && got.Status != model.Completed {
			return fmt.Errorf("ledger: %q had completed, now it is %v", id, got.Status)
		}
		if was.Status.Ended() && got.Status == was.Status && string(was.Output) != string(got.Output) {
			return fmt.Errorf("ledger: %q had ended with %s, now with %s", id, was.Output, got.Output)
		}
	}
	i.seen = got
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
	if i.Any {
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

// Applied compares the operations that an entity has applied with those that
// were posted: each once, if it was acknowledged; at most once if not (G2).
func (l *Ledger) Applied(entity string, ops []string) error {
	count := map[string]int{}
	for _, op := range ops {
		count[op]++
		if _, posted := l.Posts[entity][op]; !posted {
			return fmt.Errorf("ledger: entity %s has applied %s, which nobody has posted", entity, op)
		}
		if count[op] > 1 {
			return fmt.Errorf("ledger: entity %s has applied %s twice", entity, op)
		}
	}
	for _, op := range slices.Sorted(maps.Keys(l.Posts[entity])) {
		if l.Posts[entity][op] && count[op] == 0 {
			return fmt.Errorf("ledger: entity %s has not applied %s, which was acknowledged", entity, op)
		}
	}
	return nil
}

// NotEarly checks that a timer does not fire before its time (G10).
func NotEarly(fireAt model.Time, wall time.Time) error {
	if now := model.TimeOf(wall); fireAt > now {
		return fmt.Errorf("timer: one for %v fired at %v", fireAt, now)
	}
	return nil
}
