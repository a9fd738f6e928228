package netherite

import (
	"fmt"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// maxDueTimers bounds the timers that one batch fires.
const maxDueTimers = 1_000

// batch is what one pass through the mailbox gathers. Its memory is reused.
type batch struct {
	now     model.Time    // by the wall clock, as its records carry it
	mono    time.Duration // at the same time
	work    []input
	at      int // index in work of the input in progress
	keys    []partition.Key
	missing []partition.Key

	first    engine.Name // of the first record in records
	records  []byte
	count    int
	stepping bool // the input in progress has come as far as Step
	must     bool // somebody may come to wait for the records
	fx       partition.Effects
	out      []released
	replies  []Frame // to peers, who take them for acknowledgements, too
	ans      partition.Answer

	// mark is where everything stood before the input in progress: what a panic
	// left behind is cut off there.
	mark struct{ records, answers, changes, acks, cancelled, out int }
}

// process runs one batch: load, then check, append and step each input in the
// order of arrival, then give the records their position, then let effects out.
func (h *host) process(in []input) {
	if h.rebuild != nil {
		h.deferUntilRebuilt(in)
		return
	}
	b := &h.batch
	b.at, b.work = 0, b.work[:0]
	h.state.Watch(h.n.e.watches.on.Load())
	b.now, b.mono, b.must = h.n.now(), h.n.clock.Mono(), false
	b.work = h.ackEvents(b.work[:0], false)
	b.work = append(b.work, in...)
	b.work = h.dueTimers(b.work)
	if err := h.load(b.work); err != nil {
		h.broken(err)
	}
	smooth := true
	for next, ok := 0, true; ok && next < len(b.work) && h.running(); next++ {
		var poison any
		if next, poison = h.apply(next); poison != nil {
			smooth, ok = false, h.setAside(next, poison)
		}
	}
	switch {
	case h.parked.Load() != nil:
		h.giveUp(h.parked.Load().err)
	case h.rebuild == nil && h.running():
		if h.finish(); smooth {
			reuse(b.work)
		}
	}
	clear(b.work)
}

// giveUp answers everything in the batch of a partition that has parked in the
// middle of it: what was done may or may not be in the log.
func (h *host) giveUp(err error) {
	b := &h.batch
	for i := range b.fx.Answers {
		if c, ok := b.fx.Answers[i].Caller.(*call); ok {
			c.fail(err)
		}
	}
	for _, r := range b.out {
		if c, ok := r.(*call); ok {
			c.fail(err)
		}
	}
	h.turnAway(b.work[b.at:], err)
	b.fx.Reset()
	clear(b.out)
	b.out, b.records, b.replies, b.count = b.out[:0], b.records[:0], b.replies[:0], 0
}

// running reports whether the partition may go on processing.
func (h *host) running() bool { return h.parked.Load() == nil && !h.n.dead.Load() }

// apply processes the inputs from next on. If one of them panics, its index and
// what it panicked with are returned, and nothing of it is left in the batch.
func (h *host) apply(next int) (at int, poison any) {
	b := &h.batch
	defer func() {
		if r := recover(); r != nil {
			loud(r)
			at, poison = b.at, r
			h.truncate()
		}
	}()
	for b.at = next; b.at < len(b.work) && h.running(); b.at++ {
		b.setMark()
		b.stepping = false
		switch in := &b.work[b.at]; {
		case in.ev != nil:
			h.event(in.ev)
		case in.call != nil:
			h.read(in.call)
		case in.frame != nil:
			h.frame(in.frame)
		case in.fn != nil:
			in.fn(h)
		}
	}
	return b.at, nil
}

func (b *batch) setMark() {
	m, fx := &b.mark, &b.fx
	m.records, m.answers, m.changes, m.acks, m.cancelled, m.out =
		len(b.records), len(fx.Answers), len(fx.Changes), len(fx.Acks), len(fx.Cancelled), len(b.out)
}

// truncate drops what the input in progress has left behind.
func (h *host) truncate() {
	b := &h.batch
	m, fx := &b.mark, &b.fx
	b.records = b.records[:m.records]
	fx.Answers, fx.Changes = fx.Answers[:m.answers], fx.Changes[:m.changes]
	fx.Acks, fx.Cancelled = fx.Acks[:m.acks], fx.Cancelled[:m.cancelled]
	b.out = b.out[:m.out]
}

// event decides about an event, and if it is admitted logs and applies it.
func (h *host) event(ev partition.Event) {
	b := &h.batch
	b.ans = partition.Answer{}
	if h.outlived(ev) {
		return
	}
	var unanswered []partition.FailedSignal
	if e, ok := ev.(*partition.EntityDone); ok {
		unanswered = h.state.FailedSignals(e)
	}
	switch h.state.Check(ev, b.now, &b.ans) {
	case partition.Admit:
		if planted.WindowsBlock && h.putOff(ev) {
			return
		}
		h.admit(ev)
		h.tell(unanswered)
	case partition.Refuse:
		mark.Hit(mark.Refused)
		h.n.e.metrics.refused.Add(1)
		b.answer(&b.ans)
		if n := len(b.out); planted.RefusalEarly && n > 0 {
			b.out[n-1].release()
			b.out = b.out[:n-1]
		}
	case partition.Drop:
		if r, ok := ev.(*partition.Received); ok {
			mark.Hit(mark.DuplicateDropped)
			b.fx.Acks = append(b.fx.Acks, partition.Ack{Origin: r.Origin, Through: h.state.Seen(r.Origin)})
		}
	case partition.Gap:
		mark.Hit(mark.GapFound)
		h.askAgain(ev.(*partition.Received).Origin)
	}
}

// tell logs what nobody is answered, without the text of the error: it may repeat the
// input, and that of an input that cannot be decoded does. The operation's span has it.
func (h *host) tell(failed []partition.FailedSignal) {
	for _, f := range failed {
		h.log.Warn("signalled operation failed", "entity", f.Entity, "operation", f.Operation, "request", f.Request, "type", f.Type)
	}
}

// outlived reports whether an event is the result of a hand-out from before the
// memory of the partition was rebuilt: such numbers may have been used again.
func (h *host) outlived(ev partition.Event) bool {
	switch e := ev.(type) {
	case *partition.StepDone:
		return e.Result.Token.Name.Epoch != h.name.Epoch && !planted.IgnoreEpochOnReceive
	case *partition.EntityDone:
		return e.Result.Token.Name.Epoch != h.name.Epoch
	}
	return false
}

// admit appends the event's record, before any change, and applies it with all
// that follows from it in this partition.
func (h *host) admit(ev partition.Event) {
	b := &h.batch
	at := len(b.records)
	b.records = partition.AppendRecord(b.records, ev, b.now)
	if n := len(b.records) - at; n > h.n.opts.maxRecord {
		if err := h.refuseRecord(ev, at, n); err != nil {
			panic(err)
		}
		return
	}
	in := partition.Input{Name: engine.Name{Epoch: h.name.Epoch, Number: h.name.Number + 1}, Time: b.now, Event: ev}
	if planted.TimerFromWallClock {
		in.Time = in.Time.Add(time.Millisecond)
	}
	if hook := h.n.opts.beforeStep; hook != nil {
		hook(h.id, ev)
	}
	b.stepping = true
	if h.replica != nil {
		h.replica.behind = true
	}
	h.applying(h.state.Held(ev))
	h.state.Step(in, &b.fx)
	for {
		keys, more := h.state.FollowUp(b.keys[:0])
		if !more {
			break
		}
		b.keys = keys
		if err := h.loadKeys(keys); err != nil {
			panic(loadError{err})
		}
		h.applying(h.state.Following)
		h.state.Continue(&b.fx)
	}
	if h.replica != nil {
		if err := h.replica.step(h, in, b.records[at:]); err != nil {
			panic(replayDifference{err})
		}
	}
	if b.count == 0 {
		b.first = in.Name
	}
	h.name = in.Name
	b.count++
	switch ev.(type) {
	case *partition.Acked: // an acknowledgement alone never forces a sync
	case *partition.EntityDone:
		b.must, h.applied = true, true
	default:
		b.must = true
	}
	if len(b.records) >= pieceBytes {
		h.cut()
	}
}

// applying shows tests what is applied under a record beside its own event.
func (h *host) applying(messages func(yield func(*model.Message) bool)) {
	if hook := h.n.opts.beforeMessage; hook != nil {
		for m := range messages {
			hook(h.id, m)
		}
	}
}

// refuseRecord drops a record that the log could not take. Who asked for it is
// told so; what nobody asked for is returned as an error, to be set aside like an
// input that panics.
func (h *host) refuseRecord(ev partition.Event, at, size int) error {
	b := &h.batch
	b.records = b.records[:at]
	err := fmt.Errorf("%w: a record of %d bytes, at most %d", engine.ErrTooLarge, size, h.n.opts.maxRecord)
	c := callOf(&input{ev: ev})
	if c == nil {
		return err
	}
	b.answer(&partition.Answer{Caller: c, Err: err})
	return nil
}

// cut appends the records so far as a chunk of their own.
func (h *host) cut() {
	b := &h.batch
	if b.count == 0 {
		return
	}
	_, h.tail = h.n.commit.append(h.header(), b.records, b.count, b.must, nil, &h.appended)
	h.afterAppend()
}

func (h *host) header() partition.ChunkHeader {
	return partition.ChunkHeader{Partition: h.id, First: h.batch.first, Time: h.batch.now}
}

func (h *host) afterAppend() {
	b := &h.batch
	h.marks.add(h.tail, h.name, substrate.Offset(h.n.commit.durable.Load()))
	h.n.keeper.touch()
	h.n.e.metrics.records.Add(int64(b.count))
	if b.records = b.records[:0]; cap(b.records) > keptBytes {
		b.records = nil
	}
	b.count = 0
}

// answer queues a client's answer to be released with the batch.
func (b *batch) answer(a *partition.Answer) {
	if c, ok := a.Caller.(*call); ok {
		c.ans = *a
		b.out = append(b.out, c)
	}
}

// finish gives the batch its position and lets its effects out: what must be
// durable first goes into the group, the rest follows at once.
func (h *host) finish() {
	b := &h.batch
	for i := range b.fx.Answers {
		b.answer(&b.fx.Answers[i])
	}
	clear(b.fx.Answers)
	b.fx.Answers = b.fx.Answers[:0] // from now on they are in b.out only
	for i := range b.fx.Changes {
		h.changed(&b.fx.Changes[i])
	}
	h.state.ForgetAbsent() // not before: who waited may ask for what has just been purged
	release := h.n.opts.Release
	h.holdBack(release)
	if p := h.parked.Load(); p != nil {
		h.giveUp(p.err) // what it needs of the log may have been saved aside, without this batch
		return
	}
	h.appendBatch()

	h.sendAcks()
	h.cancel(b.fx.Cancelled)
	if release == ReleaseNode {
		h.sendOutbox()
	}
	if !h.running() {
		b.fx.Reset()
		return
	}
	if release == ReleaseConservative {
		h.handOut() // what is durable and waited for a slot
	} else {
		h.dispatch()
	}
	b.fx.Reset()
	if h.replica != nil {
		h.replica.check(h)
	}
	if h.applied && len(h.fresh) > 0 {
		h.askFresh()
	}
	h.applied = false
	h.keepUp()
}

// holdBack queues what is to leave when the batch is durable.
func (h *host) holdBack(release Release) {
	if release != ReleaseNode {
		h.holdFrames()
	}
	if release == ReleaseConservative {
		h.holdItems()
	}
	h.holdCommitted()
	h.holdNews()
}

// sendOutbox sends what the outbox has for others, as far as it may go.
func (h *host) sendOutbox() {
	for frames := h.drainOutbox(); len(frames) > 0; frames = h.drainOutbox() {
		h.n.net.Send(frames)
	}
}

// appendBatch appends the batch's last records with all that waits for them.
// What waits without a record waits for what the partition appended before.
func (h *host) appendBatch() {
	b := &h.batch
	if b.count > 0 {
		_, h.tail = h.n.commit.append(h.header(), b.records, b.count, b.must, b.out, &h.appended)
		h.afterAppend()
	} else {
		h.releaseDurable()
	}
	clear(b.out)
	b.out = b.out[:0]
}

// releaseDurable lets out what waits for no record of the batch's own. If a commit
// is under way that vouches for it, that lets it out; what is durable already may
// go if the log is still this node's. But what tells of changes stays in order.
func (h *host) releaseDurable() {
	looked := false
	for _, r := range h.batch.out {
		if h.n.commit.hold(h.tail, r) {
			continue
		}
		if _, ok := r.(*news); ok {
			h.n.commit.follow(r)
			continue
		}
		if !looked && !h.owned() {
			return
		}
		looked = true
		r.release()
	}
}

// owned reports whether nobody has opened the log since this node did. If so, the
// node fails; who waits for it asks the next one, or hears why there is none.
func (h *host) owned() bool {
	if err := h.n.owned(); err != nil && !planted.ZombieAnswer {
		h.n.fail(err)
		return false
	}
	return true
}

// sendAcks tells the origins of the batch's messages how far they are logged.
// Within one log incarnation that may go at once: what the origins log about it
// comes later in the same log. It is called when the batch has been appended.
func (h *host) sendAcks() {
	b := &h.batch
	for i, a := range b.fx.Acks {
		later := func(l partition.Ack) bool { return l.Origin == a.Origin }
		if !slices.ContainsFunc(b.fx.Acks[i+1:], later) {
			h.sendFrame(Frame{Kind: FrameAck, From: h.id, To: a.Origin, Through: a.Through})
		}
	}
	for i := range b.replies {
		h.sendFrame(b.replies[i])
	}
	b.replies = b.replies[:0]
}

// reply has a frame sent that shows how far the partition has come: not before that
// is appended.
func (h *host) reply(f Frame) { h.batch.replies = append(h.batch.replies, f) }

// sendFrame sends one.
func (h *host) sendFrame(f Frame) {
	h.one[0] = f
	h.n.net.Send(h.one[:])
}

// askAgain asks an origin for messages that were skipped, once per gap.
func (h *host) askAgain(origin int) {
	p, want := &h.peers[origin], h.state.Seen(origin)+1
	if p.gap == want && h.n.opts.Resend == 0 {
		return
	}
	p.gap = want
	h.reply(Frame{Kind: FrameResend, From: h.id, To: origin, First: want})
}

// frameBatch is frames that wait for their position.
type frameBatch struct {
	n      *node
	frames []Frame
}

func (f *frameBatch) release() { f.n.net.Send(f.frames) }

// early is for planted bugs: r leaves when what precedes the batch is durable.
func (h *host) early(r released) {
	if !h.n.commit.hold(h.tail, r) {
		r.release()
	}
}

// holdFrames queues outgoing frames to be sent when the batch is durable.
func (h *host) holdFrames() {
	for frames := h.drainOutbox(); len(frames) > 0; frames = h.drainOutbox() {
		mark.Hit(mark.FramesHeld)
		held := &frameBatch{h.n, append([]Frame(nil), frames...)}
		if planted.MessageEarly {
			h.early(held)
			continue
		}
		h.batch.out = append(h.batch.out, held)
	}
}
