package model

// Instance is what a status read says of an orchestration or entity.
type Instance struct {
	ID        string
	Name      string
	Version   string
	Execution ExecutionID
	Status    Status

	Created     Time
	LastUpdated Time
	Completed   Time // zero until ended
	ScheduledAt Time // scheduled start, if any

	Input        []byte
	Output       []byte
	CustomStatus []byte
	Failure      *Failure
	Tags         map[string]string
	Parent       *Parent

	// HistoryEvents and HistoryBytes measure the current execution's history.
	HistoryEvents int64
	HistoryBytes  int64

	// Entity is set for entities.
	Entity *EntityState
	// Waits says what the instance is waiting for; nil unless asked for.
	Waits *Waits
}

// EntityState is the part of an Instance that only entities have.
type EntityState struct {
	State    []byte // nil: no state, or not read
	HasState bool   // there is a state, read or not
	Backlog  int64  // operations and lock requests waiting
	LockedBy string // orchestration instance that holds the lock
	// LockQueue lists the orchestrations that wait for the lock, in order.
	LockQueue []string
}

// Waits says what keeps an instance from going on.
type Waits struct {
	Messages   int64       // inbox messages not yet consumed
	InFlight   bool        // a step is with a worker
	NoHandler  string      // "orchestration X version Y": nobody here runs it
	Tasks      []WaitTask  // activities scheduled and not completed
	Timers     []WaitTimer // timers not yet fired
	Children   []WaitChild // sub-orchestrations not completed
	Calls      []WaitCall  // entity calls not answered
	Locks      []WaitLock  // critical sections asked for or held
	Events     []string    // external events that the code awaits
	Quarantine *Failure    // why the instance is set aside
	Held       []WaitHeld  // while it is: the first of what a retry applies, in order
	HeldCount  int64       // of all that
}

// WaitHeld is what could not be applied to an instance that is set aside, or has
// come for it since.
type WaitHeld struct {
	Kind Kind
	Name string
	From string // instance; empty for the instance itself and for clients
}

// WaitTask is a scheduled activity that has not completed.
type WaitTask struct {
	ID        int32
	Name      string
	Version   string // not known of a retry that waits
	Attempt   int32
	Running   bool
	NoHandler bool // nobody here has code for it; not judged of a retry that waits
	// NextRetry is when the next attempt is due, for a retry that waits.
	NextRetry Time
}

// WaitTimer is a timer that has not fired.
type WaitTimer struct {
	ID     int32
	FireAt Time
}

// WaitChild is a sub-orchestration that has not completed.
type WaitChild struct {
	ID       int32
	Instance string
	Name     string
}

// WaitCall is an entity call that has not been answered.
type WaitCall struct {
	ID        int32
	Entity    string
	Operation string
}

// WaitLock is a critical section that an orchestration asked for or holds.
type WaitLock struct {
	Section string
	LockSet []string
	Granted bool
}
