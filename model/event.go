package model

// Kind says what an Event is. The numbers are the field numbers of the Durable
// Task protocol's HistoryEvent; they are part of the on-disk format.
type Kind uint8

// The kinds of events. "out" marks those that an orchestration asks for, "in"
// those that it is told.
const (
	ExecutionStarted      Kind = 3  // in: first event of an execution
	ExecutionCompleted    Kind = 4  // out: last event of an execution
	ExecutionTerminated   Kind = 5  // in
	TaskScheduled         Kind = 6  // out: run an activity
	TaskCompleted         Kind = 7  // in
	TaskFailed            Kind = 8  // in
	ChildCreated          Kind = 9  // out: start a sub-orchestration
	ChildCompleted        Kind = 10 // in
	ChildFailed           Kind = 11 // in
	TimerCreated          Kind = 12 // out
	TimerFired            Kind = 13 // in
	OrchestratorStarted   Kind = 14 // in: begins a step; its Time is the step's replay-safe now
	OrchestratorCompleted Kind = 15 // never recorded by this engine; accepted from others
	EventSent             Kind = 16 // out: external event to another instance
	EventRaised           Kind = 17 // in
	GenericEvent          Kind = 18 // in: a note without meaning to the orchestration
	HistoryState          Kind = 19 // never recorded by this engine; accepted from others
	ContinuedAsNewEvent   Kind = 20 // never recorded by this engine; accepted from others
	ExecutionSuspended    Kind = 21 // in
	ExecutionResumed      Kind = 22 // in
	EntitySignaled        Kind = 23 // out; to an entity: one-way operation
	EntityCalled          Kind = 24 // out; to an entity: operation with an answer
	EntityResponded       Kind = 25 // in: answer to a call
	EntityOperationFailed Kind = 26 // in: failed answer to a call
	EntityLockRequested   Kind = 27 // out; to an entity
	EntityLockGranted     Kind = 28 // in
	EntityUnlockSent      Kind = 29 // out; to an entity
	ExecutionRewound      Kind = 30 // in
	maxKind                    = ExecutionRewound

	// MarkerRecorded is not of the protocol: a note of the code to itself, to
	// tell executions that passed a changed place before the change from those
	// that did so after. It has no effect beyond the history.
	MarkerRecorded Kind = 64 // out
	minKind             = ExecutionStarted
)

var kindNames = [...]string{
	ExecutionStarted: "ExecutionStarted", ExecutionCompleted: "ExecutionCompleted", ExecutionTerminated: "ExecutionTerminated",
	TaskScheduled: "TaskScheduled", TaskCompleted: "TaskCompleted", TaskFailed: "TaskFailed",
	ChildCreated: "SubOrchestrationInstanceCreated", ChildCompleted: "SubOrchestrationInstanceCompleted", ChildFailed: "SubOrchestrationInstanceFailed",
	TimerCreated: "TimerCreated", TimerFired: "TimerFired",
	OrchestratorStarted: "OrchestratorStarted", OrchestratorCompleted: "OrchestratorCompleted",
	EventSent: "EventSent", EventRaised: "EventRaised", GenericEvent: "GenericEvent", HistoryState: "HistoryState", ContinuedAsNewEvent: "ContinueAsNew",
	ExecutionSuspended: "ExecutionSuspended", ExecutionResumed: "ExecutionResumed",
	EntitySignaled: "EntityOperationSignaled", EntityCalled: "EntityOperationCalled", EntityResponded: "EntityOperationCompleted",
	EntityOperationFailed: "EntityOperationFailed", EntityLockRequested: "EntityLockRequested", EntityLockGranted: "EntityLockGranted",
	EntityUnlockSent: "EntityUnlockSent", ExecutionRewound: "ExecutionRewound", MarkerRecorded: "MarkerRecorded",
}

// Valid reports whether k is a known kind.
func (k Kind) Valid() bool { return k >= minKind && k <= maxKind || k == MarkerRecorded }

// String returns the protocol's name of the event.
func (k Kind) String() string {
	if k.Valid() {
		return kindNames[k]
	}
	return "Unknown"
}

// Outgoing reports whether an orchestration produces events of this kind (as
// opposed to being told them). Only outgoing events carry an action ID.
func (k Kind) Outgoing() bool {
	switch k {
	case ExecutionCompleted, TaskScheduled, ChildCreated, TimerCreated, EventSent,
		EntitySignaled, EntityCalled, EntityLockRequested, EntityUnlockSent, MarkerRecorded:
		return true
	}
	return false
}

