package durable

import (
	"fmt"
	"maps"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Options are values: each is used wherever the interface that it implements is
// asked for.
type (
	// StartOption is an option of starting an orchestration from a client.
	StartOption interface{ applyStart(*startSettings) }
	// ChildOption is an option of starting an orchestration from a workflow.
	ChildOption interface{ applyChild(*callSettings) }
	// ActivityOption is an option of calling an activity.
	ActivityOption interface{ applyActivity(*callSettings) }
	// SignalOption is an option of signalling an entity from a workflow.
	SignalOption interface{ applySignal(*callSettings) }
	// RequestOption is an option of a client's one-way request.
	RequestOption interface{ applyRequest(*startSettings) }
	// CodeOption is an option of By.
	CodeOption interface{ applyCode(*codeSettings) }
)

type startSettings struct {
	id       string
	named    bool // there is an ID, if an empty one
	version  string
	tags     map[string]string
	at       model.Time
	ifExists engine.Reuse
	key      string
}

type callSettings struct {
	id          string
	named       bool // there is an ID, if an empty one
	version     string
	tags        map[string]string
	at          model.Time
	retry       *Retry
	timeout     time.Duration
	afterCommit bool
}

type codeSettings struct {
	version string
	err     error
}

// apply applies the options of By.
func (s *codeSettings) apply(opts []CodeOption) {
	if s.err = nilOption(opts); s.err != nil {
		return
	}
	for _, o := range opts {
		o.applyCode(s)
	}
}

// nilOption says which of the options is nil, if one is.
func nilOption[O any](opts []O) error {
	for i, o := range opts {
		if any(o) == nil {
			return fmt.Errorf("%w: option %d of %d is nil", engine.ErrInvalid, i+1, len(opts))
		}
	}
	return nil
}

// check reports what is wrong with the options of a call. The size of its tags
// depends on those that it inherits, see checkTagBytes.
func (s *callSettings) check() error {
	if s.timeout < 0 {
		return fmt.Errorf("%w: Timeout of %v, want a positive one, or zero for none", engine.ErrInvalid, s.timeout)
	}
	if err := checkTagNames(s.tags); err != nil {
		return err
	}
	return s.retry.check()
}

// checkTagNames refuses the reserved tag: the engine takes it for the mark of a
// sub-orchestration that does not answer, and a caller would wait for ever.
func checkTagNames(tags map[string]string) error {
	if _, ok := tags[model.FireAndForget]; ok {
		return fmt.Errorf("%w: tag %q is reserved: use Detach to start what nobody waits for", engine.ErrInvalid, model.FireAndForget)
	}
	return nil
}

// checkTagBytes refuses tags that are too large.
func checkTagBytes(tags map[string]string) error {
	size := 0
	for k, v := range tags { // order-free: a sum
		size += len(k) + len(v)
	}
	if size > model.MaxTagBytes {
		return fmt.Errorf("%w: tags have %d bytes, at most %d", ErrPayloadTooLarge, size, model.MaxTagBytes)
	}
	return nil
}

// startSettingsOf applies the options of a start to what it has without them.
func startSettingsOf(s startSettings, opts []StartOption) (startSettings, error) {
	if err := nilOption(opts); err != nil {
		return s, err
	}
	for _, o := range opts {
		o.applyStart(&s)
	}
	if s.ifExists > engine.ReplaceAny {
		return s, fmt.Errorf("%w: IfExists(%d), want Fail, Attach or Replace", engine.ErrInvalid, s.ifExists)
	}
	if s.named {
		if err := validOrchestrationID(s.id); err != nil {
			return s, err
		}
	}
	return s, checkTagNames(s.tags)
}

// ID chooses the instance ID of an orchestration: 1 to 256 bytes of printable
// characters other than / \ # ? and not beginning with @. Without it a client's
// start gets a random one, and a sub-orchestration one that is derived from its
// parent's execution. An empty one is an error: whoever names an ID relies on it.
type ID string

func (o ID) applyStart(s *startSettings) { s.id, s.named = string(o), true }
func (o ID) applyChild(s *callSettings)  { s.id, s.named = string(o), true }

// Version selects the version of the code that runs an orchestration or
// activity, and with By the version that the code is for. Code without a version
// runs every version that has no code of its own.
type Version string

func (o Version) applyStart(s *startSettings)   { s.version = string(o) }
func (o Version) applyChild(s *callSettings)    { s.version = string(o) }
func (o Version) applyActivity(s *callSettings) { s.version = string(o) }
func (o Version) applyCode(s *codeSettings)     { s.version = string(o) }

// Tags are names and values that queries can select by. A sub-orchestration
// inherits those of its parent; its own win. The name "FireAndForget" is reserved
// for what Detach starts: whatever is given a tag of that name is refused.
type Tags map[string]string

func (o Tags) applyStart(s *startSettings)   { s.tags = merged(s.tags, o) }
func (o Tags) applyChild(s *callSettings)    { s.tags = merged(s.tags, o) }
func (o Tags) applyActivity(s *callSettings) { s.tags = merged(s.tags, o) }

func merged(a, b map[string]string) map[string]string {
	if len(a) == 0 {
		return maps.Clone(b)
	}
	a = maps.Clone(a)
	maps.Copy(a, b)
	return a
}

// At says not to begin before a time: a start, a sub-orchestration, a signal.
type At time.Time

func (o At) applyStart(s *startSettings)   { s.at = model.TimeOf(time.Time(o)) }
func (o At) applyRequest(s *startSettings) { s.at = model.TimeOf(time.Time(o)) }
func (o At) applyChild(s *callSettings)    { s.at = model.TimeOf(time.Time(o)) }
func (o At) applySignal(s *callSettings)   { s.at = model.TimeOf(time.Time(o)) }

// IfExists says what a start does if the ID is taken. Without it a living
// instance makes it fail with engine.ErrExists, an ended one is replaced.
type IfExists engine.Reuse

// What to do if the ID is taken.
const (
	Fail    = IfExists(engine.FailIfExists)   // engine.ErrExists, also if the instance has ended
	Attach  = IfExists(engine.AttachIfExists) // a living instance is the result; an ended one is replaced
	Replace = IfExists(engine.ReplaceAny)     // a living instance is terminated and replaced
)

func (o IfExists) applyStart(s *startSettings) { s.ifExists = engine.Reuse(o) }

// RequestKey makes repeated requests with the same key one request. The hub
// remembers keys for a bounded time only. Requests with the context of an
// activity get one by themselves: it follows from the activity's idempotency key,
// from what is asked for (of whom, the name, the payload; not a time, nor tags), and
// from how many equal requests the attempt made before. What an attempt has asked
// for is not asked for again by the next one, in whatever order that goes.
type RequestKey string

func (o RequestKey) applyStart(s *startSettings)   { s.key = string(o) }
func (o RequestKey) applyRequest(s *startSettings) { s.key = string(o) }

// Timeout bounds one attempt of an activity. When it is up the attempt's context
// is done, the attempt has failed with ErrTimeout, and its slot is free, whether
// or not the function returns. Zero is no bound; with less the call fails.
type Timeout time.Duration

func (o Timeout) applyActivity(s *callSettings) { s.timeout = time.Duration(o) }

type afterCommit struct{}

// AfterCommit starts an activity only when its schedule is durable. Without it,
// an activity may have run for a schedule that a crash then lost; with it, its
// idempotency key is stable without condition. It costs the latency of a commit.
var AfterCommit ActivityOption = afterCommit{}

func (afterCommit) applyActivity(s *callSettings) { s.afterCommit = true }
