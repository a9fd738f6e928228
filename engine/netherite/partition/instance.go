package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// instance is an orchestration or entity with everything that belongs to it.
// It is stored as a main row plus a row for each element of its queues, so that
// what lives and dies between two checkpoints is never written.
type instance struct {
	// Durable: the main row.
	ord        uint64
	hist       uint64 // ordinal of the current execution's history
	id         string
	name       string
	version    string
	execution  model.ExecutionID
	status     model.Status
	suspended  bool // messages behind ExecutionSuspended are held back
	more       bool // the last step asked to go on
	created    model.Time
	updated    model.Time // never goes back
	completed  model.Time
	scheduled  model.Time
	input      []byte
	output     []byte
	custom     []byte
	failure    *model.Failure
	tags       map[string]string
	parent     *model.Parent
	trace      *model.Trace // of the start, kept by continue-as-new
	awaits     []string
	sections   []section
	calls      []pendingCall
	request    request // the client request that started it
	quarantine *model.Failure
	holds      bool // what comes is held until the quarantine ends; see quarantine.go
	entity     *entity
	events     int64 // of the current execution's history
	bytes      int64
	steps      uint64
	nextSeq    uint64 // of the next inbox entry
	nextWake   int32  // of the next engine-made timer

	// Durable: a row for each element.
	inbox    []entry
	held     []heldMessage
	tasks    table[*task]
	timers   table[*timer]
	children table[*child]

	// What of this is stored.
	stored storedRows
	tail   tail // history events not yet captured

	// Volatile.
	handout  engine.Name // of the step that is with a worker; zero if none
	handed   int         // inbox entries it has
	handedAt model.Time  // what it was told is now
	last     engine.Name // hand-out of the last committed step
	changed  engine.Name // record that changed it last, as far as it is known
	queued   bool        // in State.batches, ready or fresh
	dirty    bool
	captive  bool   // captured, not yet encoded
	pinned   bool   // encoded, not yet applied
	gone     bool   // buried
	running  int    // tasks handed out or queued for it
	atWork   uint32 // the age at which State.atWork counts it; 0 if it does not
	size     int64  // of its queues, see footprint
	counted  int64  // footprint as counted by the lru
	resized  bool   // in State.resized
	noticed  bool   // in State.noticed
	node     lruNode
}

// request names the client request that started an instance.
type request struct {
	session [16]byte
	seq     uint64
}

// entry is a message in an instance's inbox or an entity's backlog.
type entry struct {
	seq     uint64
	from    string
	event   model.Event
	stored  bool
	dirty   bool // its row is not up to date
	backlog bool // it is in the backlog
}

// task is an activity that has been scheduled and not completed.
type task struct {
	event   *model.Event // TaskScheduled; not changed any more
	name    engine.Name  // of the record that scheduled it
	dropped bool         // nobody awaits the result: it is not begun any more
	stored  bool
	dirty   bool // its row is not up to date
	hand    hand // volatile
}

// timer is a timer that has not fired: an orchestration's (msg is nil), a
// scheduled start's or a scheduled signal's (msg is delivered when it fires).
type timer struct {
	id     int32
	fireAt model.Time
	msg    *entry
	// A timer that a retry policy waits for says what for.
	name    string
	attempt int32
	stored  bool
}

// child is a sub-orchestration, kept also when done for recursive purge.
type child struct {
	id       int32
	instance string
	name     string
	done     bool
	dirty    bool // its row is not up to date
	stored   bool
}

// pendingCall is an entity call without an answer.
type pendingCall struct {
	id        int32
	request   string
	entity    string
	operation string
}

// isEntity reports whether the instance is an entity.
func (inst *instance) isEntity() bool { return inst.entity != nil }

// ended reports whether the instance can make no further step.
func (inst *instance) ended() bool { return inst.status.Ended() }

// touch announces a change of the instance's durable part. It must come before
// the change: if the instance waits to be encoded for a checkpoint, that is
// done now, so that the checkpoint holds the state at its position.
func (s *State) touch(inst *instance) {
	if inst.captive {
		s.encodeCaptive(inst)
	}
	inst.changed = s.last
	if !inst.dirty {
		inst.dirty = true
		s.dirty = append(s.dirty, inst)
		s.lru.unlink(inst)
	}
	s.resize(inst)
}

// resize notes that the instance's size has to be counted again.
func (s *State) resize(inst *instance) {
	if !inst.resized {
		inst.resized = true
		s.resized = append(s.resized, inst)
	}
}

// takeBack makes the step in flight void: its result will be dropped.
func (s *State) takeBack(inst *instance) {
	inst.handout, inst.handed = engine.Name{}, 0
	s.resize(inst) // whether it is at work
}

// advance ratchets the instance's clock and returns it.
func (s *State) advance(inst *instance) model.Time {
	inst.updated = max(inst.updated, s.now)
	s.notice(inst)
	return inst.updated
}

// eventSize estimates what an event costs in memory.
func eventSize(e *model.Event) int64 {
	return 240 + int64(len(e.Payload)+len(e.Name)+len(e.Instance)+len(e.RequestID))
}
