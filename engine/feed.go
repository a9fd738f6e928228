package engine

import (
	"context"
	"time"

	"github.com/netherite-go/netherite/model"
)

// Feed hands work items to workers and takes their results back.
type Feed interface {
	// Connect attaches a worker. Items flow to it until the connection is
	// closed, which gives back at once what it has not completed.
	Connect(Worker) (Connection, error)
}

// Worker runs work items. The engine calls its methods from any goroutine;
// none may block or call back into the Connection before it returns.
type Worker interface {
	// Limits is read once, at Connect.
	Limits() Limits
	// Handles reports whether this worker has code for the named work. Work that
	// no worker handles waits. What it answers is remembered until any worker
	// comes, goes, or says that it has changed (Connection.Changed).
	Handles(kind ItemKind, name, version string) bool
	// Offer hands over items; the worker owns them now. The three slices are the
	// engine's again when it returns.
	Offer(Items)
	// Cancel says that nobody wants the result of an activity any more, or that
	// the engine recovers and will offer it again. What an activity fails with
	// after that is no outcome: the worker abandons it.
	Cancel(Token)
}

// Limits bounds what a worker has at a time, per kind. Zero means the engine's default.
type Limits struct {
	Orchestrations int
	Activities     int
	Entities       int
	// Live is about how many orchestrations the worker keeps alive between steps, so
	// that the next one needs no replay; 0 if that does not matter. The engine lets
	// orchestrations begin so that no more of them than that are at work, unless
	// these take long.
	Live int
}

// ItemKind tells the three kinds of work apart.
type ItemKind uint8

// The kinds of work items.
const (
	OrchestrationKind ItemKind = iota
	ActivityKind
	EntityKind
)

// String returns "orchestration", "activity" or "entity".
func (k ItemKind) String() string { return [...]string{"orchestration", "activity", "entity"}[k] }

// Items is a batch of work.
type Items struct {
	Orchestrations []*OrchestrationItem
	Activities     []*ActivityItem
	Entities       []*EntityItem
}

// Connection is a worker's side of the feed. A result for an item that is not
// (or no longer) this connection's is refused with ErrStale.
//
// CompleteOrchestration and CompleteActivity copy the result: the worker may use
// its memory again, but not what it points to.
//
// CompleteEntity refuses a result that breaks a limit or asks for what there cannot
// be with ErrTooLarge or ErrInvalid. The batch is still the worker's then.
type Connection interface {
	CompleteOrchestration(*OrchestrationResult) error
	CompleteActivity(*ActivityResult) error
	CompleteEntity(*EntityResult) error
	// Abandon gives an item back, to be offered again after the delay.
	Abandon(kind ItemKind, t Token, after time.Duration) error
	// History reads the committed past of an item's execution: everything
	// before its NewEvents.
	History(context.Context, *OrchestrationItem) ([]model.Event, error)
	// Changed says that the worker's Handles answers otherwise from now on. What
	// it has already stays its own.
	Changed()
	Close()
}

// Drainer is a Connection that can be told that its worker takes nothing more, but goes
// on with what it has, maybe for long: others are to be given the work meanwhile.
type Drainer interface {
	Connection
	// Drain returns at once. No item is offered any more when it has returned.
	Drain()
	// Decline gives back, after Drain, an item that has not begun: as soon as that cannot
	// bring it here again, with the connection at the latest.
	Decline(kind ItemKind, t Token)
}

// Leaver is a Connection that can be told to hand its worker nothing more. What the
// worker has it may complete as ever, and what is on its way it gives back. Code that it
// alone has counts as being there until the connection is closed.
type Leaver interface {
	Connection
	Leave()
}

// Token names one piece of handed-out work. It is opaque to workers and
// comparable. For a step it is good for this hand-out only. For an activity it
// is the name of the record that scheduled it, so it stays good exactly as long
// as that record does, also across restarts: for a result, of whatever hand-out.
// What is given back is one hand-out of it only.
type Token struct {
	Partition uint32
	Task      int32 // the activity's ID; NoID for a step
	Instance  uint64
	Name      Name
	HandOut   uint64 // of an activity, numbered by this process; zero for a step
}

