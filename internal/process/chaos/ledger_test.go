//go:build unix

package chaos

import (
	"context"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// outcome is what a client knows of a request, over all its attempts.
type outcome uint8

const (
	unknown      outcome = iota // it may have been taken, or be so yet
	acknowledged                // it was taken
	refused                     // it was not taken, and will not be
	answered                    // it was taken up, and the answer is an error
)

func (o outcome) String() string {
	return [...]string{"unknown", "acknowledged", "refused", "answered"}[o]
}

// entry is an orchestration in a client's ledger.
type entry struct {
	id    string
	kind  kind
	start outcome
	// again makes the request that starts it, each time the same one.
	again   func(context.Context, durable.Hub) error
	doubted bool // an attempt had no answer
	// check says what is wrong with the instance once it has ended, and how much
	// money it moved.
	check func(*model.Instance) (moved int64, err error)

	execution model.ExecutionID // which the acknowledgement named; zero if none did
	told      bool              // a client was told how it ended,
	output    string            // with this output
	purge     outcome           // refused: nobody asked for it
}

// ledger is what a client did since it last settled: orchestrations whose IDs
// begin with a prefix of its own, and numbered signals to an entity of its own.
type ledger struct {
	prefix  string
	entries []*entry
	byID    map[string]*entry
	signals []outcome
}

func newLedger(prefix string) *ledger { return &ledger{prefix: prefix, byID: map[string]*entry{}} }

func (l *ledger) add(e *entry) {
	l.entries = append(l.entries, e)
	l.byID[e.id] = e
}

// compare says what is wrong with a list of the orchestrations that there are.
func (l *ledger) compare(list map[string]*model.Instance) error {
	for _, e := range l.entries {
		switch m := list[e.id]; {
		case m == nil && e.start == acknowledged && e.purge == refused:
			return fmt.Errorf("%s was acknowledged and is lost", e.id)
		case m != nil && e.start == refused:
			return fmt.Errorf("%s was refused and is there, %s", e.id, m.Status)
		case m != nil && e.purge == acknowledged:
			return fmt.Errorf("%s was purged and is there again, %s", e.id, m.Status)
		case m != nil && e.told && string(m.Output) != e.output:
			return fmt.Errorf("%s had ended with %s, and now with %s", e.id, e.output, m.Output)
		}
	}
	for id, m := range list {
		if l.byID[id] != nil {
			continue
		}
		if m.Parent == nil || l.byID[m.Parent.Instance] == nil {
			return fmt.Errorf("%s, %s, is there and was never asked for", id, m.Name)
		}
	}
	return nil
}

// ended says what is wrong with one that has ended.
func (l *ledger) ended(m *model.Instance) (moved int64, err error) {
	e := l.byID[m.ID]
	if e == nil { // a child, of which its parent tells
		return 0, nil
	}
	if e.kind != kindRounds && !e.execution.IsZero() && e.execution != m.Execution {
		return 0, fmt.Errorf("%s was acknowledged as execution %s, and ran as %s", e.id, e.execution, m.Execution)
	}
	if moved, err = e.check(m); err != nil {
		return 0, fmt.Errorf("%s: %w", e.id, err)
	}
	return moved, nil
}

// marked says what is wrong with what the entity was given.
func (l *ledger) marked(m *chaos.Marks) error {
	if len(m.Repeated) > 0 {
		return fmt.Errorf("signals %v to %s took effect more than once", m.Repeated, l.prefix)
	}
	seen := int64(0)
	for n, o := range l.signals {
		has := m.Has(int64(n))
		if has {
			seen++
		}
		switch {
		case o == acknowledged && !has:
			return fmt.Errorf("signal %d to %s was acknowledged and is lost", n, l.prefix)
		case o == refused && has:
			return fmt.Errorf("signal %d to %s was refused and took effect", n, l.prefix)
		}
	}
	if seen != m.Count() {
		return fmt.Errorf("%s holds signals %v, only %d were sent", l.prefix, m.Runs, len(l.signals))
	}
	return nil
}

// doubts are the signals of which the outcome is not known.
func (l *ledger) doubts() (list []int64) {
	for n, o := range l.signals {
		if o == unknown {
			list = append(list, int64(n))
		}
	}
	return list
}

// late says what is wrong with an entity that has come back after it was deleted:
// nothing, if it holds only signals in doubt.
func late(m *chaos.Marks, doubts []int64) error {
	for _, r := range m.Runs {
		for n := r.First; n <= r.Last; n++ {
			if !slices.Contains(doubts, n) {
				return fmt.Errorf("it holds signal %d, of which the outcome was settled", n)
			}
		}
	}
	return nil
}
