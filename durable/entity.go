package durable

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// EntityOf is a handle of a type of entities: small durable objects with a state
// S, addressed by a key. Their operations run one at a time and are declared
// with Operation and Getter.
//
// An operation that fails, or panics, leaves the state, and what it wanted to
// send, as before it. The state is restored from a copy if S has a method
// Clone() S or Clone() *S, or is free of references; otherwise from its payload.
// Then other operations that are applied together with a failed one may have to
// run again, as they may after a crash: what they do must be confined to the state
// and to what they send. The option ValidatesFirst does without all that.
//
// An entity comes to be with its first successful operation that is not a
// Getter, on a zero S. The operation "delete" exists unless one of that name is
// declared.
type EntityOf[S any] struct {
	name       string
	prefix     string
	validates  bool
	operations map[string]worker.Operation
	err        error // of a declaration
}

// Entity declares a type of entities. Names are compared without case and must
// not contain "@".
func Entity[S any](name string, opts ...EntityOption) *EntityOf[S] {
	e := &EntityOf[S]{name: strings.ToLower(name), operations: map[string]worker.Operation{}}
	e.prefix = model.EntityID{Name: name}.String()
	if strings.Contains(name, "@") {
		e.err = fmt.Errorf("entity name %q contains @", name)
	}
	var s entitySettings
	if err := nilOption(opts); err != nil {
		e.err, opts = fmt.Errorf("entity %q: %w", e.name, err), nil
	}
	for _, o := range opts {
		o.applyEntity(&s)
	}
	e.validates = s.validates
	return e
}

// EntityOption is an option of Entity.
type EntityOption interface{ applyEntity(*entitySettings) }

type entitySettings struct{ validates bool }

type validatesFirst struct{}

func (validatesFirst) applyEntity(s *entitySettings) { s.validates = true }

// ValidatesFirst declares that operations return an error only before they
// change the state. Then it is saved once per batch of operations, and nothing is
// ever restored. An operation that breaks the promise leaves its changes behind.
var ValidatesFirst EntityOption = validatesFirst{}

// Name returns the type's name, in lower case.
func (e *EntityOf[S]) Name() string { return e.name }

// Key addresses one entity with a state S.
type Key[S any] struct{ id string }

// Key returns the address of the entity with a key. It may be empty, and is
// compared with case; with the type's name it is at most 254 bytes.
func (e *EntityOf[S]) Key(key string) Key[S] { return Key[S]{e.prefix + key} }

// InstanceID returns "@type@key".
func (k Key[S]) InstanceID() string { return k.id }

// String returns "@type@key".
func (k Key[S]) String() string { return k.id }

// Delete returns the operation that removes an entity's state.
func (e *EntityOf[S]) Delete() *OperationOf[S, None, None] {
	return &OperationOf[S, None, None]{entity: e, name: deleteOperation}
}

const deleteOperation = "delete"

// Bind implements Handler.
func (e *EntityOf[S]) Bind(env *worker.Env) (worker.Code, error) {
	if e == nil {
		return worker.Code{}, errors.New("the entity type is nil")
	}
	if e.err != nil {
		return worker.Code{}, e.err
	}
	return worker.Code{Kind: engine.EntityKind, Name: e.name, Entity: newEntityType(e, env)}, nil
}

// entityType implements worker.EntityType.
type entityType[S any] struct {
	env        *worker.Env
	what       string
	rollback   worker.Rollback
	clone      func(*S) *S // nil: assignment copies
	operations map[string]worker.Operation
}

func newEntityType[S any](e *EntityOf[S], env *worker.Env) *entityType[S] {
	t := &entityType[S]{env: env, what: "state of entity " + e.name, operations: map[string]worker.Operation{}}
	t.operations[deleteOperation] = worker.Operation{Delete: true}
	for _, name := range slices.Sorted(maps.Keys(e.operations)) { // of two names that differ in case only, always the same one's
		t.operations[strings.ToLower(name)] = e.operations[name]
	}
	maps.Copy(t.operations, e.operations) // then exact names, which go before
	var none *S
	switch c := any(none).(type) {
	case interface{ Clone() *S }:
		t.rollback, t.clone = worker.ByCopy, func(s *S) *S { return any(s).(interface{ Clone() *S }).Clone() }
	case interface{ Clone() S }:
		t.rollback, t.clone = worker.ByCopy, func(s *S) *S { v := any(s).(interface{ Clone() S }).Clone(); return &v }
	default:
		_ = c
		if flat(reflect.TypeFor[S]()) {
			t.rollback = worker.ByCopy
		}
	}
	if e.validates {
		t.rollback = worker.ByValidation
	}
	return t
}

