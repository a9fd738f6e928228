package remote

import (
	"context"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Results are sent in the background: what the server says of one is of no use to
// the worker. If it is refused, what the worker keeps alive is found to be outdated
// when the next item comes.

// CompleteOrchestration implements engine.Connection.
func (c *connection) CompleteOrchestration(r *engine.OrchestrationResult) error {
	i := c.held.remove(r.Token)
	if i == nil {
		return engine.ErrStale
	}
	if c.standard && r.More {
		r = tooMuch(r)
	}
	q, err := translate.Answer(r)
	if err != nil {
		return err
	}
	q.InstanceId, q.CompletionToken = i.instance, i.completion
	c.held.remember(i, r)
	if !c.standard {
		addStep(q, r)
	}
	c.out.add(result{item: i, step: q})
	return nil
}

// tooMuch fails an orchestration that asks for more in a step than the protocol
// can say at a time.
func tooMuch(r *engine.OrchestrationResult) *engine.OrchestrationResult {
	id := model.NoID
	if n := len(r.Events); n > 0 {
		id = r.Events[n-1].ID
	}
	return &engine.OrchestrationResult{Token: r.Token, Now: r.Now, Events: []model.Event{{
		Kind: model.ExecutionCompleted, ID: id, Ext: &model.Ext{Status: model.Failed}, Failure: &model.Failure{
			Type: model.FailureStepTooLarge, NonRetriable: true,
			Message: fmt.Sprintf("the step asks for more than %d things at once, which the plain protocol cannot do", len(r.Events)),
		},
	}}}
}

// addStep adds what the protocol has no words for.
func addStep(q *wire.OrchestratorResponse, r *engine.OrchestrationResult) {
	if !r.More && r.SetStatus && len(r.CancelTimers)+len(r.CancelTasks)+len(r.Awaits) == 0 {
		return
	}
	x := &extra.Step{More: r.More, KeepStatus: !r.SetStatus, CancelTimers: r.CancelTimers, CancelTasks: r.CancelTasks, Awaits: r.Awaits}
	extra.Put(q, x)
}

// CompleteActivity implements engine.Connection.
func (c *connection) CompleteActivity(r *engine.ActivityResult) error {
	i := c.held.remove(r.Token)
	if i == nil {
		return engine.ErrStale
	}
	c.out.add(result{item: i, activity: &wire.ActivityResponse{
		InstanceId: i.instance, TaskId: r.Token.Task, CompletionToken: i.completion,
		Result: translate.Payload(r.Result), FailureDetails: translate.Failure(r.Failure),
	}})
	return nil
}

// CompleteEntity implements engine.Connection.
func (c *connection) CompleteEntity(r *engine.EntityResult) error {
	i := c.held.remove(r.Token)
	if i == nil {
		return engine.ErrStale
	}
	q, err := translate.EntityAnswer(r)
	if err != nil {
		return err
	}
	q.CompletionToken = i.completion
	for n := range min(len(q.Results), len(i.operations)) {
		info := &wire.OperationInfo{}
		switch o := i.operations[n].GetEventType().(type) {
		case *wire.HistoryEvent_EntityOperationCalled:
			info.RequestId = o.EntityOperationCalled.GetRequestId()
			info.ResponseDestination = &wire.OrchestrationInstance{
				InstanceId: o.EntityOperationCalled.GetParentInstanceId().GetValue(), ExecutionId: o.EntityOperationCalled.GetParentExecutionId(),
			}
		case *wire.HistoryEvent_EntityOperationSignaled:
			info.RequestId = o.EntityOperationSignaled.GetRequestId()
		}
		q.OperationInfos = append(q.OperationInfos, info)
	}
	c.out.add(result{item: i, entity: q})
	return nil
}

// Changed implements engine.Connection. It does nothing: the server is told once what
// a worker has code for, and workers of this module do not change that.
func (c *connection) Changed() {}

// Abandon implements engine.Connection.
func (c *connection) Abandon(_ engine.ItemKind, t engine.Token, after time.Duration) error {
	i := c.held.remove(t)
	if i == nil {
		return engine.ErrStale
	}
	c.out.add(result{item: i, after: after})
	return nil
}

// Close implements engine.Connection.
func (c *connection) Close() {
	c.out.close()
	c.cancel()
	<-c.ended
	c.telling.Wait()
}

// result is what is sent of an item: one of the messages, or that it is given back.
type result struct {
	item     *item
	step     *wire.OrchestratorResponse
	activity *wire.ActivityResponse
	entity   *wire.EntityBatchResult
	after    time.Duration
}

// send makes one attempt.
func (c *connection) send(ctx context.Context, r *result) (err error) {
	switch {
	case r.step != nil:
		_, err = c.api.CompleteOrchestratorTask(ctx, r.step, again)
	case r.activity != nil:
		_, err = c.api.CompleteActivityTask(ctx, r.activity, again)
	case r.entity != nil:
		_, err = c.api.CompleteEntityTask(ctx, r.entity, again)
	default:
		err = c.giveBack(ctx, r)
	}
	return err
}

func (c *connection) giveBack(ctx context.Context, r *result) (err error) {
	x := &extra.Abandon{After: int64(r.after)}
	switch token := r.item.completion; r.item.kind {
	case engine.OrchestrationKind:
		q := &wire.AbandonOrchestrationTaskRequest{CompletionToken: token}
		extra.Put(q, x)
		_, err = c.api.AbandonTaskOrchestratorWorkItem(ctx, q, again)
	case engine.ActivityKind:
		q := &wire.AbandonActivityTaskRequest{CompletionToken: token}
		extra.Put(q, x)
		_, err = c.api.AbandonTaskActivityWorkItem(ctx, q, again)
	case engine.EntityKind:
		q := &wire.AbandonEntityTaskRequest{CompletionToken: token}
		extra.Put(q, x)
		_, err = c.api.AbandonTaskEntityWorkItem(ctx, q, again)
	}
	return err
}
