package netherite

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

const (
	// maxTraceBytes bounds a trace context that a client sends along.
	maxTraceBytes = 8 << 10
	// A history that replaces another (rewind) goes into one record. It may have
	// so many payloads' bytes, and never less than a step.
	rewoundPayloads = 32
)

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

func checkTags(tags map[string]string) error {
	if n := partition.TagBytes(tags); n > partition.MaxTagBytes {
		return fmt.Errorf("%w: tags have %d bytes, at most %d", engine.ErrTooLarge, n, partition.MaxTagBytes)
	}
	return nil
}

// checkTagText refuses tags that no client of JSON could be told.
func checkTagText(tags map[string]string) error {
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		if !utf8.ValidString(k) || !utf8.ValidString(tags[k]) {
			return fmt.Errorf("%w: tag %q=%q is not UTF-8", engine.ErrInvalid, k, tags[k])
		}
	}
	return nil
}

func checkTrace(t *model.Trace) error {
	if t == nil {
		return nil
	}
	if n := len(t.Parent) + len(t.State) + len(t.SpanID); n > maxTraceBytes {
		return fmt.Errorf("%w: trace context has %d bytes, at most %d", engine.ErrTooLarge, n, maxTraceBytes)
	}
	return nil
}

func (e *Engine) checkPayload(what, name string, p []byte) error {
	if len(p) > e.opts.MaxPayload {
		return fmt.Errorf("%s has %d bytes, at most %d: %w", what, len(p), e.opts.MaxPayload, engine.ErrTooLarge)
	}
	e.noteSize(what, name, len(p))
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

// oversized says what is beyond the limit; nil if nothing is. It cuts failures.
func (e *Engine) oversized(r *engine.OrchestrationResult) *model.Failure {
	if n := len(r.CustomStatus); n > e.opts.MaxPayload {
		return e.tooLarge("custom status", n)
	} else if n >= largePayload {
		e.noteSize("custom status", "", n)
	}
	for i := range r.Events {
		if n := len(r.Events[i].Payload); n > e.opts.MaxPayload {
			what := strings.TrimSpace(r.Events[i].Kind.String() + " " + cutText(r.Events[i].Name, model.MaxName)) // most kinds have no name
			return e.tooLarge("payload of "+what, n)
		} else if n >= largePayload {
			e.noteSize("payload of "+r.Events[i].Kind.String(), cutText(r.Events[i].Name, model.MaxName), n)
		}
		if f := r.Events[i].Failure; f != nil {
			r.Events[i].Failure = e.boundFailure(f)
		}
	}
	for i := range r.Terminate {
		if n := len(r.Terminate[i].Output); n > e.opts.MaxPayload {
			return e.tooLarge("output of a termination", n)
		}
	}
	return e.longRewind(r.Rewound)
}

// longRewind refuses a history that is too large for one record.
func (e *Engine) longRewind(history []model.Event) *model.Failure {
	size, limit := 0, max(rewoundPayloads*e.opts.MaxPayload, partition.MaxStepBytes)
	for i := range history {
		size += partition.EventBytes(&history[i])
	}
	if size <= limit {
		return nil
	}
	return &model.Failure{
		Type: model.FailureStepTooLarge, NonRetriable: true,
		Message: fmt.Sprintf("the history cannot be rewound: it has %d bytes, at most %d fit into one record", size, limit),
	}
}

func (e *Engine) boundActivity(r *engine.ActivityResult) {
	r.Failure = e.boundFailure(r.Failure)
	if n := len(r.Result); n > e.opts.MaxPayload && r.Failure == nil {
		r.Result, r.Failure = nil, e.tooLarge("result of the activity", n)
	} else if n >= largePayload {
		e.noteSize("result of an activity", "", n)
	}
}

// checkEntityResult refuses a batch with a payload beyond the limit, or a message
// to what cannot be. The worker has to see to that itself, since it alone can undo
// an operation.
func (e *Engine) checkEntityResult(r *engine.EntityResult) error {
	err := e.checkPayload("entity state", "", r.State)
	for i := range r.Results {
		err = cmp.Or(err, e.checkPayload("output of an operation", "", r.Results[i].Output))
		if f := r.Results[i].Failure; f != nil {
			r.Results[i].Failure = e.boundFailure(f)
		}
	}
	for i := range r.Events {
		err = cmp.Or(err, e.checkPayload("message of an operation", cutText(r.Events[i].Name, model.MaxName), r.Events[i].Payload), e.checkEntitySent(&r.Events[i]))
	}
	return err
}

// checkEntitySent refuses what an operation cannot send.
func (e *Engine) checkEntitySent(ev *model.Event) error {
	switch ev.Kind {
	case model.EntitySignaled:
		return cmp.Or(e.checkEntity(ev.Instance), invalid(model.ValidateName("operation", ev.Name)), checkTrace(ev.Extra().Trace))
	case model.ChildCreated:
		var err error
		if ev.Instance != "" { // else it is derived
			err = e.checkOrchestration(ev.Instance)
		}
		return cmp.Or(err, invalid(model.ValidateName("orchestration", ev.Name)), invalid(model.ValidateVersion(ev.Version)), checkTags(ev.Extra().Tags), checkTrace(ev.Extra().Trace))
	case model.EventSent:
		return cmp.Or(e.checkOrchestration(ev.Instance), invalid(model.ValidateName("event", ev.Name)))
	}
	return fmt.Errorf("%w: an operation cannot ask for %s", engine.ErrInvalid, ev.Kind)
}
