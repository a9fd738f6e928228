package durable

import (
	"bytes"
	"hash/maphash"
	"log/slog"
	"maps"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

// Context is an orchestration's access to the world. The code that gets it must
// be deterministic: time, randomness and everything outside come through it or
// through activities, and goroutines are replaced by Go. Using it from another
// goroutine, or after the orchestration has ended, panics.
type Context struct {
	x       *replay.Execution
	env     *worker.Env
	logger  *slog.Logger
	section *section
	calls   callCounter
	guids   uint32
	patches map[string]bool
}

func newContext(x *replay.Execution, env *worker.Env) *Context {
	return &Context{x: x, env: env}
}

// ID returns the orchestration's instance ID.
func (c *Context) ID() string { return c.x.Instance }

// Name returns the orchestration's name.
func (c *Context) Name() string { return c.x.Started().Name }

// Version returns the version that the instance was started with, or "".
func (c *Context) Version() string { return c.x.Started().Version }

// ExecutionID returns the ID of this execution: new after continue-as-new.
func (c *Context) ExecutionID() model.ExecutionID { return c.x.Execution }

// Parent returns a copy of what names the orchestration that waits for this one, or
// nil.
func (c *Context) Parent() *model.Parent { return copied(c.x.Started().Extra().Parent) }

// copied returns a copy for code that may change it: what it is of is shared with the
// engine.
func copied[T any](p *T) *T {
	if p == nil {
		return nil
	}
	c := *p
	return &c
}

// Tags returns a copy of the instance's tags.
func (c *Context) Tags() map[string]string { return maps.Clone(c.x.Started().Extra().Tags) }

// Now returns the time at which the current step began: the same in every replay.
func (c *Context) Now() time.Time { return c.x.Now().Std() }

// Replaying reports whether the code is running again what it did before a
// restart or eviction. It is for side effects such as metrics; what the
// orchestration asks for must not depend on it.
func (c *Context) Replaying() bool { return c.x.Replaying() }

// Unwinding reports whether this copy of the orchestration is being given up,
// while the orchestration itself goes on elsewhere or was ended: deferred
// functions run, and durable calls in them have no effect. One that goes on making such
// calls is ended after many, and does nothing of what comes after them: what must be
// cleaned up locally belongs into a deferred function of its own, as those run still.
func (c *Context) Unwinding() bool { return c.x.Unwinding() }

// SetStatus replaces the instance's custom status, which clients can read at
// any time. It becomes visible with the step. An error says that v cannot be
// encoded or is too large.
func (c *Context) SetStatus(v any) error {
	payload, err := encode(c.env, "custom status", v)
	if err != nil {
		return err
	}
	c.x.SetStatus(payload)
	return nil
}

// Terminate ends another orchestration at once, with the given output. It takes
// effect with the step; an instance that does not exist or has ended is left alone.
func (c *Context) Terminate(instance string, output []byte, recursive bool) {
	c.x.Terminate(engine.TerminateRequest{Instance: instance, Output: bytes.Clone(output), Recursive: recursive})
}

// Patched guards changed code: it is false for executions that were here before
// the change was deployed, and true for all others, for good. Every patch needs
// a name of its own. Once no execution from before is left, the call and the old
// branch can go.
func (c *Context) Patched(name string) bool {
	c.x.Now() // checks the caller
	if known, ok := c.patches[name]; ok {
		return known
	}
	if c.x.Unwinding() {
		return false
	}
	on := c.x.Marked(name)
	if c.patches == nil {
		c.patches = map[string]bool{}
	}
	c.patches[name] = on
	return on
}

// act implements Sender.
func (c *Context) act(ev model.Event) bool { return c.x.Act(ev) }

// environment implements Sender.
func (c *Context) environment() *worker.Env { return c.env }

// checkSignal implements Sender.
func (c *Context) checkSignal(entity string) error {
	c.x.Now() // checks the caller
	return c.section.checkSignal(entity)
}

// trace implements Sender.
func (c *Context) trace() *model.Trace { return c.x.Trace() }

// describeChild implements Sender.
func (c *Context) describeChild(s *callSettings) (id string, tags map[string]string, trace *model.Trace) {
	tags, trace = c.childTags(s.tags), c.x.Trace()
	if s.id != "" {
		return s.id, tags, trace
	}
	return childID(c.x.Execution, c.x.NextID()), tags, trace
}

// childTags is what a child inherits and adds.
func (c *Context) childTags(own map[string]string) map[string]string {
	inherited := c.x.Started().Extra().Tags
	if len(inherited) == 0 {
		return own
	}
	return merged(inherited, own)
}

// callCounter counts calls with the same name and input, for their idempotency
// keys: so a call keeps its key even if a re-execution makes other calls before it.
type callCounter struct {
	few  [6]uint64 // hashes of calls that were made once
	n    int
	many map[uint64]int32
}

var callSeed = maphash.MakeSeed()

// ordinal returns the 1-based ordinal of a call among its equals.
func (c *callCounter) ordinal(name string, input []byte) int32 {
	var h maphash.Hash
	h.SetSeed(callSeed)
	_, _ = h.WriteString(name)
	_ = h.WriteByte(0)
	_, _ = h.Write(input)
	sum := h.Sum64()
	if c.many == nil {
		known := false
		for _, other := range c.few[:c.n] {
			known = known || other == sum
		}
		if !known && c.n < len(c.few) {
			c.few[c.n] = sum
			c.n++
			return 1
		}
		c.many = make(map[uint64]int32, 4*len(c.few))
		for _, other := range c.few[:c.n] {
			c.many[other] = 1
		}
	}
	c.many[sum]++
	return c.many[sum]
}