// Name names something that happened in a partition's epoch: a log record (by
// its dense number) or a hand-out of a step. An epoch is never used twice, so
// two different histories never share a name. The zero Name is that of nothing.
type Name struct {
	Epoch  uint64
	Number uint64
}

// OrchestrationItem asks for one step of an orchestration.
type OrchestrationItem struct {
	Token     Token
	Instance  string
	Execution model.ExecutionID
	Name      string
	Version   string
	// Last is the Token.Name of the hand-out whose result was the last committed
	// step. A live copy of the orchestration may be continued only if that is
	// the last item it completed; otherwise (also when Last is zero) it is
	// rebuilt from History.
	Last Name
	// Now is the step's replay-safe time, the Time of the OrchestratorStarted
	// event that begins the step in history. It never goes back. The first step
	// after continue-as-new is in a later tick of 100 ns than those before it, so that
	// GUIDs, which languages derive from it and the instance's ID, are new.
	Now model.Time
	// NewEvents are the messages to consume, in order. Empty only when the
	// previous step asked to go on (OrchestrationResult.More).
	NewEvents []model.Event
	// More says that the last committed step asked to go on
	// (OrchestrationResult.More): code that is rebuilt from History asks for more
	// than History has, also if NewEvents have come meanwhile.
	More bool
	// PastEvents counts the events that History would return.
	PastEvents int64
	PastBytes  int64 // of them, encoded
	// Past is the engine's: what History needs, if it is at hand.
	Past []byte
}

// OrchestrationResult is one step's outcome, committed all or nothing.
type OrchestrationResult struct {
	Token Token
	Now   model.Time // the item's Now
	// Events are the outgoing events (Kind.Outgoing) in action order with
	// ascending IDs; the engine stamps their Time. ExecutionCompleted comes last.
	Events []model.Event
	// SetStatus says that CustomStatus replaces the instance's.
	SetStatus    bool
	CustomStatus []byte
	// More says that the step has more events than fit; the engine commits these
	// and offers the instance again at once.
	More bool
	// CancelTimers lists timers whose firing nobody awaits any more.
	CancelTimers []int32
	// CancelTasks lists activities whose result nobody awaits any more: one that
	// has not begun is not begun, a running one is cancelled; its result, if
	// any, is still recorded.
	CancelTasks []int32
	// Terminate asks for other instances to be terminated.
	Terminate []TerminateRequest
	// Awaits names the external events that the code now waits for.
	Awaits []string
	// Rewound, when not nil, replaces the history (foreign languages answer
	// ExecutionRewound so).
	Rewound []model.Event
}

// ActivityItem asks for one run of an activity.
type ActivityItem struct {
	Token     Token
	Instance  string
	Execution model.ExecutionID
	Task      int32
	Name      string
	Version   string
	Input     []byte
	Tags      map[string]string
	Trace     *model.Trace
	Call      int32 // ordinal of the logical call, see model.Ext
	Attempt   int32 // 1-based
	Timeout   time.Duration
}

// ActivityResult is what one run came to: a result, or a failure.
type ActivityResult struct {
	Token   Token
	Result  []byte
	Failure *model.Failure
}

// EntityItem asks for a batch of operations on an entity.
type EntityItem struct {
	Token    Token
	Instance string // "@type@key"
	// Last is as in OrchestrationItem: a worker's decoded copy of the state may
	// be used instead of State only if it completed exactly that item last.
	Last Name
	Now  model.Time
	// Execution identifies the entity's current life, for derived IDs.
	Execution model.ExecutionID
	State     []byte // nil: none
	// Operations are EntitySignaled and EntityCalled events in order.
	Operations []model.Event
	LockedBy   string
}

// EntityResult is the outcome of a batch, committed all or nothing.
type EntityResult struct {
	Token Token
	Now   model.Time // the item's Now
	// Results[i] answers Operations[i]; fewer results leave the rest queued.
	Results []OperationResult
	State   []byte // nil: none, the entity is deleted when idle
	// Events are what successful operations sent: EntitySignaled and EventSent
	// to other instances, ChildCreated (always without an answer) to start one.
	Events []model.Event
	// Failure, when not nil, means the worker could not run the batch at all:
	// it is offered again after a delay.
	Failure *model.Failure
}

// OperationResult is what one entity operation came to.
type OperationResult struct {
	Output  []byte
	Failure *model.Failure
}
