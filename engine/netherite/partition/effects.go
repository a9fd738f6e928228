package partition

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Effects is what Steps asked the world to do, in the order of emission. The
// shell decides when each is released: those of kind "when durable" only once
// the position of the batch is durable, the others by the release level, and
// none before the batch has been appended. The slices are reused: the shell
// takes what it needs and calls Reset.
type Effects struct {
	// Answers to clients: when durable.
	Answers []Answer
	// Changes of status that somebody may wait for: when durable.
	Changes []Change
	// Acks to send: origins whose messages this batch received, with the highest
	// sequence number logged; what an origin has last is what counts. At once within
	// one log incarnation.
	Acks []Ack
	// Cancelled activities: tell the worker that has them. At once.
	Cancelled []engine.Token
}

// Reset empties the effects, keeping their memory.
func (e *Effects) Reset() {
	clear(e.Answers)
	clear(e.Changes)
	e.Answers, e.Changes, e.Acks, e.Cancelled = e.Answers[:0], e.Changes[:0], e.Acks[:0], e.Cancelled[:0]
}

// Answer is the outcome of a client's request.
type Answer struct {
	Caller  any
	Err     error // one of the errors of package engine, or nil
	Started engine.Started
	Deleted int
	Cleaned engine.Cleaned
}

// Change says that an instance was started (first left Pending), ended, or was
// forgotten (Gone).
type Change struct {
	Instance string
	Ord      uint64
	Status   model.Status
	Gone     bool
	// Was, when not nil, is the instance as it was when another run of its ID
	// replaced it.
	Was *model.Instance
}

// Ack tells an origin that everything up to Through is logged here.
type Ack struct {
	Origin  int
	Through uint64
}

// Outgoing is a message on its way to another partition.
type Outgoing struct {
	Dest    int
	Seq     uint64
	Message *model.Message
}

// Verdict is what Check says of an event.
type Verdict uint8

const (
	// Admit: append its record and Step.
	Admit Verdict = iota
	// Refuse: answer the caller with the given Answer; log nothing.
	Refuse
	// Drop: stale or duplicate; log nothing. For Received, acknowledge again.
	Drop
	// Gap: messages of the origin are missing before it; ask for them again.
	Gap
)
