// Package rewind has the histories from which an orchestration that failed can go
// on. A rewind takes back the failures that made it fail. Which those are, only the
// code knows: one that it handled must stay, for the history shows what it did about
// it. So candidates are tried on the code, from the most to the least taken back, and
// the first is taken that the code can go on from: one that it replays without
// diverging and without ending.
package rewind

import (
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Requested reports whether an item asks for a rewind.
func Requested(item *engine.OrchestrationItem) bool {
	return slices.ContainsFunc(item.NewEvents, func(ev model.Event) bool { return ev.Kind == model.ExecutionRewound })
}

// Candidates are the histories that one may go on from, one after the other.
type Candidates struct {
	history  []model.Event // without the end
	step     []model.Event // that asks for the rewind
	failures []int         // positions in history
	from     []int         // of failures: from which on to take back; not yet tried
}

// Of lists the candidates of an orchestration whose history is given, for the item
// that asks for the rewind.
func Of(item *engine.OrchestrationItem, history []model.Event) *Candidates {
	c := &Candidates{
		history: withoutEnd(history),
		step:    make([]model.Event, 0, len(item.NewEvents)+1),
	}
	c.step = append(c.step, model.Event{Kind: model.OrchestratorStarted, ID: model.NoID, Time: item.Now})
	for _, ev := range item.NewEvents {
		ev.Time = item.Now
		c.step = append(c.step, ev)
	}
	c.failures = failuresOf(c.history)
	c.from = candidates(c.history, c.failures)
	return c
}

// withoutEnd is a history as it would be had the execution not ended. The end took
// back a suspension that came with what made the code fail: the engine says that the
// orchestration runs, so nobody would resume a worker that finds it suspended.
func withoutEnd(history []model.Event) []model.Event {
	h := slices.DeleteFunc(slices.Clone(history), func(ev model.Event) bool { return ev.Kind == model.ExecutionCompleted })
	for i := len(h) - 1; i >= 0 && h[i].Kind != model.ExecutionResumed; i-- {
		if h[i].Kind == model.ExecutionSuspended {
			h = slices.Delete(h, i, i+1)
		}
	}
	return h
}

// Candidate is a history that one may go on from.
type Candidate struct {
	History []model.Event
	// Same is how many of its events, in whole steps, come before all that was taken
	// back: what the code did in these steps it does in any case.
	Same int
	// Last has only the end taken back, and needs no trial: code that was mended goes
	// on from there, any other fails again.
	Last bool
}

// Next returns the next candidate; the last one again, if there is no other.
func (c *Candidates) Next() Candidate {
	from := len(c.failures)
	if len(c.from) > 0 {
		from, c.from = c.from[0], c.from[1:]
	}
	taken := c.failures[from:]
	history := make([]model.Event, 0, len(c.history)+len(c.step))
	for i := range c.history {
		if !slices.Contains(taken, i) {
			history = append(history, c.history[i])
		}
	}
	same := len(c.history)
	if len(taken) > 0 {
		for same = taken[0]; same > 0 && c.history[same].Kind != model.OrchestratorStarted; {
			same--
		}
	}
	return Candidate{append(history, c.step...), same, len(taken) == 0}
}

// failuresOf lists the positions of failed answers in a history.
func failuresOf(history []model.Event) (at []int) {
	for i := range history {
		if k := history[i].Kind; k == model.TaskFailed || k == model.ChildFailed {
			at = append(at, i)
		}
	}
	return at
}

// candidates lists from which failure on to take back: all, those after which
// the code asked for nothing more, the last, none.
func candidates(history []model.Event, failures []int) []int {
	last := len(history) - 1
	for last >= 0 && !history[last].Kind.Outgoing() {
		last--
	}
	trailing, _ := slices.BinarySearch(failures, last)
	all := []int{0, trailing, max(0, len(failures)-1), len(failures)}
	slices.Sort(all)
	return slices.Compact(all)
}

// Refused is the answer to an item whose orchestration cannot be rewound, with its
// history: it ended inside of a critical section. Its locks are gone, and others
// have seen the entities since. Nil if it can be.
func Refused(item *engine.OrchestrationItem, history []model.Event) *engine.OrchestrationResult {
	if !inSection(history) {
		return nil
	}
	end := &history[len(history)-1]
	return &engine.OrchestrationResult{Token: item.Token, Now: item.Now, Events: []model.Event{{
		Kind: model.ExecutionCompleted, ID: end.ID + 1, Ext: &model.Ext{Status: model.Failed}, Failure: &model.Failure{
			Type: model.FailureLockViolation, Cause: end.Failure, NonRetriable: true,
			Message: "the orchestration failed inside of a critical section and cannot be rewound: its locks are released",
		},
	}}}
}

// inSection reports whether the execution ended inside of a critical section.
func inSection(history []model.Event) bool {
	if n := len(history); n == 0 || history[n-1].Kind != model.ExecutionCompleted {
		return false
	}
	for i := len(history) - 2; i >= 0 && history[i].Kind != model.OrchestratorStarted; i-- {
		if history[i].Kind == model.EntityUnlockSent {
			return true
		}
	}
	held := map[string]bool{}
	for i := range history {
		switch ev := &history[i]; ev.Kind {
		case model.EntityLockGranted:
			held[ev.RequestID] = true
		case model.EntityUnlockSent:
			delete(held, ev.RequestID)
		}
	}
	return len(held) > 0
}

// byServer is the Name of the event by which a history shows a rewind that its
// worker has not made.
const byServer = "server"

// ByServer reports whether an event shows a rewind that its worker has not made, and
// may not understand.
func ByServer(ev *model.Event) bool {
	return ev.Kind == model.ExecutionRewound && ev.Name == byServer
}

// Mark notes in a candidate that its rewinds were not made by its worker.
func Mark(history []model.Event) {
	for i := range history {
		if history[i].Kind == model.ExecutionRewound {
			history[i].Name = byServer
		}
	}
}