// flat reports whether assignment copies all of a type's values: there are no
// references in them but strings, which nobody can change.
func flat(t reflect.Type) bool {
	switch t.Kind() {
	case reflect.Bool, reflect.String, reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64, reflect.Uintptr,
		reflect.Float32, reflect.Float64, reflect.Complex64, reflect.Complex128:
		return true
	case reflect.Array:
		return flat(t.Elem())
	case reflect.Struct:
		for i := range t.NumField() {
			if !flat(t.Field(i).Type) {
				return false
			}
		}
		return true
	}
	return false
}

func (t *entityType[S]) NewState() any { return new(S) }

func (t *entityType[S]) Decode(payload []byte) (any, error) {
	v, err := decode[S](t.env, t.what, payload)
	return &v, err
}

func (t *entityType[S]) Encode(state any) ([]byte, error) {
	payload, err := encode(t.env, t.what, *state.(*S))
	if payload == nil {
		payload = []byte{} // nil would be no state
	}
	return payload, err
}

func (t *entityType[S]) Rollback() worker.Rollback { return t.rollback }

func (t *entityType[S]) Copy(state, into any) any {
	if t.clone != nil {
		return t.clone(state.(*S))
	}
	backup, ok := into.(*S)
	if !ok {
		backup = new(S)
	}
	*backup = *state.(*S)
	return backup
}

func (t *entityType[S]) Operation(name string) (worker.Operation, bool) {
	op, ok := t.operations[name]
	if !ok {
		op, ok = t.operations[strings.ToLower(name)]
	}
	return op, ok
}

// Read returns an entity's state from outside of any workflow; ok is false if
// the entity has none. It includes every operation that was acknowledged before
// the call, for which it waits, except those that wait for a critical section to
// end or for a program that has the entity's code.
func (e *EntityOf[S]) Read(ctx context.Context, hub Hub, key Key[S]) (state S, ok bool, err error) {
	inst, err := hub.Engine().Get(ctx, key.id, engine.GetOptions{Payloads: true, Fresh: true})
	switch {
	case errors.Is(err, engine.ErrNotFound):
		return state, false, nil
	case err != nil:
		return state, false, fmt.Errorf("read entity: %w", err) // which says of what ID
	case inst.Entity == nil || inst.Entity.State == nil:
		return state, false, nil
	}
	if state, err = decodeFor[S](hub, "state of entity "+e.name, inst.Entity.State); err != nil {
		return state, false, fmt.Errorf("read entity %s: %w", key, err)
	}
	return state, true, nil
}

// EntityRecord is one entity in a List.
type EntityRecord[S any] struct {
	Key      Key[S]
	State    S               // zero if there is none
	HasState bool            // one that was deleted, or only locked so far, has none
	Instance *model.Instance // times, lock and backlog
}

// List yields the entities of the type whose key begins with a prefix. It reads
// page by page, each as of its own moment, and ends with the first error.
func (e *EntityOf[S]) List(ctx context.Context, hub Hub, prefix string) iter.Seq2[EntityRecord[S], error] {
	q := engine.Query{Entities: true, IDPrefix: e.prefix + prefix, GetOptions: engine.GetOptions{Payloads: true}}
	return func(yield func(EntityRecord[S], error) bool) {
		for inst, err := range Query(ctx, hub, q) {
			r := EntityRecord[S]{Instance: inst}
			if err == nil {
				r.Key.id = inst.ID
				if r.HasState = inst.Entity != nil && inst.Entity.State != nil; r.HasState {
					r.State, err = decodeFor[S](hub, "state of entity "+e.name, inst.Entity.State)
				}
			}
			if !yield(r, err) || err != nil {
				return
			}
		}
	}
}
