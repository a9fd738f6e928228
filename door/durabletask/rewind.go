package durabletask

import (
	"context"
	"slices"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/rewind"
	"github.com/netherite-go/netherite/model"
)

// Workers of some SDKs answer a step that asks for a rewind with the history to go on
// from. Others do not know what they are asked for, and fail once more: for them the
// server rewrites the history. It tries on the worker from which one its code goes on,
// as workers of this project do. Not all SDKs notice that their code does other things
// than its history says (Java ignores it while it waits), so a trial is a step in which
// the worker is told again what came from the first failure on that is taken back, and
// has to do again what it did then. What it answers has no other effect.

// attempt is a step that asks a worker whether it goes on from a history.
type attempt struct {
	item *engine.OrchestrationItem // that asks for the rewind
	rest *rewind.Candidates
	rewind.Candidate
}

// told is what the worker is told anew.
func (a *attempt) told() (in []model.Event) {
	for i := a.Same; i < len(a.History); i++ {
		if !a.History[i].Kind.Outgoing() {
			in = append(in, a.History[i])
		}
	}
	return in
}

// goesOn reports whether an answer does what the history says, and does not end.
func (a *attempt) goesOn(actions []*wire.OrchestratorAction) bool {
	type did struct {
		kind model.Kind
		id   int32
	}
	all := map[did]bool{}
	r := &engine.OrchestrationResult{}
	if err := translate.Actions(r, actions); err != nil {
		return false
	}
	for i := range r.Events {
		if r.Events[i].Kind == model.ExecutionCompleted {
			return false
		}
		all[did{r.Events[i].Kind, r.Events[i].ID}] = true
	}
	return !slices.ContainsFunc(a.History[a.Same:], func(e model.Event) bool {
		return e.Kind.Outgoing() && e.ID != model.NoID && !all[did{e.Kind, e.ID}]
	})
}

// rewinds reports whether an answer is the history to go on from.
func rewinds(actions []*wire.OrchestratorAction) bool {
	return slices.ContainsFunc(actions, func(a *wire.OrchestratorAction) bool { return a.GetRewindOrchestration() != nil })
}

// rewindFor takes the answer of a worker that does not rewind by itself, to what asks
// for that or to a trial.
func (h *held) rewindFor(ctx context.Context, actions []*wire.OrchestratorAction) error {
	var next *attempt
	switch a := h.attempt; {
	case a == nil:
		var err error
		if next, err = h.s.beginRewind(ctx, h.orchestration); err != nil || next == nil {
			return err
		}
	case a.goesOn(actions):
		return h.s.rewound(a)
	default:
		if next = h.s.nextAttempt(a.item, a.rest); next == nil {
			return nil
		}
	}
	h.s.mu.Lock()
	h.s.queue = append(h.s.queue, next)
	h.s.mu.Unlock()
	h.s.wake()
	return nil
}

// beginRewind returns the first trial of a rewind; nil if there is nothing to try,
// and the item is over.
func (w *session) beginRewind(ctx context.Context, item *engine.OrchestrationItem) (*attempt, error) {
	history, err := w.conn.History(ctx, item)
	if err != nil {
		_ = w.conn.Abandon(engine.OrchestrationKind, item.Token, abandonDelay) // it may be stale, which is all the same
		return nil, err
	}
	if r := rewind.Refused(item, history); r != nil {
		return nil, w.conn.CompleteOrchestration(r)
	}
	return w.nextAttempt(item, rewind.Of(item, history)), nil
}

// nextAttempt returns the next trial; nil if what is left needs none, and is taken.
func (w *session) nextAttempt(item *engine.OrchestrationItem, rest *rewind.Candidates) *attempt {
	a := &attempt{item, rest, rest.Next()}
	rewind.Mark(a.History)
	if !a.Last {
		return a
	}
	_ = w.rewound(a) // if it is stale, the item has been offered again
	return nil
}

// rewound has the orchestration go on from the history of a trial.
func (w *session) rewound(a *attempt) error {
	return w.conn.CompleteOrchestration(&engine.OrchestrationResult{Token: a.item.Token, Now: a.item.Now, Rewound: a.History})
}

// past is what a step is told of before.
func (h *held) past(ctx context.Context) ([]model.Event, error) {
	switch {
	case h.attempt != nil:
		return h.attempt.History[:h.attempt.Same], nil
	case h.orchestration.PastEvents == 0:
		return nil, nil
	}
	return h.s.conn.History(ctx, h.orchestration)
}

// appendTold appends what a step is told anew.
func (h *held) appendTold(b []byte) []byte {
	if h.attempt != nil {
		return h.history.Append(b, fieldNew, h.traced.told(h.attempt.told()), false)
	}
	i := h.orchestration
	begin := [1]model.Event{{Kind: model.OrchestratorStarted, ID: model.NoID, Time: i.Now}}
	b = h.history.Append(b, fieldNew, begin[:], h.s.extras)
	return h.history.Append(b, fieldNew, h.traced.told(i.NewEvents), h.s.extras)
}
