package partition

import (
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Version is the version of what Step derives from a record. Every chunk of
// records carries it; a program replays the versions it knows exactly and
// refuses others by name.
const Version = 2

// Limits of a step, from the design: what exceeds them fails the instance.
const (
	MaxStepEvents = 2_000
	MaxStepBytes  = 16 << 20
	MaxLockSet    = model.MaxLockSet
	MaxTagBytes   = model.MaxTagBytes
)

// Config is what a partition knows of its surroundings. Partition and
// Partitions are fixed for the hub's life; the others are not recorded and may
// differ from run to run.
type Config struct {
	Partition  int
	Partitions int
	// MaxBatch bounds the messages of one orchestration step, MaxEntityBatch
	// the operations of one entity batch. Both 1,000 when zero.
	MaxBatch       int
	MaxEntityBatch int
	// OutboxBytes bounds what is loaded of the messages that wait for each other
	// partition; the rest is recalled when its turn comes. 0 means all.
	OutboxBytes int64
}

// State is one partition's state. It is not safe for concurrent use.
type State struct {
	cfg Config

	// Durable singletons.
	last    engine.Name // of the last record
	nextOrd uint64      // next instance ordinal or history ordinal
	outbox  []outbox    // by destination
	seen    []uint64    // by origin: highest sequence number received
	clients clients

	// Instances in memory. The durable part of each is the same as its rows.
	byOrd map[uint64]*instance
	byID  map[string]*instance

	// Volatile from here on.
	absent     map[Key]struct{} // known not to exist, until the end of the batch
	graves     map[uint64]*grave
	graveIDs   map[string]uint64
	lru        lru
	capture    capture
	dirty      []*instance
	buried     engine.Name // last record that removed an instance
	resized    []*instance // to be counted again
	watched    bool        // changes are to be noticed
	noticed    []*instance // changed since the last Noticed
	ended      []*instance // stored by the last capture, for EvictEnded
	metaDirty  bool
	timers     timerHeap
	tidied     int // timers that were left when they were last tidied
	horizon    model.Time
	beyond     bool        // stored timers may lie beyond the horizon and not in memory
	batches    []*instance // entities to be handed out
	ready      []*instance // orchestrations to be handed out
	fresh      []*instance // the same, of those that have made no step
	atWork     [2]int      // orchestrations that workers have something of, by when they got on
	age        uint32      // the present one; atWork has it and the one before
	turn       int         // steps handed out since one began an orchestration, see freshTurn
	tasks      []dueTask
	committed  []dueTask // of tasks that must wait for their commit
	handouts   uint64
	unsent     []sendRef // from nextUnsent on
	nextUnsent int
	followUps  []model.Message // from nextUp on
	nextUp     int
	live       bool // false while replaying
	scratch    []byte
	// spareInbox is room that an instance has given back, see addEntry.
	spareInbox []entry
	keyBuf     []byte // for a key that the Writer copies
	ordBuf     [8]byte

	// The record being applied.
	in      Input
	fx      *Effects
	now     model.Time
	culprit Key // the instance that was last delivered to, for Quarantined
}

// New returns the state of a partition in which nothing ever happened.
func New(cfg Config) *State {
	if cfg.MaxBatch <= 0 {
		cfg.MaxBatch = 1_000
	}
	if cfg.MaxEntityBatch <= 0 {
		cfg.MaxEntityBatch = 1_000
	}
	s := &State{
		age:      1,
		cfg:      cfg,
		nextOrd:  1,
		outbox:   make([]outbox, cfg.Partitions),
		seen:     make([]uint64, cfg.Partitions),
		byOrd:    map[uint64]*instance{},
		byID:     map[string]*instance{},
		absent:   map[Key]struct{}{},
		graves:   map[uint64]*grave{},
		graveIDs: map[string]uint64{},
		keyBuf:   make([]byte, 0, 64),
	}
	for i := range s.outbox {
		s.outbox[i].next = 1
		s.outbox[i].first = 1
	}
	s.clients.init()
	s.lru.init()
	return s
}

// Last is the name of the last record applied.
func (s *State) Last() engine.Name { return s.last }

// Step applies one event that was admitted and whose keys are loaded. What it
// asks of the world is appended to fx. Then FollowUp says what else belongs to
// the same record.
func (s *State) Step(in Input, fx *Effects) {
	s.begin(in, fx)
	switch e := in.Event.(type) {
	case *Opened:
		s.metaDirty = true
	case *Start:
		s.startForClient(e)
	case *Command:
		s.command(e)
	case *StepDone:
		s.stepDone(e)
	case *EntityDone:
		s.entityDone(e)
	case *TaskDone:
		s.taskDone(e)
	case *Received:
		s.received(e)
	case *Acked:
		s.acked(e)
	case *TimersFired:
		s.timersFired(e)
	case *Purged:
		s.purged(e)
	case *Cleaned:
		s.cleaned(e)
	case *Quarantined:
		s.quarantined(e)
	case *QuarantinedV1:
		s.quarantinedV1(e)
	default:
		bug("unknown event %T", in.Event)
	}
}

// bug panics: an invariant is broken. The host recovers, and sets the instance
// aside or parks the partition.
func bug(format string, args ...any) { panic("partition: " + fmt.Sprintf(format, args...)) }

// begin makes in the current record. Records are dense within an epoch.
func (s *State) begin(in Input, fx *Effects) {
	if len(s.followUps) > 0 {
		bug("step before the follow-ups of the last record")
	}
	if in.Name.Epoch == s.last.Epoch && in.Name.Number != s.last.Number+1 {
		bug("record %d follows %d in epoch %d", in.Name.Number, s.last.Number, in.Name.Epoch)
	}
	s.in, s.fx, s.now, s.culprit = in, fx, in.Time, Key{}
	s.last = in.Name
	s.metaDirty = true
}

// FollowUp appends the keys of the next follow-up of the current record. It
// reports false when the record is done.
func (s *State) FollowUp(dst []Key) ([]Key, bool) {
	if len(s.followUps) == 0 {
		return dst, false
	}
	s.culprit = Key{ID: s.followUps[s.nextUp].To}
	return append(dst, s.culprit), true
}

// Continue runs the follow-up whose keys FollowUp named.
func (s *State) Continue(fx *Effects) {
	s.fx = fx
	m := s.followUps[s.nextUp]
	s.followUps[s.nextUp] = model.Message{}
	if s.nextUp++; s.nextUp == len(s.followUps) {
		s.followUps, s.nextUp = s.followUps[:0], 0
		if cap(s.followUps) > spareEntries {
			s.followUps = nil
		}
	}
	s.deliver(&m)
}

// send puts a message on its way: to an instance of this partition as a
// follow-up of the current record, to another one through its outbox.
func (s *State) send(m model.Message) {
	if dest := model.PartitionOf(m.To, s.cfg.Partitions); dest != s.cfg.Partition {
		s.enqueue(dest, m)
		return
	}
	s.followUps = append(s.followUps, m)
}

// ordinal hands out the next ordinal, for an instance or a history.
func (s *State) ordinal() uint64 {
	s.nextOrd++
	return s.nextOrd - 1
}

// find returns the instance, or nil if it is known to be absent. It panics if
// the key was not loaded: that is a bug in somebody's Keys.
func (s *State) find(k Key) *instance {
	inst, loaded := s.lookup(k)
	if !loaded && !planted.UnloadedIsAbsent {
		bug("key %q/%d was not loaded", k.ID, k.Ord)
	}
	return inst
}

// lookup returns the instance if it is in memory; loaded also covers the
// knowledge that there is none.
func (s *State) lookup(k Key) (inst *instance, loaded bool) {
	if k.ID != "" {
		if inst = s.byID[k.ID]; inst != nil {
			return inst, true
		}
		_, loaded = s.absent[k]
		if !loaded {
			_, loaded = s.graveIDs[k.ID]
		}
		return nil, loaded
	}
	if inst = s.byOrd[k.Ord]; inst != nil {
		return inst, true
	}
	_, loaded = s.absent[k]
	if !loaded {
		_, loaded = s.graves[k.Ord]
	}
	return nil, loaded
}
