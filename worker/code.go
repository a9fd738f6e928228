package worker

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// Codec turns values into payloads and back. It must be deterministic where
// payloads are compared (an entity's state), and safe for concurrent use.
type Codec interface {
	// Encode returns the payload of a value; nil stands for an absent one. It must not
	// use the payload's memory again.
	Encode(v any) ([]byte, error)
	// Decode sets what the pointer v points to from a payload that Encode made. It
	// must neither change nor keep the payload, which is the stored one.
	Decode(payload []byte, v any) error
}

// DefaultPayloadLimit is the default of Env.PayloadLimit: 2 MiB.
const DefaultPayloadLimit = 2 << 20

// Env is what all code of a worker shares.
type Env struct {
	Codec        Codec        // nil: the language's default
	PayloadLimit int          // bytes of one payload; 0 is DefaultPayloadLimit
	Logger       *slog.Logger // nil: nothing is logged
}

// Handler is code that can be served. Languages implement it.
type Handler interface {
	// Bind returns the code as it runs in env. An incomplete handler is an error.
	Bind(env *Env) (Code, error)
}

// Code is what runs one kind of work: of the fields Orchestration, Activity and
// Entity the one that Kind says is set.
type Code struct {
	Kind    engine.ItemKind
	Name    string
	Version string // "": every version that has no code of its own

	Orchestration replay.Program
	Activity      Activity
	Entity        EntityType
}

// Activity runs one attempt of an activity. Its context is an *ActivityContext.
type Activity func(ctx context.Context, input []byte) ([]byte, *model.Failure)

// EntityType runs operations on the states of one type of entity. A state is
// whatever NewState or Decode returned; it is used by one goroutine at a time.
type EntityType interface {
	// NewState returns the state of an entity that has none yet.
	NewState() any
	Decode(payload []byte) (any, error)
	// Encode returns a payload that is never nil.
	Encode(state any) ([]byte, error)
	// Rollback says how a failed operation is taken back.
	Rollback() Rollback
	// Copy returns a deep copy of state; into may be a copy of before, to be
	// written over, or nil. Only called if Rollback is ByCopy.
	Copy(state, into any) any
	// Operation finds an operation by its name; ok is false if there is none.
	Operation(name string) (op Operation, ok bool)
}

// Operation is one operation of an entity type.
type Operation struct {
	// Run applies the operation to state. What it sends goes to call.
	Run func(state any, call *EntityCall, input []byte) ([]byte, *model.Failure)
	// ReadOnly promises not to change the state.
	ReadOnly bool
	// Delete removes the state instead; Run is nil.
	Delete bool
}

// Rollback is a way to restore the state after a failed operation.
type Rollback uint8

const (
	// ByEncoding goes back to an encoding of the state; operations of a batch may
	// have to run twice for that.
	ByEncoding Rollback = iota
	// ByCopy copies the state before every operation that changes it.
	ByCopy
	// ByValidation trusts operations to fail before they change anything.
	ByValidation
)

// codeKey finds code.
type codeKey struct {
	kind          engine.ItemKind
	name, version string
}

// registry is the code of a worker, fixed at its creation.
type registry map[codeKey]*Code

func newRegistry(handlers []Handler, env *Env) (registry, error) {
	r := registry{}
	for i, h := range handlers {
		if h == nil {
			return nil, fmt.Errorf("handler %d of %d is nil", i+1, len(handlers))
		}
		c, err := h.Bind(env)
		if err != nil {
			return nil, fmt.Errorf("handler %d of %d: %w", i+1, len(handlers), err)
		}
		if err := c.check(); err != nil {
			return nil, fmt.Errorf("handler %d of %d: %w", i+1, len(handlers), err)
		}
		k := codeKey{c.Kind, c.Name, c.Version}
		if r[k] != nil {
			return nil, fmt.Errorf("handler %d of %d: %s is registered twice", i+1, len(handlers), c.title())
		}
		r[k] = &c
	}
	return r, nil
}

func (c *Code) check() error {
	if err := model.ValidateName(c.Kind.String(), c.Name); err != nil {
		return err
	}
	missing := false
	switch c.Kind {
	case engine.OrchestrationKind:
		missing = c.Orchestration == nil
	case engine.ActivityKind:
		missing = c.Activity == nil
	case engine.EntityKind:
		missing = c.Entity == nil
	}
	if missing {
		return fmt.Errorf("%s has no code", c.title())
	}
	return nil
}

func (c *Code) title() string {
	s := fmt.Sprintf("%s %q", c.Kind, c.Name)
	if c.Version != "" {
		s += fmt.Sprintf(" version %q", c.Version)
	}
	return s
}

// find returns the code for a version, or else the one for every version.
func (r registry) find(kind engine.ItemKind, name, version string) *Code {
	if version != "" {
		if c := r[codeKey{kind, name, version}]; c != nil {
			return c
		}
	}
	return r[codeKey{kind, name, ""}]
}

// Served names code that a worker has.
type Served struct {
	Kind    engine.ItemKind
	Name    string
	Version string // "": every version that has no code of its own
}

// Serves lists the code that the worker has, in order.
func (w *Worker) Serves() []Served {
	list := make([]Served, 0, len(w.code))
	for k := range w.code { // order-free: sorted below
		list = append(list, Served{k.kind, k.name, k.version})
	}
	slices.SortFunc(list, func(a, b Served) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version))
	})
	return list
}
