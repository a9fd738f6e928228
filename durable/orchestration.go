package durable

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

// OrchestrationOf is a handle of an orchestration: its name and types, enough to
// start it, call it and attach to it. Orchestration makes one that carries its
// code as well.
type OrchestrationOf[In, Out any] struct {
	name  string
	title string
	fn    func(*Context, In) (Out, error)
}

// Orchestration declares an orchestration together with its code. The code must
// be deterministic, see Context.
func Orchestration[In, Out any](name string, fn func(*Context, In) (Out, error)) *OrchestrationOf[In, Out] {
	o := DeclareOrchestration[In, Out](name)
	o.fn = fn
	return o
}

// DeclareOrchestration declares an orchestration whose code is bound elsewhere,
// with By. Code that calls its own handle needs this form.
func DeclareOrchestration[In, Out any](name string) *OrchestrationOf[In, Out] {
	return &OrchestrationOf[In, Out]{name: name, title: "orchestration " + name}
}

// Name returns the orchestration's name.
func (o *OrchestrationOf[In, Out]) Name() string { return o.name }

// By binds code to the handle, for serving.
func (o *OrchestrationOf[In, Out]) By(fn func(*Context, In) (Out, error), opts ...CodeOption) Handler {
	h := &orchestrationHandler[In, Out]{name: o.name, fn: fn}
	h.settings.apply(opts)
	return h
}

// Bind implements Handler.
func (o *OrchestrationOf[In, Out]) Bind(env *worker.Env) (worker.Code, error) {
	if o == nil {
		return worker.Code{}, errors.New("the orchestration is nil")
	}
	return (&orchestrationHandler[In, Out]{name: o.name, fn: o.fn}).Bind(env)
}

type orchestrationHandler[In, Out any] struct {
	name     string
	settings codeSettings
	fn       func(*Context, In) (Out, error)
}

// Bind implements Handler.
func (h *orchestrationHandler[In, Out]) Bind(env *worker.Env) (worker.Code, error) {
	if h.fn == nil {
		return worker.Code{}, fmt.Errorf("orchestration %q has no code: give it with By", h.name)
	}
	if h.settings.err != nil {
		return worker.Code{}, fmt.Errorf("orchestration %q: By: %w", h.name, h.settings.err)
	}
	p := &program[In, Out]{env: env, name: h.name, fn: h.fn}
	return worker.Code{Kind: engine.OrchestrationKind, Name: h.name, Version: h.settings.version, Orchestration: p}, nil
}

// program runs the code of an orchestration.
type program[In, Out any] struct {
	env  *worker.Env
	name string
	fn   func(*Context, In) (Out, error)
}

// Run implements replay.Program.
func (p *program[In, Out]) Run(x *replay.Execution, input []byte) replay.Outcome {
	in, err := decode[In](p.env, "input", input)
	if err != nil {
		return replay.Outcome{Failure: FailureOf(err)}
	}
	out, panicked, err := p.call(newContext(x, p.env), in)
	if panicked != nil {
		return replay.Outcome{Failure: panicked}
	}
	if err != nil {
		var again *continueAsNew
		if errors.As(err, &again) {
			return again.outcome(p.env, p.name)
		}
		return replay.Outcome{Failure: FailureOf(err)}
	}
	payload, err := encode(p.env, "result", out)
	if err != nil {
		return replay.Outcome{Failure: FailureOf(err)}
	}
	return replay.Outcome{Payload: payload}
}

func (p *program[In, Out]) call(ctx *Context, in In) (out Out, panicked *model.Failure, err error) {
	defer func() {
		if r := recover(); r != nil {
			panicked = replay.PanicFailure(r, debug.Stack())
		}
	}()
	out, err = p.fn(ctx, in)
	return out, nil, err
}

// Call starts a sub-orchestration and returns its result as a future. Its ID is
// derived from this execution unless the ID option says otherwise; a retried
// one keeps its ID. It fails with ErrInstanceExists if a living instance has the
// ID, and with ErrCriticalSection inside of a critical section.
func (o *OrchestrationOf[In, Out]) Call(ctx *Context, in In, opts ...ChildOption) *Future[Out] {
	f := newFuture[Out](ctx, o.title)
	if err := ctx.section.checkChild(); err != nil {
		return f.refuse(err)
	}
	ev, retry, err := childEvent(ctx, o.name, in, opts)
	if err != nil {
		return f.refuse(err)
	}
	if retry != nil {
		f.op.SetHook(&retrier{policy: retry, op: &f.op, event: ev, attempt: 1, first: ctx.x.Now()})
	}
	ctx.x.Ask(&f.op, ev)
	return f
}

// Detach starts an orchestration that nobody waits for, from an orchestration or
// an entity, and returns its ID. From an entity without the ID option the hub
// chooses the ID and "" is returned.
func (o *OrchestrationOf[In, Out]) Detach(from Sender, in In, opts ...ChildOption) (string, error) {
	ev, retry, err := childEvent(from, o.name, in, opts)
	if err != nil {
		return "", err
	}
	if retry != nil {
		return "", fmt.Errorf("start %s: nobody waits for it, so it cannot have a Retry", o.title)
	}
	ext := model.Ext{}
	if ev.Ext != nil {
		ext = *ev.Ext
	}
	ext.Tags = merged(ext.Tags, map[string]string{model.FireAndForget: ""})
	if err := checkTagBytes(ext.Tags); err != nil {
		return "", err
	}
	ev.Ext = &ext
	from.act(ev)
	return ev.Instance, nil
}

