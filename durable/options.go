package durable

import (
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
	version  string
	tags     map[string]string
	at       model.Time
	ifExists engine.Reuse
	key      string
}

type callSettings struct {
	id          string
	version     string
	tags        map[string]string
	at          model.Time
	retry       *Retry
	timeout     time.Duration
	afterCommit bool
}

type codeSettings struct{ version string }

// ID chooses the instance ID of an orchestration: 1 to 256 bytes of printable
// characters other than / \ # ? and not beginning with @. Without it a client's
// start gets a random one, and a sub-orchestration one that is derived from its
// parent's execution.
type ID string

func (o ID) applyStart(s *startSettings) { s.id = string(o) }
func (o ID) applyChild(s *callSettings)  { s.id = string(o) }

// Version selects the version of the code that runs an orchestration or
// activity, and with By the version that the code is for. Code without a version
// runs every version that has no code of its own.
type Version string

func (o Version) applyStart(s *startSettings)   { s.version = string(o) }
func (o Version) applyChild(s *callSettings)    { s.version = string(o) }
func (o Version) applyActivity(s *callSettings) { s.version = string(o) }
func (o Version) applyCode(s *codeSettings)     { s.version = string(o) }

// Tags are names and values that queries can select by. A sub-orchestration
// inherits those of its parent; its own win.
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
// activity get one by themselves, derived from the activity's idempotency key.
type RequestKey string

func (o RequestKey) applyStart(s *startSettings)   { s.key = string(o) }
func (o RequestKey) applyRequest(s *startSettings) { s.key = string(o) }

// Timeout bounds one attempt of an activity. When it is up the attempt's context
// is done, the attempt has failed with ErrTimeout, and its slot is free, whether
// or not the function returns.
type Timeout time.Duration

func (o Timeout) applyActivity(s *callSettings) { s.timeout = time.Duration(o) }

type afterCommit struct{}

// AfterCommit starts an activity only when its schedule is durable. Without it,
// an activity may have run for a schedule that a crash then lost; with it, its
// idempotency key is stable without condition. It costs the latency of a commit.
var AfterCommit ActivityOption = afterCommit{}

func (afterCommit) applyActivity(s *callSettings) { s.afterCommit = true }
