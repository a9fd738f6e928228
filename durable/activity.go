package durable

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// ActivityOf is a handle of an activity: its name and types, enough to call it.
// Activity makes one that carries its code as well.
type ActivityOf[In, Out any] struct {
	name     string
	title    string
	defaults []ActivityOption
	err      error // what is wrong with the name or the defaults, for calls
	fn       func(context.Context, In) (Out, error)
}

// Activity declares an activity together with its code, and the options that
// its calls have unless they say otherwise.
//
// The function runs at least once for each call, exactly once if nothing fails,
// and its result is recorded once. It may do anything; IdempotencyKey helps where
// running twice would do harm. A panic fails the call with its stack. The context
// is done when the attempt's Timeout is up, when nobody wants the result any
// more, or when the hub closes; an attempt cut short by closing runs again, and so
// does one that fails with engine.ErrClosed because it asked that hub for something.
func Activity[In, Out any](name string, fn func(context.Context, In) (Out, error), defaults ...ActivityOption) *ActivityOf[In, Out] {
	a := DeclareActivity[In, Out](name, defaults...)
	a.fn = fn
	return a
}

// DeclareActivity declares an activity whose code is bound elsewhere, with By:
// in a program that has its dependencies, or not in this program at all.
func DeclareActivity[In, Out any](name string, defaults ...ActivityOption) *ActivityOf[In, Out] {
	a := &ActivityOf[In, Out]{name: name, title: "activity " + name, defaults: defaults}
	if a.err = model.ValidateName("activity", name); a.err == nil {
		if err := nilOption(defaults); err != nil {
			a.err = fmt.Errorf("default options: %w", err)
		}
	}
	return a
}

// Name returns the activity's name.
func (a *ActivityOf[In, Out]) Name() string { return a.name }

// By binds code to the handle, for serving: often a method value, which carries
// the dependencies.
func (a *ActivityOf[In, Out]) By(fn func(context.Context, In) (Out, error), opts ...CodeOption) Handler {
	h := activityHandler[In, Out]{name: a.name, fn: fn}
	h.settings.apply(opts)
	return h
}

// Bind implements Handler.
func (a *ActivityOf[In, Out]) Bind(env *worker.Env) (worker.Code, error) {
	if a == nil {
		return worker.Code{}, errors.New("the activity is nil")
	}
	return activityHandler[In, Out]{name: a.name, fn: a.fn}.Bind(env)
}

type activityHandler[In, Out any] struct {
	name     string
	settings codeSettings
	fn       func(context.Context, In) (Out, error)
}

// Bind implements Handler.
func (h activityHandler[In, Out]) Bind(env *worker.Env) (worker.Code, error) {
	if h.fn == nil {
		return worker.Code{}, fmt.Errorf("activity %q has no code: give it with By", h.name)
	}
	if h.settings.err != nil {
		return worker.Code{}, fmt.Errorf("activity %q: By: %w", h.name, h.settings.err)
	}
	return worker.Code{Kind: engine.ActivityKind, Name: h.name, Version: h.settings.version, Activity: func(ctx context.Context, input []byte) ([]byte, *model.Failure) {
		in, err := decode[In](env, "input", input)
		if err != nil {
			return nil, FailureOf(err)
		}
		out, err := h.fn(ctx, in)
		if err != nil {
			return nil, FailureOf(outcome(ctx, err))
		}
		payload, err := encode(env, "result", out)
		if err != nil {
			return nil, FailureOf(err)
		}
		return payload, nil
	}}, nil
}

// outcome is what an attempt that returned an error fails with. What a hub refused that
// closes under its own activity is no outcome: the activity is given back, and runs again
// when the hub is open.
func outcome(ctx context.Context, err error) error {
	if a := worker.ActivityOf(ctx); a != nil && errors.Is(err, engine.ErrClosed) && a.Closing() {
		return a.GiveBack(0)
	}
	return err
}

