package sim

import (
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine/netherite"
)

// link carries the frames between the partitions of one incarnation.
type link struct {
	w       *world
	p       *process
	deliver func([]netherite.Frame)
	closed  bool
	cut     map[[2]int]time.Duration // pairs of partitions, until when
}

// transport makes links.
func (w *world) transport(p *process) netherite.NewTransport {
	return func(deliver func([]netherite.Frame)) netherite.Transport {
		return &link{w: w, p: p, deliver: deliver, cut: map[[2]int]time.Duration{}}
	}
}

// Send implements netherite.Transport.
func (l *link) Send(frames []netherite.Frame) {
	if l.closed {
		return
	}
	w := l.w
	l.p.leaves(frames)
	if !w.chaos || w.plan.resend == 0 {
		l.deliver(frames)
		return
	}
	for _, f := range frames {
		n := w.net.IntN(100)
		switch {
		case w.plan.has(LostFrames) && l.isCut(f.From, f.To):
			w.fault(LostFrames, "frame cut off", uint64(f.Kind), uint64(f.To))
			continue
		case n < w.plan.lost && w.plan.has(LostFrames):
			w.fault(LostFrames, "frame lost", uint64(f.Kind), uint64(f.To))
			continue
		case n >= 100-w.plan.twins && w.plan.has(TwinFrames):
			w.fault(TwinFrames, "frame twice", uint64(f.Kind), uint64(f.To))
			l.later(f)
		}
		l.later(f)
	}
}

// isCut reports whether nothing goes between two partitions at present. Now and then
// that begins, for up to half a minute.
func (l *link) isCut(a, b int) bool {
	w, pair := l.w, [2]int{min(a, b), max(a, b)}
	if w.net.IntN(2000) == 0 {
		l.cut[pair] = max(l.cut[pair], w.now+time.Duration(w.net.IntN(30_000))*time.Millisecond)
	}
	return w.now < l.cut[pair]
}

// later delivers a frame now or after a while.
func (l *link) later(f netherite.Frame) {
	w := l.w
	if !w.plan.has(LateFrames) || w.net.IntN(4) > 0 {
		l.deliver([]netherite.Frame{f})
		return
	}
	w.fault(LateFrames, "frame late", uint64(f.Kind), uint64(f.To))
	f.Messages = slices.Clone(f.Messages)
	delay := time.Duration(w.net.IntN(100)) * time.Millisecond
	if w.net.IntN(20) == 0 {
		delay = time.Duration(w.net.IntN(5000)) * time.Millisecond
	}
	w.after(delay, func() {
		if !l.closed && !l.p.dead {
			w.note("frame arrives", uint64(f.Kind), uint64(f.To))
			l.deliver([]netherite.Frame{f})
		}
	})
}

// Close implements netherite.Transport.
func (l *link) Close() { l.closed = true }
