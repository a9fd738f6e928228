package partition

import (
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
)

// Seen is the highest sequence number received from an origin.
func (s *State) Seen(origin int) uint64 { return s.seen[origin] }

// checkReceived admits the continuation of what was seen, and cuts off what was
// seen before.
func (s *State) checkReceived(e *Received) Verdict {
	seen := s.seen[e.Origin]
	if e.First == 0 || len(e.Messages) == 0 {
		return Drop // sequence numbers begin at 1
	}
	switch last := e.First + uint64(len(e.Messages)) - 1; {
	case e.First > seen+1:
		return Gap
	case last <= seen:
		return Drop
	}
	if skip := seen + 1 - e.First; skip > 0 {
		if planted.DedupOffByOne {
			skip--
		}
		mark.Hit(mark.FrameOverlaps)
		e.Messages, e.First = e.Messages[skip:], seen+1
	}
	return Admit
}

// received delivers messages of another partition.
func (s *State) received(e *Received) {
	s.seen[e.Origin] = e.First + uint64(len(e.Messages)) - 1
	s.acknowledge(e.Origin)
	for n, shared := range e.Messages {
		if planted.MessagesOutOfOrder {
			shared = e.Messages[len(e.Messages)-1-n]
		}
		m := *shared
		m.Event.Time = s.now
		s.deliver(&m)
	}
}

// acknowledge notes that the origin can be told how far it was received. What was
// noted before is left as it is: if this input cannot be applied, that is what counts.
func (s *State) acknowledge(origin int) {
	s.fx.Acks = append(s.fx.Acks, Ack{Origin: origin, Through: s.seen[origin]})
}
