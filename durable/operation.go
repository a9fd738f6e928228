package durable

import (
	"cmp"
	"context"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// OperationOf is a handle of an operation of entities with a state S.
type OperationOf[S, In, Out any] struct {
	entity *EntityOf[S]
	name   string
}

// Operation declares an operation and its code, usually a method of the state's
// pointer type. It must be called before the entity type is served. Operation
// names are compared exactly first, then without case.
func Operation[S, In, Out any](e *EntityOf[S], name string, fn func(*S, *EntityContext, In) (Out, error)) *OperationOf[S, In, Out] {
	e.declare(name, fn == nil, worker.Operation{Run: runner(fn)})
	return DeclareOperation[In, Out](e, name)
}

// DeclareOperation declares an operation without its code, for programs that do
// not serve the entity type.
func DeclareOperation[In, Out, S any](e *EntityOf[S], name string) *OperationOf[S, In, Out] {
	return &OperationOf[S, In, Out]{entity: e, name: name}
}

// GetterOf is a handle of an operation that only reads.
type GetterOf[S, Out any] struct{ op OperationOf[S, None, Out] }

// Getter declares an operation that reads: it promises not to change the state,
// takes no input, and does not bring an entity into being.
func Getter[S, Out any](e *EntityOf[S], name string, fn func(*S, *EntityContext) (Out, error)) *GetterOf[S, Out] {
	run := runner(func(s *S, ctx *EntityContext, _ None) (Out, error) { return fn(s, ctx) })
	e.declare(name, fn == nil, worker.Operation{ReadOnly: true, Run: run})
	return DeclareGetter[Out](e, name)
}

// DeclareGetter declares an operation that only reads without its code.
func DeclareGetter[Out, S any](e *EntityOf[S], name string) *GetterOf[S, Out] {
	return &GetterOf[S, Out]{OperationOf[S, None, Out]{entity: e, name: name}}
}

func (e *EntityOf[S]) declare(name string, missing bool, op worker.Operation) {
	_, taken := e.operations[name]
	err := model.ValidateName("operation", name)
	switch {
	case e.err != nil:
	case err != nil:
		e.err = fmt.Errorf("entity %q: %w", e.name, err)
	case missing:
		e.err = fmt.Errorf("entity %q: operation %q has no code", e.name, name)
	case taken:
		e.err = fmt.Errorf("entity %q: operation %q is declared twice", e.name, name)
	}
	e.operations[name] = op
}

// runner adapts an operation's code to payloads.
func runner[S, In, Out any](fn func(*S, *EntityContext, In) (Out, error)) func(any, *worker.EntityCall, []byte) ([]byte, *model.Failure) {
	return func(state any, call *worker.EntityCall, input []byte) ([]byte, *model.Failure) {
		in, err := decode[In](call.Env, "input", input)
		if err != nil {
			return nil, FailureOf(err)
		}
		out, err := fn(state.(*S), &EntityContext{call: call}, in)
		if err != nil {
			return nil, FailureOf(err)
		}
		payload, err := encode(call.Env, "result", out)
		if err != nil {
			return nil, FailureOf(err)
		}
		return payload, nil
	}
}

// Name returns the operation's name.
func (o *OperationOf[S, In, Out]) Name() string { return o.name }

// Call asks for the operation to be run and answered. Operations of one sender
// to one entity run in the order in which they were sent. A call fails with
// ErrUnknownOperation if the entity has none of the name, and inside of a critical
// section with ErrCriticalSection if that does not cover the entity.
func (o *OperationOf[S, In, Out]) Call(ctx *Context, key Key[S], in In) *Future[Out] {
	f := newFuture[Out](ctx, "entity "+key.id+" "+o.name)
	if err := validEntityID(key.id); err != nil {
		return f.refuse(err)
	}
	err := model.ValidateName("operation", o.name)
	if err != nil {
		return f.refuse(err)
	}
	payload, err := encode(ctx.env, "input", in)
	if err == nil {
		err = ctx.section.checkCall(key.id, &f.op)
	}
	if err != nil {
		return f.refuse(err)
	}
	ctx.x.Ask(&f.op, model.Event{
		Kind: model.EntityCalled, Instance: key.id, Name: o.name, RequestID: requestID(ctx), Payload: payload,
		Ext: traceExt(ctx.x.Trace()),
	})
	return f
}

// Signal asks for the operation to be run, from an orchestration or another
// entity, without waiting for it: its result and failure go nowhere.
func (o *OperationOf[S, In, Out]) Signal(from Sender, key Key[S], in In, opts ...SignalOption) error {
	if err := signal(from, key.id, o.name, in, opts); err != nil {
		return fmt.Errorf("signal %s %s: %w", key, o.name, err)
	}
	return nil
}

// Post asks for the operation to be run, from outside of any workflow. When it
// returns, the request is durable; its result and failure go nowhere.
func (o *OperationOf[S, In, Out]) Post(ctx context.Context, hub Hub, key Key[S], in In, opts ...RequestOption) error {
	payload, err := encodeFor(hub, "input", in)
	s, wrong := requestSettings(opts)
	if err = cmp.Or(err, wrong, validEntityID(key.id)); err != nil {
		return fmt.Errorf("post %s %s: %w", key, o.name, err)
	}
	r := engine.SignalRequest{Entity: key.id, Operation: o.name, Input: payload, At: s.at}
	r.Key = requestKey(ctx, s.key, &worker.Request{Operation: "signal", Target: key.id, Name: o.name, Payload: payload})
	if t := tracerOf(hub); t != nil {
		span := t.Signal(ctx, o.entity.name, key.id, o.name)
		defer func() { span.EndWith(err) }()
		r.Trace = span.Trace()
	}
	if err = hub.Engine().Signal(ctx, r); err != nil {
		return fmt.Errorf("operation %s: %w", o.name, err) // which says that it was a signal, and to whom
	}
	return nil
}

// Name returns the operation's name.
func (g *GetterOf[S, Out]) Name() string { return g.op.name }

// Call asks for the operation to be run and answered, as OperationOf.Call does.
func (g *GetterOf[S, Out]) Call(ctx *Context, key Key[S]) *Future[Out] {
	return g.op.Call(ctx, key, None{})
}
