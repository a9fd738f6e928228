package durable

import (
	"context"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Run is an instance of an orchestration as a client sees it: started, or
// attached to. The errors of its methods wrap engine.ErrNotFound if there is no
// such instance.
type Run[Out any] struct {
	hub       Hub
	name      string
	id        string
	execution model.ExecutionID
	attached  bool
}

// ID returns the instance ID.
func (r *Run[Out]) ID() string { return r.id }

// Execution returns the execution that Start began; zero if attached to.
func (r *Run[Out]) Execution() model.ExecutionID { return r.execution }

// Attached reports whether Start found a living instance (IfExists(Attach)).
func (r *Run[Out]) Attached() bool { return r.attached }

// started is the execution that Start began; zero if it found one.
func (r *Run[Out]) started() model.ExecutionID {
	if r.attached {
		return model.ExecutionID{}
	}
	return r.execution
}

// Wait blocks until the instance has ended and returns its result. If it failed
// or was terminated, the error is a *TaskError. If another run of the same ID had
// replaced the one that was started before Wait was called, the error wraps
// engine.ErrReplaced; a run that was attached to is whichever has the ID.
func (r *Run[Out]) Wait(ctx context.Context) (Out, error) {
	var none Out
	inst, err := r.hub.Engine().Wait(ctx, r.id, engine.UntilEnded, engine.GetOptions{Payloads: true, Execution: r.started()})
	if err != nil {
		return none, err // it says what was waited for, as all errors of an engine do
	}
	return Result[Out](r.hub, inst)
}

// WaitStarted blocks until the instance is no longer pending.
func (r *Run[Out]) WaitStarted(ctx context.Context) (*model.Instance, error) {
	return r.hub.Engine().Wait(ctx, r.id, engine.UntilStarted, engine.GetOptions{Execution: r.started()})
}

// Result returns the outcome of an ended instance that was read with payloads.
func Result[Out any](hub Hub, inst *model.Instance) (Out, error) {
	var none Out
	task := "orchestration " + inst.Name
	switch {
	case inst.Status == model.Completed:
		return decodeFor[Out](hub, "result", inst.Output)
	case !inst.Status.Ended():
		return none, fmt.Errorf("%s %q has not ended: it is %s", task, inst.ID, inst.Status)
	case inst.Failure != nil:
		return none, taskError(task, inst.Failure)
	}
	reason, err := decodeFor[string](hub, "output", inst.Output)
	if err != nil {
		reason = string(inst.Output) // terminated by somebody who does not use this codec
	}
	return none, &TaskError{Task: task, Type: inst.Status.String(), Message: reason}
}

// Status reads the instance, with its payloads.
func (r *Run[Out]) Status(ctx context.Context) (*model.Instance, error) {
	return r.hub.Engine().Get(ctx, r.id, engine.GetOptions{Payloads: true, Waits: true})
}

// Decode decodes a payload that was read from the hub, for example a custom status.
func Decode[T any](hub Hub, payload []byte) (T, error) {
	return decodeFor[T](hub, "payload", payload)
}

// History reads the history of the instance's current execution.
func (r *Run[Out]) History(ctx context.Context) ([]model.Event, error) {
	return r.hub.Engine().History(ctx, r.id)
}

// Raise sends the instance an external event by name; EventOf.Raise does so with
// a checked type.
func (r *Run[Out]) Raise(ctx context.Context, event string, v any, opts ...RequestOption) error {
	return Event[any](event).Raise(ctx, r.hub, r.id, v, opts...)
}

// Suspend holds back what the instance is sent, until Resume. The error wraps
// engine.ErrEnded if it has ended.
func (r *Run[Out]) Suspend(ctx context.Context, reason string) error {
	return r.hub.Engine().Suspend(ctx, r.id, reason)
}

// Resume lets a suspended instance go on.
func (r *Run[Out]) Resume(ctx context.Context, reason string) error {
	return r.hub.Engine().Resume(ctx, r.id, reason)
}

// Terminate ends the instance at once; reason becomes its output. With
// recursive, its living sub-orchestrations and theirs end too. Without effect if
// it has ended.
func (r *Run[Out]) Terminate(ctx context.Context, reason string, recursive bool) error {
	output, err := encodeFor(r.hub, "reason", reason)
	if err != nil {
		return fmt.Errorf("terminate %q: %w", r.id, err)
	}
	return r.hub.Engine().Terminate(ctx, engine.TerminateRequest{Instance: r.id, Output: output, Recursive: recursive})
}

// Rewind takes back the failures that made the instance fail and lets it go on
// from there: what failed runs again, as it was asked for, with the input and the
// version that it had, also if the code has changed meanwhile. The error wraps
// engine.ErrNotFailed if it has not failed. An orchestration that failed while it was
// in a critical section cannot be rewound; it fails again.
func (r *Run[Out]) Rewind(ctx context.Context, reason string) error {
	return r.hub.Engine().Rewind(ctx, r.id, reason)
}

// Restart starts the same orchestration again with the same version, input and
// tags: as a new instance, or in place with the option ID(run.ID()), for which
// the instance must have ended (else the error wraps engine.ErrExists).
func (r *Run[Out]) Restart(ctx context.Context, opts ...StartOption) (*Run[Out], error) {
	inst, err := r.hub.Engine().Get(ctx, r.id, engine.GetOptions{Payloads: true})
	if err != nil {
		return nil, fmt.Errorf("restart %q: %w", r.id, err)
	}
	s, err := startSettingsOf(startSettings{version: inst.Version, tags: inst.Tags}, opts)
	if err != nil {
		return nil, fmt.Errorf("restart %q: %w", r.id, err)
	}
	again := engine.StartRequest{
		Instance: s.id, Name: inst.Name, Version: s.version, Input: inst.Input, At: s.at, Tags: s.tags, IfExists: s.ifExists,
	}
	again.Key = startKey(ctx, s.key, r.id, &again)
	started, err := start(ctx, r.hub, again)
	if err != nil {
		return nil, fmt.Errorf("restart %q: %w", r.id, err)
	}
	return &Run[Out]{hub: r.hub, name: inst.Name, id: started.Instance, execution: started.Execution, attached: started.Attached}, nil
}

// Purge forgets the ended instance and its history; with recursive also its
// ended sub-orchestrations. It returns how many were forgotten: zero if it has
// not ended.
func (r *Run[Out]) Purge(ctx context.Context, recursive bool) (int, error) {
	return r.hub.Engine().Purge(ctx, r.id, recursive)
}
