package netherite

import (
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
)

// rebuild is a partition's way back after a panic left its memory half changed.
// Nothing of the input that caused it was appended. The memory is dropped; once
// what was appended before is durable, it is rebuilt from store and log, the
// poisonous input is set aside by a logged event, and the partition goes on
// with what came after.
type rebuild struct {
	h        *host
	reason   *model.Failure
	culprit  partition.Key
	poison   input
	deferred []input
	durable  atomic.Bool
}

// release is called when what was appended before the panic is durable. Answers
// tell of that from now on, so watches hear now that they do not: what the batch has
// noticed goes with the memory.
func (r *rebuild) release() {
	r.h.n.e.watches.lose()
	r.durable.Store(true)
	r.h.poke()
}

// panicFailure describes a recovered panic.
func panicFailure(r any) *model.Failure {
	return &model.Failure{Type: model.FailureQuarantined, Message: cutText(fmt.Sprint(r), maxPanicText), Stack: callers()}
}

// callers is the stack, without what is another in each run: it is going to be in
// the log.
func callers() string {
	var pcs [64]uintptr
	var b strings.Builder
	frames := runtime.CallersFrames(pcs[:runtime.Callers(3, pcs[:])])
	for more := true; more && b.Len() < maxPanicText; {
		var f runtime.Frame
		f, more = frames.Next()
		fmt.Fprintf(&b, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
	}
	return b.String()[:min(b.Len(), maxPanicText)]
}

// setAside deals with input at of the batch, which panicked with r. It reports
// whether the batch may go on; if not, the rest of it is deferred.
func (h *host) setAside(at int, r any) bool {
	b := &h.batch
	in := b.work[at]
	var load loadError
	if err, ok := r.(error); ok && errors.As(err, &load) {
		h.broken(load.err)
		return false
	}
	f := panicFailure(r)
	h.n.e.metrics.panics.Add(1)
	h.log.Error("panic in the core of the partition", "input", fmt.Sprintf("%T", in.ev), "panic", f.Message, "stack", f.Stack)
	switch {
	case in.ev == nil && in.call != nil: // a read changes nothing
		in.call.ans.Err = internal(f)
		in.call.release()
		return true
	case in.ev == nil:
		h.park(internal(f))
		return false
	}
	re := &rebuild{h: h, reason: f, poison: in}
	if b.stepping {
		re.culprit = h.state.Culprit()
	}
	re.deferred = append(re.deferred, b.work[at+1:]...)
	h.appendBefore()
	h.rebuild = re
	if !h.n.commit.hold(h.tail, re) {
		re.release()
	}
	return false
}

func internal(f *model.Failure) error {
	return fmt.Errorf("%w: internal error: %s", engine.ErrUnavailable, f.Message)
}

// appendBefore appends what the inputs before the poisonous one have logged.
// Their answers may go once durable. All else that they caused is dropped: the
// rebuilt state causes it again.
func (h *host) appendBefore() {
	b := &h.batch
	for i := range b.fx.Answers {
		b.answer(&b.fx.Answers[i])
	}
	h.appendBatch()
	h.sendAcks()
	b.fx.Reset()
}

// deferUntilRebuilt takes inputs that arrive while a rebuild waits, and ends the
// rebuild when it may.
func (h *host) deferUntilRebuilt(in []input) {
	r := h.rebuild
	r.deferred = append(r.deferred, in...)
	if !r.durable.Load() || !h.running() {
		return
	}
	h.forgetVolatile()
	if err := guarded(h.reload); err != nil && !isDamage(err) {
		mark.Hit(mark.RebuildFailed)
		h.broken(err) // clients post to the next node what was deferred
		return
	} else if err != nil {
		h.rebuild = nil
		h.park(fmt.Errorf("rebuild after a panic (%s): %w", r.reason.Message, err))
		h.turnAway(append(r.deferred, r.poison), h.parked.Load().err)
		return
	}
	mark.Hit(mark.Rebuilt)
	rest := append([]input{{fn: (*host).hello}}, h.handlePoison(r)...)
	h.rebuild = nil // not before: who waits for it is answered if that panics
	rest = append(rest, r.deferred...)
	for _, id := range slices.Sorted(maps.Keys(h.waiters)) {
		for _, c := range h.waiters[id] {
			rest = append(rest, input{call: c})
		}
	}
	clear(h.waiters)
	h.process(rest)
}

// handlePoison returns what is to be processed in place of the poisonous input. If
// the panic came from what the input causes in another instance, that one is set
// aside, and the input is taken again. Else its own instance is, with the input.
func (h *host) handlePoison(r *rebuild) []input {
	ev := r.poison.ev
	switch e := ev.(type) {
	case *partition.Received:
		if len(e.Messages) > 1 { // find out which one it is
			return single(e)
		}
	case *partition.TimersFired:
		if len(e.Timers) > 1 {
			return singleTimers(e)
		}
	case *partition.StepDone, *partition.EntityDone, *partition.TaskDone, *partition.Start, *partition.Command:
	case *partition.Purged, *partition.Cleaned:
		h.refusePoison(r)
		return nil
	default:
		h.park(internal(r.reason))
		return nil
	}
	own := ev.Keys(nil)[0]
	keys := []partition.Key{own}
	if r.culprit != (partition.Key{}) {
		keys = append(keys, r.culprit)
	}
	if err := h.loadKeys(keys); err != nil {
		h.broken(err)
		return []input{r.poison}
	}
	defer h.state.ForgetAbsent()
	if other := keys[len(keys)-1]; !h.state.Same(own, other) {
		if there, holds := h.state.IsSetAside(other); there && !holds {
			mark.Hit(mark.SetAsideInPassing)
			q := &partition.Quarantined{Instance: other, Reason: withEvidence(r.reason, ev, "what follows from ", onRetry, h.n.now())}
			return []input{h.aside(q), r.poison}
		}
	}
	if callOf(&r.poison) != nil {
		h.refusePoison(r)
		return nil
	}
	q := h.poisonous(r, own)
	if _, holds := h.state.IsSetAside(own); holds && q.Input == nil && q.Through == 0 {
		h.park(fmt.Errorf("setting instances aside does not help: %w", internal(r.reason)))
		return nil
	}
	return []input{h.aside(q)}
}

// poisonous makes the quarantine of the input's own instance. It keeps the input for
// a retry unless that comes again by itself, or the record were too large for the
// log.
func (h *host) poisonous(r *rebuild, own partition.Key) *partition.Quarantined {
	ev, now := r.poison.ev, h.n.now()
	q := &partition.Quarantined{Instance: own, Reason: withEvidence(r.reason, ev, "", onRetry, now)}
	switch e := ev.(type) {
	case *partition.Received:
		q.Origin, q.Through, q.Input = e.Origin, e.First, e
	case *partition.TaskDone, *partition.TimersFired:
		q.Input = e
	default:
		return q
	}
	if n := len(partition.AppendRecord(nil, q, now)); n > h.n.opts.maxRecord {
		q.Input = nil
		q.Reason = withEvidence(r.reason, ev, "", func(ev partition.Event) string { return tooLarge(ev, n) }, now)
	}
	return q
}

// aside logs that an instance is set aside.
func (h *host) aside(q *partition.Quarantined) input {
	h.log.Error("instance is quarantined", "instance", q.Instance.ID, "ordinal", q.Instance.Ord, "panic", q.Reason.Message)
	return input{ev: q}
}

// refusePoison answers a request that panicked: nothing of it was done.
func (h *host) refusePoison(r *rebuild) {
	c := callOf(&r.poison)
	if c == nil {
		return
	}
	c.ans.Err = internal(r.reason)
	if e, ok := r.poison.ev.(*partition.Command); ok && e.Op == partition.OpRewind {
		if _, holds := h.state.IsSetAside(partition.Key{ID: e.Instance}); holds {
			mark.Hit(mark.RetryInVain)
			c.ans.Err = fmt.Errorf("%w, and stays so: what it holds cannot be applied yet: %s", engine.ErrQuarantined, r.reason.Message)
		}
	}
	c.release()
}

// singleTimers splits timers that have fired into events of one each.
func singleTimers(ev *partition.TimersFired) []input {
	mark.Hit(mark.PoisonSingledOut)
	in := make([]input, len(ev.Timers))
	for i := range in {
		in[i].ev = &partition.TimersFired{Timers: []partition.TimerRef{ev.Timers[i]}}
	}
	return in
}

// single splits received messages into events of one each.
func single(ev *partition.Received) []input {
	mark.Hit(mark.PoisonSingledOut)
	in := make([]input, len(ev.Messages))
	for i := range in {
		in[i].ev = &partition.Received{Origin: ev.Origin, First: ev.First + uint64(i), Messages: ev.Messages[i : i+1]}
	}
	return in
}

// forgetVolatile drops everything about the partition that is not stored: what
// workers have of it is stale, what peers were sent has to be agreed on anew.
func (h *host) forgetVolatile() {
	h.upkeep.cancel()
	h.n.e.feed.drop(h)
	h.holding.Store(false)
	h.hands = hands{since: h.n.e.feed.handed.Load()} // items that wait for their commit are dropped by Release
	h.alarm.stopTimer()
	for i := range h.peers {
		p := &h.peers[i]
		p.rewind()
		p.connected, p.unlogged, p.logged = false, 0, 0
		p.acked.Store(0)
	}
	h.blocked.Store(false)
}
