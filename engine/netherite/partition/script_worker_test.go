package partition

import (
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

func (sc *script) dispatch(l *line) {
	for _, p := range sc.h.parts {
		it := p.dispatch(l.num("max", 100))
		for _, text := range showItems(&it) {
			sc.say("%s", text)
		}
	}
}

// step plays the worker of an orchestration: it takes the item in flight, or
// hands out what is ready.
func (sc *script) step(l *line) {
	p := sc.h.part(l.arg(0))
	if p.orchestrations[l.arg(0)] == nil {
		p.dispatch(100)
	}
	item := p.orchestrations[l.arg(0)]
	if item == nil {
		sc.say("nothing to do")
		return
	}
	delete(p.orchestrations, l.arg(0))
	sc.say("consumes %s", showEvents(item.NewEvents))
	r := &engine.OrchestrationResult{Token: item.Token, Now: item.Now}
	for i := range l.body {
		sc.action(p, item, r, &l.body[i])
	}
	sc.apply(p, &StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: r})
}

// action adds what one line says to a step's result. Those that are events begin
// with their ID.
func (sc *script) action(p *testPart, item *engine.OrchestrationItem, r *engine.OrchestrationResult, l *line) {
	switch l.verb {
	case "complete", "fail", "continue":
		r.Events = append(r.Events, sc.ending(l))
	case "custom":
		r.SetStatus, r.CustomStatus = true, l.payload(0)
	case "more":
		r.More = true
	case "awaits":
		r.Awaits = l.words
	case "cancel-timer":
		r.CancelTimers = append(r.CancelTimers, int32(number(l.arg(0))))
	case "cancel-task":
		r.CancelTasks = append(r.CancelTasks, int32(number(l.arg(0))))
	case "terminate":
		r.Terminate = append(r.Terminate, engine.TerminateRequest{Instance: l.arg(0), Output: l.payload(1), Recursive: l.has("recursive")})
	case "rewound":
		events, _ := p.history(Key{ID: item.Instance})
		r.Rewound = rewriteHistory(append(events, item.NewEvents...), item.Execution)
	default:
		r.Events = append(r.Events, sc.outgoing(l))
	}
}

// ending is the last event of an execution.
func (sc *script) ending(l *line) model.Event {
	ev := model.Event{Kind: model.ExecutionCompleted, ID: 1000, Ext: &model.Ext{Status: model.Completed, Tags: l.tags()}}
	switch l.verb {
	case "complete":
		ev.Payload = l.payload(0)
	case "fail":
		ev.Ext.Status, ev.Failure = model.Failed, &model.Failure{Type: l.arg(0)}
	case "continue":
		ev.Ext.Status, ev.Payload = model.ContinuedAsNew, l.payload(0)
		for _, c := range l.list("carry") {
			name, payload, _ := strings.Cut(c, ":")
			ev.Ext.CarryOver = append(ev.Ext.CarryOver, model.Event{Kind: model.EventRaised, ID: model.NoID, Name: name, Payload: []byte(payload)})
		}
		if v, ok := l.opts["version"]; ok {
			ev.Ext.NewVersion = &v
		}
	}
	return ev
}

// outgoing is an action with an ID: KIND ID ....
func (sc *script) outgoing(l *line) model.Event {
	ev := model.Event{ID: int32(number(l.arg(0))), FireAt: sc.when(l.opts["at"]), Version: l.opts["version"]}
	x := &model.Ext{Tags: l.tags(), AfterCommit: l.has("after-commit"), Call: int32(l.num("call", 0)), Attempt: int32(l.num("attempt", 0))}
	switch l.verb {
	case "task": // task ID NAME [INPUT]
		ev.Kind, ev.Name, ev.Payload = model.TaskScheduled, l.arg(1), l.payload(2)
	case "timer": // timer ID at=+5s, or timer ID in=5s
		ev.Kind = model.TimerCreated
		if in := l.opts["in"]; in != "" {
			x.Timeout = int64(parseDuration(in))
		}
	case "child": // child ID NAME INSTANCE [INPUT] [detached]
		ev.Kind, ev.Name, ev.Instance, ev.Payload = model.ChildCreated, l.arg(1), l.arg(2), l.payload(3)
		if ev.Instance == "-" {
			ev.Instance = ""
		}
		if l.has("detached") {
			x.Tags = map[string]string{model.FireAndForget: ""}
			ev.Payload = nil
		}
	case "event": // event ID INSTANCE NAME [PAYLOAD]
		ev.Kind, ev.Instance, ev.Name, ev.Payload = model.EventSent, l.arg(1), l.arg(2), l.payload(3)
	case "signal": // signal ID ENTITY OPERATION [INPUT]
		ev.Kind, ev.Instance, ev.Name, ev.Payload = model.EntitySignaled, l.arg(1), l.arg(2), l.payload(3)
	case "call": // call ID ENTITY OPERATION [INPUT] req=R
		ev.Kind, ev.Instance, ev.Name, ev.Payload, ev.RequestID = model.EntityCalled, l.arg(1), l.arg(2), l.payload(3), l.opts["req"]
	case "lock": // lock ID SECTION ENTITY...
		ev.Kind, ev.RequestID = model.EntityLockRequested, l.arg(1)
		x.LockSet = l.words[2:]
	case "unlock": // unlock ID SECTION ENTITY
		ev.Kind, ev.RequestID, ev.Instance = model.EntityUnlockSent, l.arg(1), l.arg(2)
	case "kind": // kind ID NUMBER: any other
		ev.Kind = model.Kind(number(l.arg(1)))
	default:
		sc.t.Fatalf("%s: unknown action %q", sc.pos, l.verb)
	}
	ev.Ext = x
	return ev
}

