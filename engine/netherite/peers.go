package netherite

import (
	"fmt"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

const (
	// An acknowledgement is logged once it is worth a record.
	ackMessages = 128
	ackBytes    = 256 << 10
	// Windows of unacknowledged bytes per pair of partitions.
	minWindow = 64 << 10
	maxWindow = 4 << 20
)

// peer is what a partition knows of its traffic with another one. All of it is
// volatile: the outbox and the sequence numbers seen are in the partition's state.
type peer struct {
	// As origin.
	connected bool // it has answered the hello of this incarnation
	gone      bool // it is parked: what is for it stays in the outbox
	sent      []sentRun
	unacked   int64  // bytes sent and not acknowledged
	unlogged  int64  // bytes acknowledged and not logged
	logged    uint64 // highest acknowledgement that is logged
	acked     atomic.Uint64
	asked     time.Duration // when the peer was last asked what it has seen
	progress  uint64        // acked at that time

	// As destination.
	gap uint64 // first sequence number of the last request to resend
}

// sentRun is a frame of messages under way.
type sentRun struct {
	last  uint64
	bytes int64
}

// credit takes in what the peer has acknowledged.
func (p *peer) credit() {
	through := p.acked.Load()
	n := 0
	for n < len(p.sent) && p.sent[n].last <= through {
		p.unacked -= p.sent[n].bytes
		p.unlogged += p.sent[n].bytes
		n++
	}
	p.sent = p.sent[:copy(p.sent, p.sent[n:])]
}

// rewind forgets what was sent: it will be sent again.
func (p *peer) rewind() { p.sent, p.unacked = p.sent[:0], 0 }

// windowBytes bounds the unacknowledged bytes of one pair, so that all pairs of a
// node together stay within a quarter of its memory.
func windowBytes(memory int64, partitions int) int64 {
	return max(minWindow, min(maxWindow, memory/4/int64(partitions*partitions)))
}

// hello opens the connection to every peer: nothing is sent before each has
// said what it has seen.
func (h *host) hello() {
	for i := range h.peers {
		h.helloTo(i)
	}
}

func (h *host) helloTo(dest int) {
	if dest == h.id {
		return
	}
	h.peers[dest].connected = false
	h.peers[dest].asked = h.n.clock.Mono()
	first, next := h.state.OutboxRange(dest)
	h.n.net.Send([]Frame{{Kind: FrameHello, From: h.id, To: dest, First: first, Next: next}})
}

// frame handles what concerns a connection rather than its messages. A hello
// shows damage if the destination lacks what its origin no longer retains, or
// has seen what the origin has not sent: no crash leads there. (A hello that was
// delayed tells nothing about its Next, so the origin judges that itself.)
func (h *host) frame(f *Frame) {
	switch f.Kind {
	case FrameHello:
		seen := h.state.Seen(f.From)
		if seen+1 < f.First {
			h.park(fmt.Errorf("%w: partition %d has dropped messages to partition %d up to %d, which has seen only %d",
				engine.ErrDamaged, f.From, h.id, f.First-1, seen))
			return
		}
		if planted.WaitingDropped && h.n.keeper.parts[h.id].note.Load() != nil && f.Next > 0 {
			seen = f.Next - 1
		}
		h.reply(Frame{Kind: FrameSeen, From: h.id, To: f.From, Through: seen})
	case FrameSeen:
		if _, next := h.state.OutboxRange(f.From); f.Through >= next {
			h.park(fmt.Errorf("%w: partition %d has seen message %d of partition %d, which has sent only %d",
				engine.ErrDamaged, f.From, f.Through, h.id, next-1))
			return
		}
		mark.Hit(mark.HelloAnswered)
		h.peers[f.From].connected = true
		h.resend(f.From, f.Through)
	case FrameResend:
		if _, next := h.state.OutboxRange(f.From); f.First > 0 && f.First <= next {
			mark.Hit(mark.ResendAsked)
			h.resend(f.From, f.First-1)
		}
	}
}

// resend makes everything to dest after through unsent, unless it has been
// acknowledged: what says through may have been delayed.
func (h *host) resend(dest int, through uint64) {
	p := &h.peers[dest]
	raise(&p.acked, through)
	p.rewind()
	h.state.Resend(dest, p.acked.Load()+1)
}

// raise lifts an atomic to at least v.
func raise(a *atomic.Uint64, v uint64) {
	for {
		old := a.Load()
		if v <= old || a.CompareAndSwap(old, v) {
			return
		}
	}
}

// acknowledged is called from any goroutine: a peer has logged our messages.
// That wakes the partition only if it has waited for room in the window.
func (h *host) acknowledged(from int, through uint64) {
	raise(&h.peers[from].acked, through)
	if h.blocked.Load() {
		h.poke()
	}
}

// ackEvents appends events for acknowledgements that are worth logging, or with
// all for all of them.
func (h *host) ackEvents(dst []input, all bool) []input {
	for i := range h.peers {
		p := &h.peers[i]
		through := p.acked.Load()
		if through <= p.logged {
			continue
		}
		p.credit()
		if planted.OutboxUnloggedAck {
			h.state.DropSent(i, through)
		}
		if all || through-p.logged >= ackMessages || p.unlogged >= ackBytes {
			mark.Hit(mark.AckWorthARecord)
			dst = append(dst, input{ev: &partition.Acked{Dest: i, Through: through}})
			p.logged, p.unlogged = through, 0
		}
	}
	return dst
}

// drainOutbox takes unsent messages, in the order in which they were emitted,
// into one frame per destination. At the first one that may not go yet it stops,
// so that nothing overtakes it.
func (h *host) drainOutbox() []Frame {
	h.blocked.Store(true) // before the look at the windows: an acknowledgement may come meanwhile
	for i := range h.peers {
		h.peers[i].credit()
	}
	for {
		out, ok := h.state.Unsent()
		if !ok {
			h.blocked.Store(false)
			if planted.WindowsBlock {
				h.takeUp()
			}
			break
		}
		p := &h.peers[out.Dest]
		if f := &h.frames[out.Dest]; len(f.Messages) > 0 && out.Seq != f.First+uint64(len(f.Messages)) {
			break // not a continuation: it goes with the next frame
		}
		if p.gone {
			mark.Hit(mark.MessageKeptForParked)
			h.state.MarkSent()
			continue
		}
		if out.Message == nil {
			if !p.connected {
				break
			}
			if err := h.state.Recall(reader{h.n.store}, out.Dest, out.Seq); err != nil {
				h.broken(err)
				break
			}
			continue
		}
		size := messageBytes(out.Message)
		if !p.connected {
			mark.Hit(mark.PairNotConnected)
			break
		}
		if p.unacked > 0 && p.unacked+size > h.n.window {
			mark.Hit(mark.WindowClosed)
			break
		}
		h.state.MarkSent()
		h.addToFrame(out, size)
	}
	frames := h.outgoing[:0]
	for i := range h.frames {
		f := &h.frames[i]
		if len(f.Messages) > 0 {
			frames = append(frames, *f)
			f.Messages = nil
		}
	}
	h.outgoing = frames
	return frames
}

func (h *host) addToFrame(out partition.Outgoing, size int64) {
	p, f := &h.peers[out.Dest], &h.frames[out.Dest]
	if len(f.Messages) == 0 {
		*f = Frame{Kind: FrameMessages, From: h.id, To: out.Dest, First: out.Seq}
		p.sent = append(p.sent, sentRun{})
	}
	f.Messages = append(f.Messages, out.Message)
	run := &p.sent[len(p.sent)-1]
	run.last = out.Seq
	run.bytes += size
	p.unacked += size
}

// messageBytes estimates what a message takes in memory.
func messageBytes(m *model.Message) int64 {
	e := &m.Event
	return 300 + int64(len(m.To)+len(m.From)+len(e.Name)+len(e.Instance)+len(e.Payload))
}

// checkPeers asks again those that have not answered for a while. It is needed
// only with a transport that loses frames.
func (h *host) checkPeers(now time.Duration) {
	for i := range h.peers {
		p := &h.peers[i]
		p.credit()
		acked := p.acked.Load()
		if i != h.id && !p.gone && (!p.connected || p.unacked > 0 && acked == p.progress) && now-p.asked >= h.n.opts.Resend {
			mark.Hit(mark.PeerAskedAgain)
			h.helloTo(i)
		}
		p.progress = acked
	}
}
