package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Input is an event with what the log adds to it.
type Input struct {
	// Name is the record's: the partition's epoch and a number that is dense
	// in it, starting at 1.
	Name engine.Name
	// Time is the node's wall time. It may go back; instances see a ratchet.
	Time  model.Time
	Event Event
}

// Event is something that happens to a partition and changes its durable state.
// Reads are not events.
type Event interface {
	// Kind tags the event's record; it is part of the on-disk format.
	Kind() RecordKind
	// Keys appends the instances that Step will touch.
	Keys(dst []Key) []Key
}

// Key names an instance by its ID or, if that is empty, by its ordinal.
type Key struct {
	ID  string
	Ord uint64
}

// RecordKind tags a record.
type RecordKind uint8

// The record kinds. The numbers are part of the on-disk format.
const (
	KindOpened        RecordKind = 1
	KindStart         RecordKind = 2
	KindCommand       RecordKind = 3
	KindStepDone      RecordKind = 4
	KindEntityDone    RecordKind = 5
	KindTaskDone      RecordKind = 6
	KindReceived      RecordKind = 7
	KindAcked         RecordKind = 8
	KindTimersFired   RecordKind = 9
	KindPurged        RecordKind = 10
	KindCleaned       RecordKind = 11
	KindQuarantinedV1 RecordKind = 12
	KindQuarantined   RecordKind = 13
)

// Client identifies a request for deduplication: a session's dense counter, or a
// key that the caller chose, or both.
type Client struct {
	Session [16]byte
	Seq     uint64 // dense per session and partition, from 1; 0 means no dedup by session
	Floor   uint64 // all requests below have been resolved for the client
	Key     string // makes repetitions of an operation on an instance one; remembered for KeyRetention
}

// Opened begins an epoch: the first record of each. Its Name.Number is 1.
type Opened struct {
	Epoch uint64
}

// Start creates an instance for a client.
type Start struct {
	Client  Client
	Request engine.StartRequest // Instance is set and valid
	Retry   bool                // not recorded; it may have been sent before
	Unused  bool                // not recorded; the ID was made up for this request, so no instance can have it
	Caller  any                 // not recorded; returned in the Answer
}

// Op is what a Command asks for.
type Op uint8

// The operations. The numbers are part of the on-disk format.
const (
	opStart     Op = 0 // scopes the keys of Start, which is no Command
	OpRaise     Op = 1 // Name, Payload
	OpSuspend   Op = 2 // Payload is the reason
	OpResume    Op = 3 // Payload is the reason
	OpTerminate Op = 4 // Payload is the output; Recursive
	OpRewind    Op = 5 // Payload is the reason
	OpPurge     Op = 6 // Recursive
	OpSignal    Op = 7 // Name, Payload, At, Trace: to an entity
)

// Command is what a client asks of one instance.
type Command struct {
	Client    Client
	Op        Op
	Instance  string
	Name      string
	Payload   []byte
	At        model.Time
	Trace     *model.Trace
	Recursive bool
	Retry     bool // not recorded; it may have been sent before
	Caller    any  // not recorded; returned in the Answer
}

// StepDone is the result of an orchestration's step.
type StepDone struct {
	Ord uint64
	// Handout is the number of the hand-out that this answers; volatile, checked
	// live and zero in replay.
	Handout uint64
	// Consumed counts the inbox messages that the step consumed.
	Consumed int
	Result   *engine.OrchestrationResult

	own engine.OrchestrationResult // room for the result
}

// NewStepDone fills in an event with a copy of a result, in one piece of memory
// that may be used again when the event has been applied: e may be nil.
func NewStepDone(e *StepDone, r *engine.OrchestrationResult) *StepDone {
	if e == nil {
		e = &StepDone{}
	}
	*e = StepDone{Ord: r.Token.Instance, Handout: r.Token.Name.Number, own: *r}
	e.Result = &e.own
	return e
}

// EntityDone is the result of a batch of entity operations.
type EntityDone struct {
	Ord     uint64
	Handout uint64 // as in StepDone
	Result  *engine.EntityResult
}

