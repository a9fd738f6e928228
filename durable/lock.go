package durable

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker/replay"
)

// Lockable is an entity that a critical section can include: a Key.
type Lockable interface{ InstanceID() string }

// section is the critical section that an orchestration asked for or is in.
type section struct {
	id      string
	set     []string // instance IDs, sorted
	granted bool
	busy    map[string]*replay.Op // the call to each entity that was made last
}

// Lock enters a critical section: it blocks until no other orchestration uses
// the entities, and then they serve nobody else until unlock is called or the
// orchestration ends in any way. Entities are locked in the order of their IDs,
// so sections cannot deadlock among each other. Calling unlock again has no effect.
//
// Inside of a critical section these fail with ErrCriticalSection: entering
// another one, calling an entity that is not locked, calling one while a call to
// it is not answered, signalling a locked one, and calling a sub-orchestration.
// While the section is being entered, a branch can call no entity at all.
func Lock(ctx *Context, keys ...Lockable) (unlock func(), err error) {
	ctx.x.Now() // checks the caller
	if len(keys) == 0 {
		return nil, violation("it needs at least one entity")
	}
	if ctx.section != nil {
		return nil, violation("the orchestration is in a critical section already, and they do not nest")
	}
	s := &section{set: make([]string, 0, len(keys))}
	for i, k := range keys {
		if k == nil {
			return nil, NonRetriable(fmt.Errorf("%w: entity %d of %d is nil", engine.ErrInvalid, i+1, len(keys)))
		}
		if err := validEntityID(k.InstanceID()); err != nil {
			return nil, err
		}
		s.set = append(s.set, k.InstanceID())
	}
	slices.Sort(s.set)
	s.set = slices.Compact(s.set)
	if n := len(s.set); n > model.MaxLockSet {
		return nil, violation("it would lock %d entities, at most %d are allowed", n, model.MaxLockSet)
	}
	s.id = replay.SectionID(ctx.x.Execution, ctx.x.NextID())
	op := &replay.Op{}
	op.Init(ctx.x, "lock "+strings.Join(s.set, ", "))
	if !ctx.x.Ask(op, model.Event{Kind: model.EntityLockRequested, RequestID: s.id, Ext: &model.Ext{LockSet: s.set}}) {
		return func() {}, ErrUnwinding
	}
	ctx.section = s
	ctx.x.AtEnd = ctx.unlock
	if !op.Wait() {
		return func() {}, ErrUnwinding
	}
	s.granted = true
	return func() {
		ctx.x.Now() // checks the caller
		if ctx.section == s {
			ctx.unlock()
		}
	}, nil
}

// unlock leaves the critical section. While the orchestration is unwound it does
// nothing: the orchestration, and its section, live on.
func (c *Context) unlock() {
	s := c.section
	if s == nil || c.x.Unwinding() {
		return
	}
	c.section = nil
	for _, entity := range s.set {
		c.x.Act(model.Event{Kind: model.EntityUnlockSent, RequestID: s.id, Instance: entity})
	}
}

func (s *section) has(entity string) bool {
	_, found := slices.BinarySearch(s.set, entity)
	return found
}

func violation(format string, args ...any) error {
	return NonRetriable(fmt.Errorf("%w: "+format, append([]any{ErrCriticalSection}, args...)...))
}

// checkChild refuses sub-orchestrations inside: they could wait for the locks.
func (s *section) checkChild() error {
	if s != nil {
		return violation("a sub-orchestration cannot be called inside of it")
	}
	return nil
}

// checkSignal refuses signals to locked entities: they would overtake calls.
func (s *section) checkSignal(entity string) error {
	if s != nil && s.has(entity) {
		return violation("entity %s is locked and cannot be signalled, only called", entity)
	}
	return nil
}

// checkCall refuses calls that the section does not cover, and notes the others.
func (s *section) checkCall(entity string, op *replay.Op) error {
	switch {
	case s == nil:
		return nil
	case !s.granted:
		return violation("entity %s cannot be called while locks are being acquired", entity)
	case !s.has(entity):
		return violation("entity %s is not locked, so it cannot be called inside", entity)
	}
	if last := s.busy[entity]; last != nil && !last.Done() {
		return violation("entity %s has not answered the call before", entity)
	}
	if s.busy == nil {
		s.busy = make(map[string]*replay.Op, len(s.set))
	}
	s.busy[entity] = op
	return nil
}

// IsLocked reports whether the orchestration is in a critical section, and of
// which entities.
func IsLocked(ctx *Context) (entities []string, locked bool) {
	ctx.x.Now() // checks the caller
	if ctx.section == nil || !ctx.section.granted {
		return nil, false
	}
	return slices.Clone(ctx.section.set), true
}