// Call asks for the activity to be run. It fails, without having been asked
// for, with ErrPayloadTooLarge or ErrPayload if the input does not go, and if the
// name or an option is invalid.
func (a *ActivityOf[In, Out]) Call(ctx *Context, in In, opts ...ActivityOption) *Future[Out] {
	f := newFuture[Out](ctx, a.title)
	payload, err := encode(ctx.env, "input", in)
	if err != nil {
		return f.refuse(err)
	}
	settings, err := a.settings(opts)
	if err != nil {
		return f.refuse(err)
	}
	// In a replay it is what had been asked for that counts, however it is encoded now.
	ordinal := ctx.calls.ordinal(a.name, ctx.x.Recorded(a.name, payload))
	ev := model.Event{
		Kind: model.TaskScheduled, Name: a.name, Version: settings.version, Payload: payload,
		Ext: callExt(ordinal, settings, ctx.x.Trace()),
	}
	if settings.retry != nil {
		f.op.SetHook(&retrier{policy: settings.retry, op: &f.op, event: ev, attempt: 1, first: ctx.x.Now()})
	}
	ctx.x.Ask(&f.op, ev)
	return f
}

// settings are what the options of a call and the defaults come to.
func (a *ActivityOf[In, Out]) settings(opts []ActivityOption) (*callSettings, error) {
	switch {
	case a.err != nil:
		return nil, a.err
	case len(a.defaults)+len(opts) == 0:
		return &noSettings, nil
	}
	if err := nilOption(opts); err != nil {
		return nil, err
	}
	s := &callSettings{}
	for _, o := range a.defaults {
		o.applyActivity(s)
	}
	for _, o := range opts {
		o.applyActivity(s)
	}
	if err := s.check(); err != nil {
		return nil, err
	}
	if err := model.ValidateVersion(s.version); err != nil {
		return nil, err
	}
	return s, checkTagBytes(s.tags)
}

var noSettings callSettings

// commonExts are shared by all calls without options: they are many.
var commonExts = func() (exts [17]*model.Ext) {
	for i := range exts {
		exts[i] = &model.Ext{Call: int32(i)}
	}
	return exts
}()

func callExt(call int32, s *callSettings, trace *model.Trace) *model.Ext {
	if int(call) < len(commonExts) && trace == nil && s.tags == nil && s.timeout == 0 && !s.afterCommit {
		return commonExts[call]
	}
	return &model.Ext{Call: call, Tags: s.tags, Timeout: int64(s.timeout), AfterCommit: s.afterCommit, Trace: trace}
}

// IdempotencyKey returns the key of the logical call that an activity's context
// belongs to, in hex; "" for any other context. It is derived from the
// orchestration's execution, the activity's name and input, and which of the
// calls with that name and input it is. So it is the same when a crash makes the
// call run again, for every attempt of its Retry, and after a rewind.
//
// One thing can change it: an activity may begin before its schedule is durable.
// If a crash then loses the step, and the orchestration, run again, takes
// another course or computes another input (from Now or NewGUID, say), the call
// that ran has no counterpart. AfterCommit excludes that.
func IdempotencyKey(ctx context.Context) string {
	if a := worker.ActivityOf(ctx); a != nil {
		return a.IdempotencyKey()
	}
	return ""
}

// Attempt returns which attempt of its call an activity's context belongs to, 1
// for the first; 0 for any other context.
func Attempt(ctx context.Context) int {
	if a := worker.ActivityOf(ctx); a != nil {
		return int(max(a.Item.Attempt, 1))
	}
	return 0
}

// ActivityInfo describes what an activity's context belongs to.
type ActivityInfo struct {
	Name      string
	Version   string            // the call's option, "" if none
	Instance  string            // the orchestration that called
	Execution model.ExecutionID // of the orchestration
	Attempt   int               // 1 for the first
	Timeout   time.Duration     // of one attempt; 0: none
	Tags      map[string]string // of the call, not those of the orchestration
	Trace     *model.Trace      // of the caller; nil: it is not traced
}

// Info returns what an activity's context belongs to; ok is false for any other
// context.
func Info(ctx context.Context) (info ActivityInfo, ok bool) {
	a := worker.ActivityOf(ctx)
	if a == nil {
		return info, false
	}
	i := a.Item
	return ActivityInfo{
		Name: i.Name, Version: i.Version, Instance: i.Instance, Execution: i.Execution, Attempt: Attempt(ctx),
		Timeout: i.Timeout, Tags: maps.Clone(i.Tags), Trace: copied(i.Trace),
	}, true
}