// TaskDone is the result of an activity.
type TaskDone struct {
	Ord  uint64
	Task int32
	// Name is that of the record that scheduled the task; volatile, checked live.
	Name    engine.Name
	Result  []byte
	Failure *model.Failure
}

// Received is a run of messages from another partition. They are shared with its
// outbox, and nobody changes them; they have arrived at the time of the record,
// whatever the time in them.
type Received struct {
	Origin   int
	First    uint64 // sequence number of Messages[0]
	Messages []*model.Message
}

// Acked says that another partition has logged everything up to Through.
type Acked struct {
	Dest    int
	Through uint64
}

// TimersFired says that the wall clock has passed these timers.
type TimersFired struct {
	Timers []TimerRef
}

// TimerRef names a timer.
type TimerRef struct {
	FireAt model.Time
	Ord    uint64
	ID     int32
}

// Purged forgets ended instances that a query found, each guarded by its ordinal.
type Purged struct {
	Ords   []uint64
	Caller any
}

// Cleaned tidies entities that a query found.
type Cleaned struct {
	// Empty entities are removed if they still have nothing.
	Empty []uint64
	// Orphans have their lock released if it is still held by the given section.
	Orphans []Orphan
	Caller  any
}

// Orphan is an entity whose lock holder no longer runs; Section is that of its Row.
type Orphan struct {
	Ord     uint64
	Section string
}

// Kind implements Event.
func (*Opened) Kind() RecordKind { return KindOpened }

// Kind implements Event.
func (*Start) Kind() RecordKind { return KindStart }

// Kind implements Event.
func (*Command) Kind() RecordKind { return KindCommand }

// Kind implements Event.
func (*StepDone) Kind() RecordKind { return KindStepDone }

// Kind implements Event.
func (*EntityDone) Kind() RecordKind { return KindEntityDone }

// Kind implements Event.
func (*TaskDone) Kind() RecordKind { return KindTaskDone }

// Kind implements Event.
func (*Received) Kind() RecordKind { return KindReceived }

// Kind implements Event.
func (*Acked) Kind() RecordKind { return KindAcked }

// Kind implements Event.
func (*TimersFired) Kind() RecordKind { return KindTimersFired }

// Kind implements Event.
func (*Purged) Kind() RecordKind { return KindPurged }

// Kind implements Event.
func (*Cleaned) Kind() RecordKind { return KindCleaned }

// Keys implements Event.
func (*Opened) Keys(dst []Key) []Key { return dst }

// Keys implements Event.
func (e *Start) Keys(dst []Key) []Key { return append(dst, Key{ID: e.Request.Instance}) }

// Keys implements Event.
func (e *Command) Keys(dst []Key) []Key { return append(dst, Key{ID: e.Instance}) }

// Keys implements Event.
func (e *StepDone) Keys(dst []Key) []Key { return append(dst, Key{Ord: e.Ord}) }

// Keys implements Event.
func (e *EntityDone) Keys(dst []Key) []Key { return append(dst, Key{Ord: e.Ord}) }

// Keys implements Event.
func (e *TaskDone) Keys(dst []Key) []Key { return append(dst, Key{Ord: e.Ord}) }

// Keys implements Event.
func (*Acked) Keys(dst []Key) []Key { return dst }

// Keys implements Event.
func (e *Received) Keys(dst []Key) []Key {
	for i := range e.Messages {
		if (planted.KeyUndeclared || planted.UnloadedIsAbsent) && i > 0 {
			break
		}
		dst = append(dst, Key{ID: e.Messages[i].To})
	}
	return dst
}

// Keys implements Event.
func (e *TimersFired) Keys(dst []Key) []Key {
	for _, t := range e.Timers {
		dst = append(dst, Key{Ord: t.Ord})
	}
	return dst
}

// Keys implements Event.
func (e *Purged) Keys(dst []Key) []Key {
	for _, ord := range e.Ords {
		dst = append(dst, Key{Ord: ord})
	}
	return dst
}

// Keys implements Event.
func (e *Cleaned) Keys(dst []Key) []Key {
	for _, ord := range e.Empty {
		dst = append(dst, Key{Ord: ord})
	}
	for _, o := range e.Orphans {
		dst = append(dst, Key{Ord: o.Ord})
	}
	return dst
}
