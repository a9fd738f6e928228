package partition

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// work plays a worker that does something with one of its items.
func (c *chaos) work(p *testPart) {
	switch kind := c.num("item", 0, 6); {
	case kind <= 2 && len(p.orchestrations) > 0:
		id := pick(c, "item", slices.Sorted(maps.Keys(p.orchestrations)))
		item := p.orchestrations[id]
		if c.one("abandon", 12) {
			p.state.Abandon(engine.OrchestrationKind, item.Token)
			delete(p.orchestrations, id)
			return
		}
		if !c.one("twice", 12) {
			delete(p.orchestrations, id)
		}
		r := c.step(p, item)
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: r})
	case kind <= 4 && len(p.entities) > 0:
		id := pick(c, "item", slices.Sorted(maps.Keys(p.entities)))
		item := p.entities[id]
		delete(p.entities, id)
		p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: c.batch(item)})
	case len(p.activities) > 0:
		tokens := slices.SortedFunc(maps.Keys(p.activities), func(a, b engine.Token) int {
			return int(a.Instance)*1000 + int(a.Task) - int(b.Instance)*1000 - int(b.Task)
		})
		token := pick(c, "item", tokens)
		if !c.one("twice", 12) {
			delete(p.activities, token)
		}
		ev := &TaskDone{Ord: token.Instance, Task: token.Task, Name: token.Name, Result: []byte("r")}
		if c.one("fails", 4) {
			ev.Result, ev.Failure = nil, &model.Failure{Type: "Oops"}
		}
		if !c.one("poison", 8) {
			p.apply(ev)
			return
		}
		p.load(p.state, p.store, ev.Keys(nil))
		if p.state.Check(ev, c.h.now, &p.ans) == Admit {
			p.apply(&Quarantined{Instance: Key{Ord: ev.Ord}, Reason: testReason, Input: ev})
		}
	}
}

// step draws the result of an orchestration's step.
func (c *chaos) step(p *testPart, item *engine.OrchestrationItem) *engine.OrchestrationResult {
	r := &engine.OrchestrationResult{Token: item.Token, Now: item.Now}
	if slices.ContainsFunc(item.NewEvents, func(e model.Event) bool { return e.Kind == model.ExecutionRewound }) {
		past, _ := p.history(Key{Ord: item.Token.Instance})
		r.Rewound = rewriteHistory(append(past, item.NewEvents...), item.Execution)
		return r
	}
	first := int32(item.PastEvents)*20 + 1
	for i := range c.num("actions", 0, 4) {
		r.Events = append(r.Events, c.action(p, item, first+int32(i)))
	}
	inst := p.replica.byOrd[item.Token.Instance]
	if inst != nil && c.one("cancels", 3) {
		inst.tasks.all(func(id int32, _ *task) bool { r.CancelTasks = append(r.CancelTasks, id); return false })
		inst.timers.all(func(id int32, _ *timer) bool { r.CancelTimers = append(r.CancelTimers, id); return false })
	}
	r.SetStatus, r.CustomStatus = c.one("status", 3), []byte("busy")
	r.More = c.one("more", 10)
	if c.one("awaits", 3) {
		r.Awaits = []string{"go"}
	}
	if c.one("terminates", 12) {
		r.Terminate = append(r.Terminate, engine.TerminateRequest{Instance: c.orchestration(), Recursive: c.one("recursive", 2)})
	}
	switch end := (model.Event{Kind: model.ExecutionCompleted, ID: first + 9, Payload: []byte("out"), Ext: &model.Ext{}}); c.num("end", 0, 11) {
	case 0, 1:
		end.Ext.Status = model.Completed
		r.Events = append(r.Events, end)
	case 2:
		end.Ext.Status, end.Payload, end.Failure = model.Failed, nil, &model.Failure{Type: "Oops"}
		r.Events = append(r.Events, end)
	case 3:
		end.Ext.Status = model.ContinuedAsNew
		end.Ext.CarryOver = []model.Event{{Kind: model.EventRaised, ID: model.NoID, Name: "carried"}}
		r.Events = append(r.Events, end)
	}
	return r
}