func childEvent[In any](from Sender, name string, in In, opts []ChildOption) (ev model.Event, retry *Retry, err error) {
	payload, err := encode(from.environment(), "input", in)
	if err != nil {
		return ev, nil, err
	}
	s := &noSettings
	if len(opts) > 0 {
		if err := nilOption(opts); err != nil {
			return ev, nil, err
		}
		s = &callSettings{}
		for _, o := range opts {
			o.applyChild(s)
		}
	}
	if s.named {
		if err := validOrchestrationID(s.id); err != nil {
			return ev, nil, err
		}
	}
	if err := checkChild(name, s); err != nil {
		return ev, nil, err
	}
	id, tags, trace := from.describeChild(s)
	if err := checkTagBytes(tags); err != nil {
		return ev, nil, err
	}
	ev = model.Event{Kind: model.ChildCreated, Name: name, Version: s.version, Instance: id, Payload: payload, FireAt: s.at}
	if tags != nil || trace != nil {
		ev.Ext = &model.Ext{Tags: tags, Trace: trace}
	}
	return ev, s.retry, nil
}

func validOrchestrationID(id string) error {
	if model.IsEntity(id) {
		return &invalidID{fmt.Errorf("%w %q: it is an entity's", model.ErrInvalidID, id)}
	}
	if err := model.ValidateInstanceID(id); err != nil {
		return &invalidID{err}
	}
	return nil
}

// childID derives the ID of the child that an action starts: the execution, a
// colon, and the action's ID in at least four hex digits.
func childID(execution model.ExecutionID, action int32) string {
	const digits = "0123456789abcdef"
	b := make([]byte, 0, 41)
	for _, v := range execution {
		b = append(b, digits[v>>4], digits[v&15])
	}
	b = append(b, ':')
	shift := 12
	for shift < 28 && uint32(action)>>(shift+4) != 0 {
		shift += 4
	}
	for ; shift >= 0; shift -= 4 {
		b = append(b, digits[uint32(action)>>shift&15])
	}
	return string(b)
}

// continueAsNew is the error by which code ends its execution to begin another.
type continueAsNew struct {
	name   string
	encode func(*worker.Env) ([]byte, error)
	again  replay.Again
}

// Error implements error.
func (c *continueAsNew) Error() string {
	return "orchestration " + c.name + " continues as new (this error must be returned by its code)"
}

func (c *continueAsNew) outcome(env *worker.Env, name string) replay.Outcome {
	if c.name != name {
		return replay.Outcome{Failure: FailureOf(fmt.Errorf("orchestration %s cannot continue as %s", name, c.name))}
	}
	payload, err := c.encode(env)
	if err != nil {
		return replay.Outcome{Failure: FailureOf(err)}
	}
	return replay.Outcome{Payload: payload, Again: &c.again}
}

// AgainOption is an option of Again.
type AgainOption interface{ applyAgain(*replay.Again) }

func (o Version) applyAgain(a *replay.Again) { v := string(o); a.Version = &v }

type dropEvents struct{}

func (dropEvents) applyAgain(a *replay.Again) { a.DropEvents = true }

// DropEvents makes continue-as-new forget the external events that nobody has
// waited for. Without it the next execution gets them.
var DropEvents AgainOption = dropEvents{}

// Again ends the execution and begins the next one of the same instance, with a
// new input and an empty history: return what it returns. Activities and
// sub-orchestrations that were not awaited are not waited for.
func (o *OrchestrationOf[In, Out]) Again(next In, opts ...AgainOption) (Out, error) {
	c := &continueAsNew{name: o.name, encode: func(env *worker.Env) ([]byte, error) { return encode(env, "input", next) }}
	if err := nilOption(opts); err != nil {
		c.encode = func(*worker.Env) ([]byte, error) { return nil, fmt.Errorf("%s continues as new: %w", o.title, err) }
		opts = nil
	}
	for _, opt := range opts {
		opt.applyAgain(&c.again)
	}
	var none Out
	return none, c
}

// Start starts an instance from outside of any workflow. When it returns, the
// instance exists durably. The error wraps engine.ErrExists if the ID is taken,
// see IfExists.
func (o *OrchestrationOf[In, Out]) Start(ctx context.Context, hub Hub, in In, opts ...StartOption) (*Run[Out], error) {
	payload, err := encodeFor(hub, "input", in)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.title, err)
	}
	s, err := startSettingsOf(startSettings{}, opts)
	if err != nil {
		return nil, fmt.Errorf("start %s: %w", o.title, err)
	}
	r := engine.StartRequest{
		Instance: s.id, Name: o.name, Version: s.version, Input: payload, At: s.at, Tags: s.tags, IfExists: s.ifExists,
	}
	r.Key = startKey(ctx, s.key, "", &r)
	started, err := start(ctx, hub, r)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.title, err) // which says that it was a start, and of which ID
	}
	return &Run[Out]{hub: hub, name: o.name, id: started.Instance, execution: started.Execution, attached: started.Attached}, nil
}

// start asks the hub to start an instance.
func start(ctx context.Context, hub Hub, r engine.StartRequest) (started engine.Started, err error) {
	if t := tracerOf(hub); t != nil {
		span := t.Create(ctx, r.Name, r.Version, r.Instance)
		defer func() { span.EndWith(err) }()
		r.Trace = span.Trace()
	}
	return hub.Engine().Start(ctx, r)
}

// Attach returns the run of an instance that was started before, by anybody.
// Whether it exists shows when the run is used.
func (o *OrchestrationOf[In, Out]) Attach(hub Hub, id string) *Run[Out] {
	return &Run[Out]{hub: hub, name: o.name, id: id}
}
