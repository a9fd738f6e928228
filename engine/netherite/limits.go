package netherite

import (
	"cmp"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// maxTagBytes bounds the names and values of an instance's tags together.
const maxTagBytes = 8 << 10

// invalid marks a validation error as such.
func invalid(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", engine.ErrInvalid, err)
}

// checkOrchestration validates the ID of an orchestration.
func (e *Engine) checkOrchestration(instance string) error {
	if err := model.ValidateInstanceID(instance); err != nil {
		return invalid(err)
	}
	if model.IsEntity(instance) {
		return fmt.Errorf("%w: %q names an entity, not an orchestration", engine.ErrInvalid, instance)
	}
	return nil
}

// checkEntity validates the ID of an entity.
func (e *Engine) checkEntity(instance string) error {
	if err := model.ValidateInstanceID(instance); err != nil {
		return invalid(err)
	}
	if !model.IsEntity(instance) {
		return fmt.Errorf("%w: %q names an orchestration; an entity's ID is @type@key", engine.ErrInvalid, instance)
	}
	return nil
}

func (e *Engine) checkPayload(what string, p []byte) error {
	if len(p) > e.opts.MaxPayload {
		return fmt.Errorf("%s has %d bytes, at most %d: %w", what, len(p), e.opts.MaxPayload, engine.ErrTooLarge)
	}
	return nil
}

// tooLarge is the failure of what a worker returned beyond the payload limit.
func (e *Engine) tooLarge(what string, size int) *model.Failure {
	return &model.Failure{
		Type: model.FailurePayloadTooLarge, NonRetriable: true,
		Message: fmt.Sprintf("%s has %d bytes, at most %d are allowed", what, size, e.opts.MaxPayload),
	}
}

// boundOrchestration turns a step with a payload beyond the limit into a failure
// of its orchestration.
func (e *Engine) boundOrchestration(r *engine.OrchestrationResult) {
	f := e.oversized(r)
	if f == nil {
		return
	}
	id := model.NoID
	if n := len(r.Events); n > 0 {
		id = r.Events[n-1].ID
	}
	*r = engine.OrchestrationResult{Token: r.Token, Now: r.Now, Events: []model.Event{{
		Kind: model.ExecutionCompleted, ID: id, Failure: f, Ext: &model.Ext{Status: model.Failed},
	}}}
}

func (e *Engine) oversized(r *engine.OrchestrationResult) *model.Failure {
	if n := len(r.CustomStatus); n > e.opts.MaxPayload {
		return e.tooLarge("custom status", n)
	}
	for i := range r.Events {
		if n := len(r.Events[i].Payload); n > e.opts.MaxPayload {
			return e.tooLarge("payload of "+r.Events[i].Kind.String()+" "+r.Events[i].Name, n)
		}
	}
	return nil
}

func (e *Engine) boundActivity(r *engine.ActivityResult) {
	if n := len(r.Result); n > e.opts.MaxPayload && r.Failure == nil {
		r.Result, r.Failure = nil, e.tooLarge("result of the activity", n)
	}
}

// checkEntityResult refuses a batch with a payload beyond the limit. The worker
// has to see to that itself, since it alone can undo an operation.
func (e *Engine) checkEntityResult(r *engine.EntityResult) error {
	err := e.checkPayload("entity state", r.State)
	for i := range r.Results {
		err = cmp.Or(err, e.checkPayload("output of an operation", r.Results[i].Output))
	}
	for i := range r.Events {
		err = cmp.Or(err, e.checkPayload("message of an operation", r.Events[i].Payload))
	}
	return err
}
