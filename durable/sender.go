package durable

import (
	"errors"
	"strings"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// Sender is who can signal entities, send events and start orchestrations from
// within a workflow: an orchestration's Context or an entity's EntityContext.
// What it sends leaves with its step, all or nothing.
type Sender interface {
	act(model.Event) bool
	environment() *worker.Env
	checkSignal(entity string) error
	trace() *model.Trace
	describeChild(*callSettings) (id string, tags map[string]string, trace *model.Trace)
}

// signal sends a one-way operation.
func signal[In any](from Sender, entity, operation string, in In, opts []SignalOption) error {
	s := &noSettings
	if len(opts) > 0 {
		if err := nilOption(opts); err != nil {
			return err
		}
		s = &callSettings{}
		for _, o := range opts {
			o.applySignal(s)
		}
	}
	if err := validEntityID(entity); err != nil {
		return err
	}
	if err := model.ValidateName("operation", operation); err != nil {
		return err
	}
	if err := from.checkSignal(entity); err != nil {
		return err
	}
	payload, err := encode(from.environment(), "input", in)
	if err != nil {
		return err
	}
	from.act(model.Event{
		Kind: model.EntitySignaled, Instance: entity, Name: operation, Payload: payload, FireAt: s.at, Ext: traceExt(from.trace()),
	})
	return nil
}

// checkChild reports what no orchestration can be started with. The engine
// checks it again; here the code that asks is told.
func checkChild(name string, s *callSettings) error {
	if err := errors.Join(model.ValidateName("orchestration", name), model.ValidateVersion(s.version)); err != nil {
		return err
	}
	return s.check()
}

func traceExt(t *model.Trace) *model.Ext {
	if t == nil {
		return nil
	}
	return &model.Ext{Trace: t}
}

// validEntityID checks an entity's instance ID, at little cost if it is ASCII.
func validEntityID(id string) error {
	if len(id) <= model.MaxInstanceID {
		ok := true
		for i := range len(id) {
			switch c := id[i]; {
			case c < 0x20, c > 0x7e, c == '/', c == '\\', c == '#', c == '?':
				ok = false
			}
		}
		if ok && len(id) > 2 && id[0] == '@' && strings.IndexByte(id[2:], '@') >= 0 && id[1] != '@' {
			return nil
		}
	}
	err := model.ValidateInstanceID(id)
	if err == nil {
		_, err = model.ParseEntityID(id)
	}
	if err != nil {
		return &invalidID{err}
	}
	return nil
}
