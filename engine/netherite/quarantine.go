package netherite

import (
	"errors"
	"fmt"
	"runtime/debug"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
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

// release is called when what was appended before the panic is durable.
func (r *rebuild) release() {
	r.durable.Store(true)
	r.h.poke()
}

// panicFailure describes a recovered panic.
func panicFailure(r any) *model.Failure {
	stack := debug.Stack()
	return &model.Failure{
		Type: model.FailureQuarantined, Message: fmt.Sprint(r), Stack: string(stack[:min(len(stack), maxPanicText)]),
	}
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
	if !r.durable.Load() {
		return
	}
	h.forgetVolatile()
	if err := guarded(h.reload); err != nil {
		h.rebuild = nil
		h.park(fmt.Errorf("rebuild after a panic (%s): %w", r.reason.Message, err))
		h.turnAway(append(r.deferred, r.poison), h.parked.Load().err)
		return
	}
	h.rebuild = nil
	rest := append([]input{{fn: (*host).hello}}, h.handlePoison(r)...)
	rest = append(rest, r.deferred...)
	for id, waiting := range h.waiters {
		for _, c := range waiting {
			rest = append(rest, input{call: c})
		}
		delete(h.waiters, id)
	}
	h.process(rest)
}

// handlePoison returns what is to be processed in place of the poisonous input.
func (h *host) handlePoison(r *rebuild) []input {
	q := &partition.Quarantined{Reason: withEvidence(r.reason, r.poison.ev, h.n.now())}
	keys := r.poison.ev.Keys(nil)
	switch ev := r.poison.ev.(type) {
	case *partition.Received:
		if len(ev.Messages) > 1 { // find out which one it is
			return single(ev)
		}
		q.Origin, q.Through = ev.Origin, ev.First
	case *partition.StepDone, *partition.EntityDone, *partition.TaskDone, *partition.TimersFired:
	case *partition.Start, *partition.Command, *partition.Purged, *partition.Cleaned:
		if c := callOf(&r.poison); c != nil {
			c.ans.Err = internal(r.reason)
			c.release()
		}
		return nil
	default:
		h.park(internal(r.reason))
		return nil
	}
	for _, k := range append([]partition.Key{r.culprit}, keys...) {
		if k != (partition.Key{}) && !h.aside[k] {
			if h.aside == nil {
				h.aside = map[partition.Key]bool{}
			}
			h.aside[k] = true
			q.Instance = k
			h.log.Error("instance is quarantined", "instance", k.ID, "ordinal", k.Ord, "panic", r.reason.Message)
			return []input{{ev: q}}
		}
	}
	h.park(fmt.Errorf("setting instances aside does not help: %w", internal(r.reason)))
	return nil
}

// single splits received messages into events of one each.
func single(ev *partition.Received) []input {
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
	h.hands = hands{} // items that wait for their commit are dropped by Release
	h.alarm.stopTimer()
	for i := range h.peers {
		p := &h.peers[i]
		p.rewind()
		p.connected, p.unlogged, p.logged = false, 0, 0
		p.acked.Store(0)
	}
	h.blocked.Store(false)
}