// NoID is the ID of an event that an orchestration did not produce.
const NoID int32 = -1

// Event is one entry of an orchestration's history, an action that a step
// yields (its outgoing kinds), or the content of a message to an instance.
// Which fields mean something depends on Kind:
//
//	ExecutionStarted       Name Version Payload(input) FireAt(scheduled start) Instance; Ext: Execution Parent Tags Trace
//	ExecutionCompleted     Payload(result) Failure; Ext: Status, and for ContinuedAsNew: NewVersion CarryOver Tags
//	ExecutionTerminated    Payload(output) ; Ext: Recurse
//	TaskScheduled          Name Version Payload(input); Ext: Tags Trace Call Attempt Timeout AfterCommit
//	TaskCompleted          Ref Payload(result)
//	TaskFailed             Ref Failure
//	ChildCreated           Name Version Instance Payload(input) FireAt(scheduled start); Ext: Tags Trace
//	ChildCompleted         Ref Payload(result)
//	ChildFailed            Ref Failure
//	TimerCreated           FireAt; for a retry that waits: Name, Ext: Call Attempt(the next); Ext: Timeout(relative: FireAt is that long after the record)
//	TimerFired             Ref FireAt
//	EventSent              Instance Name Payload
//	EventRaised            Name Payload
//	ExecutionSuspended     Payload(reason)
//	ExecutionResumed       Payload(reason)
//	ExecutionRewound       Payload(reason) Name(empty, or a note of package engine/rewind)
//	EntitySignaled         Instance(target) Name(operation) RequestID Payload FireAt(due); as a message, Ext: Parent
//	EntityCalled           Instance(target) Name(operation) RequestID Payload FireAt(due); as a message, Ext: Parent
//	EntityResponded        RequestID Payload(output)
//	EntityOperationFailed  RequestID Failure
//	EntityLockRequested    RequestID(critical section) ; Ext: LockSet Position; as a message, Ext: Parent
//	EntityLockGranted      RequestID(critical section); as a message, Ext: LockSet
//	EntityUnlockSent       RequestID(critical section) Instance(target); as a message, Ext: Parent
//	MarkerRecorded         Name
//
// Events are values that are shared freely once made: nobody changes one that
// has been handed over.
type Event struct {
	Kind      Kind
	ID        int32 // action ID for outgoing kinds, else NoID
	Ref       int32 // the ID of the action that this event answers
	Time      Time  // when it was recorded
	FireAt    Time
	Name      string
	Version   string
	Instance  string
	RequestID string
	Payload   []byte
	Failure   *Failure
	Ext       *Ext // nil when none of its fields is set
}

// Ext holds the fields that few events have.
type Ext struct {
	Execution   ExecutionID
	Parent      *Parent
	Tags        map[string]string
	Trace       *Trace
	Status      Status
	Recurse     bool
	NewVersion  *string // continue-as-new: nil keeps the version
	CarryOver   []Event // continue-as-new: unconsumed EventRaised
	LockSet     []string
	Position    int32
	Call        int32 // 1-based ordinal among the execution's logical calls of the same name and input, the same for every attempt; 0 unknown
	Attempt     int32 // 1-based attempt of the logical call; 0 means 1
	Timeout     int64 // nanoseconds one attempt may take; 0 none
	AfterCommit bool  // start the activity only when its schedule is durable
}

// Parent names the orchestration, and its action, that waits for an answer.
type Parent struct {
	Instance  string
	Execution ExecutionID
	Name      string
	Version   string
	ID        int32 // the action (ChildCreated, EntityCalled...) that is answered
}

// Trace is a W3C trace context.
type Trace struct {
	Parent string // traceparent header
	State  string // tracestate header
	SpanID string
}

// Extra returns e.Ext, or an empty one to read from.
func (e *Event) Extra() *Ext {
	if e.Ext == nil {
		return &noExt
	}
	return e.Ext
}

var noExt Ext

// FireAndForget is the tag that marks a child which does not answer its parent.
// It is not inherited.
const FireAndForget = "FireAndForget"

// Message is an event on its way to an instance.
type Message struct {
	To string // instance ID
	// ToExecution is the execution that an answer is for; others drop it. Zero
	// means whichever is current.
	ToExecution ExecutionID
	From        string // sending instance, "" for a client
	Event       Event
}