// action draws one action. What it sends carries a stamp that grows with every
// message of its execution.
func (c *chaos) action(p *testPart, item *engine.OrchestrationItem, id int32) model.Event {
	stamp := []byte(fmt.Sprintf("%s/%08d", item.Execution, id))
	ev := model.Event{ID: id, Payload: stamp, Ext: &model.Ext{}}
	switch pick(c, "action", c.actions) {
	case 0, 1:
		ev.Kind, ev.Name, ev.Ext.AfterCommit = model.TaskScheduled, "T", c.one("after commit", 3)
	case 2:
		ev.Kind, ev.Payload = model.TimerCreated, nil
		if ev.FireAt = c.h.now.Add(time.Duration(c.num("seconds", -1, 12)) * time.Second); c.one("relative", 2) {
			ev.FireAt, ev.Ext.Timeout = 0, int64(3*time.Second)
		}
	case 3, 4:
		ev.Kind, ev.Name, ev.FireAt = model.ChildCreated, "C", c.maybeLater()
		if c.one("named", 2) {
			ev.Instance = c.orchestration()
		}
		if c.one("detached", 3) {
			ev.Ext.Tags = map[string]string{model.FireAndForget: ""}
		}
	case 5:
		ev.Kind, ev.Name, ev.Instance = model.EventSent, "sent", c.orchestration()
	case 6, 7:
		ev.Kind, ev.Name, ev.Instance = model.EntitySignaled, "op", c.entity()
	case 8:
		ev.Kind, ev.Name, ev.Instance, ev.RequestID = model.EntityCalled, "op", c.entity(), string(stamp)
	case 9:
		ev.Kind, ev.Payload, ev.RequestID = model.EntityLockRequested, nil, string(stamp)
		ev.Ext.LockSet = slices.Clone(someEntities[c.num("from", 0, 3):])
	case 10:
		ev.Kind, ev.Payload = model.EntityUnlockSent, nil
		ev.RequestID, ev.Instance = "none", c.entity()
		if inst := p.replica.byOrd[item.Token.Instance]; inst != nil && len(inst.sections) > 0 {
			sec := pick(c, "section", inst.sections)
			ev.RequestID, ev.Instance = sec.id, pick(c, "entity", sec.lockSet)
		}
	}
	return ev
}

// batch draws the result of a batch of operations. The entity's state is the last
// stamp of every execution that has sent it one.
func (c *chaos) batch(item *engine.EntityItem) *engine.EntityResult {
	r := &engine.EntityResult{Token: item.Token, Now: item.Now}
	seen := map[string]string{}
	for _, s := range strings.Fields(string(item.State)) {
		execution, _, _ := strings.Cut(s, "/")
		seen[execution] = s
	}
	for i := range c.num("results", 1, len(item.Operations)) {
		op := &item.Operations[i]
		stamp := string(op.Payload)
		execution, _, ok := strings.Cut(stamp, "/")
		if ok && op.FireAt == 0 && seen[execution] >= stamp {
			c.h.failed("%s receives %s after %s", item.Instance, stamp, seen[execution])
		}
		if ok {
			seen[execution] = stamp
		}
		r.Results = append(r.Results, engine.OperationResult{Output: []byte("out")})
	}
	for _, execution := range slices.Sorted(maps.Keys(seen)) {
		r.State = append(append(r.State, seen[execution]...), ' ')
	}
	switch c.num("sends", 0, 8) {
	case 0:
		r.Events = []model.Event{{Kind: model.EntitySignaled, ID: 1, Instance: c.entity(), Name: "op"}}
	case 1:
		r.Events = []model.Event{{Kind: model.ChildCreated, ID: 1, Instance: c.orchestration(), Name: "C"}}
	case 2:
		r.Events = []model.Event{{Kind: model.EventSent, ID: 1, Instance: c.orchestration(), Name: "sent"}}
	}
	return r
}

// checkHistory holds that nothing is answered that was not asked, or twice, that
// messages of one sender come in order, and that time does not go back.
func checkHistory(events []model.Event) error {
	asked, sent := map[int32]model.Kind{}, map[string]string{}
	var now model.Time
	for i := range events {
		ev := &events[i]
		if ev.Time < now {
			return fmt.Errorf("time goes back at event %d", i)
		}
		now = ev.Time
		switch ev.Kind {
		case model.TaskScheduled, model.TimerCreated, model.ChildCreated:
			asked[ev.ID] = ev.Kind
		case model.TaskCompleted, model.TaskFailed, model.TimerFired, model.ChildCompleted, model.ChildFailed:
			if _, ok := asked[ev.Ref]; !ok {
				return fmt.Errorf("event %d answers nothing", i)
			}
			delete(asked, ev.Ref)
		case model.EventRaised:
			if execution, _, ok := strings.Cut(string(ev.Payload), "/"); ok {
				if sent[execution] >= string(ev.Payload) {
					return fmt.Errorf("event %d was sent before %s", i, sent[execution])
				}
				sent[execution] = string(ev.Payload)
			}
		case model.ExecutionCompleted:
			if i != len(events)-1 && events[i+1].Kind != model.OrchestratorStarted {
				return errors.New("history goes on after its end")
			}
		}
	}
	return nil
}