// rewriteHistory takes the failures out of a history, as workers do that are
// told to rewind.
func rewriteHistory(events []model.Event, execution model.ExecutionID) (kept []model.Event) {
	failed := map[int32]bool{}
	for i := range events {
		if events[i].Kind == model.TaskFailed {
			failed[events[i].Ref] = true
		}
	}
	for _, ev := range events {
		switch ev.Kind {
		case model.ExecutionCompleted, model.TaskFailed, model.ChildFailed:
			continue
		case model.TaskScheduled:
			if failed[ev.ID] {
				continue
			}
		case model.ExecutionStarted:
			x := *ev.Extra()
			x.Execution = model.NextExecution(execution)
			ev.Ext = &x
		}
		kept = append(kept, ev)
	}
	return kept
}

// entityBatch plays the worker of an entity: ok [OUTPUT], err TYPE for each
// operation; state VALUE (none is no state), signal, event and child.
func (sc *script) entityBatch(l *line) {
	p := sc.h.part(l.arg(0))
	if p.entities[l.arg(0)] == nil {
		p.dispatch(100)
	}
	item := p.entities[l.arg(0)]
	if item == nil {
		sc.say("nothing to do")
		return
	}
	delete(p.entities, l.arg(0))
	sc.say("consumes %s", showEvents(item.Operations))
	r := &engine.EntityResult{Token: item.Token, Now: item.Now, State: item.State}
	for i := range l.body {
		switch b := &l.body[i]; b.verb {
		case "ok":
			r.Results = append(r.Results, engine.OperationResult{Output: b.payload(0)})
		case "err":
			r.Results = append(r.Results, engine.OperationResult{Failure: &model.Failure{Type: b.arg(0)}})
		case "state":
			r.State = b.payload(0)
		default:
			r.Events = append(r.Events, sc.outgoing(b))
		}
	}
	sc.apply(p, &EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: r})
}

func (sc *script) activity(l *line) {
	p := sc.h.part(l.arg(0))
	if len(p.activities) == 0 {
		p.dispatch(100)
	}
	ev := &TaskDone{Ord: sc.ord(l.arg(0)), Task: int32(number(l.arg(1))), Result: l.payload(2)}
	if f := l.opts["fail"]; f != "" {
		ev.Failure, ev.Result = &model.Failure{Type: f}, nil
	}
	for token := range p.activities { // order-free: the latest
		if token.Instance == ev.Ord && token.Task == ev.Task && token.Name.Number > ev.Name.Number {
			ev.Name = token.Name
		}
	}
	if of, record, ok := strings.Cut(l.opts["of"], "."); ok {
		ev.Name = engine.Name{Epoch: uint64(number(of)), Number: uint64(number(record))}
	}
	delete(p.activities, engine.Token{Partition: uint32(p.id), Instance: ev.Ord, Task: ev.Task, Name: ev.Name})
	sc.apply(p, ev)
}

func (sc *script) giveBack(l *line) {
	p := sc.h.part(l.arg(0))
	switch {
	case len(l.words) > 1:
		for token := range p.activities {
			if token.Instance == sc.ord(l.arg(0)) && token.Task == int32(number(l.arg(1))) {
				delete(p.activities, token)
				p.state.Abandon(engine.ActivityKind, token)
			}
		}
	case p.orchestrations[l.arg(0)] != nil:
		p.state.Abandon(engine.OrchestrationKind, p.orchestrations[l.arg(0)].Token)
		delete(p.orchestrations, l.arg(0))
	case p.entities[l.arg(0)] != nil:
		p.state.Abandon(engine.EntityKind, p.entities[l.arg(0)].Token)
		delete(p.entities, l.arg(0))
	}
}
