package netherite

import "github.com/netherite-go/netherite/model"

// FrameKind tells what a Frame says.
type FrameKind uint8

// The frame kinds.
const (
	// FrameMessages carries Messages, the first of which has sequence number First.
	FrameMessages FrameKind = iota
	// FrameAck says that everything up to Through is logged at From.
	FrameAck
	// FrameResend asks for the messages from First on: they were skipped. What was
	// before them is logged at From.
	FrameResend
	// FrameHello begins a connection: From retains messages from First on and
	// will assign Next.
	FrameHello
	// FrameSeen answers a hello: everything up to Through is logged at From.
	FrameSeen
)

// Frame is what partitions send each other.
type Frame struct {
	Kind     FrameKind
	From, To int
	First    uint64
	Next     uint64
	Through  uint64
	Messages []*model.Message // those of the outbox: nobody changes them
}

// Transport carries frames between the partitions of one log incarnation. It
// may lose, duplicate, delay and reorder them: sequence numbers, acknowledgements
// and hellos make up for it. What it keeps in order, it delivers sooner.
type Transport interface {
	// Send takes frames to different partitions, of which the messages were
	// emitted interleaved. It does not block and does not keep the slice. A
	// transport that delivers the frames of a call as a unit, before any
	// receiver acts on one of them, keeps delivery causal.
	Send(frames []Frame)
	// Close stops deliveries. None is under way when it returns.
	Close()
}

// NewTransport makes a transport that calls deliver, from any goroutine, with
// frames that it takes as a unit.
type NewTransport func(deliver func([]Frame)) Transport

// inProcess is the transport within a process: it delivers at once.
func inProcess(deliver func([]Frame)) Transport { return direct(deliver) }

type direct func([]Frame)

func (d direct) Send(frames []Frame) { d(frames) }
func (direct) Close()                {}
