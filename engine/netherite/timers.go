package netherite

import (
	"math"
	"time"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

const (
	// Stored timers are brought into memory this much ahead, at most so many at
	// a time.
	timerAhead  = time.Hour
	timerSlice  = 10_000
	timerMargin = time.Second // before they may be due
	// recheck bounds how long an alarm trusts that wall and monotonic clock go
	// alike, while there are timers: only the wall clock goes on while a machine
	// sleeps. clockStep is the difference that is worth a word.
	recheck   = time.Minute
	clockStep = time.Second
)

// alarm is the one timer of a partition that its clock knows. All others are in
// the state's heap.
type alarm struct {
	at   model.Time // when it goes off; 0 not set
	near bool       // it goes off early, to look at the wall clock again
	stop func()
	wall model.Time // when it was set, by both clocks
	mono time.Duration
}

func (a *alarm) stopTimer() {
	if a.stop != nil {
		a.stop()
	}
	a.at, a.stop = 0, nil
}

// dueTimers appends an event for the timers that the wall clock has passed.
func (h *host) dueTimers(work []input) []input {
	b := &h.batch
	h.fetchTimers()
	now := b.now
	if planted.TimersLate {
		now = now.Add(-30 * time.Minute)
	}
	if planted.TimersEarly {
		now = now.Add(time.Second)
	}
	if next := h.state.NextTimer(); next == 0 || next > now {
		return work
	}
	mark.Hit(mark.TimersDue)
	due := h.state.DueTimers(now, maxDueTimers, nil)
	return append(work, input{ev: &partition.TimersFired{Timers: due}})
}

// fetchTimers brings stored timers into memory before they can be due.
func (h *host) fetchTimers() {
	b := &h.batch
	for horizon := h.state.Horizon(); horizon <= b.now.Add(timerMargin); horizon = h.state.Horizon() {
		refs, to, err := partition.FetchTimers(reader{h.n.store}, h.id, horizon, b.now.Add(timerAhead), timerSlice)
		if err != nil {
			h.broken(err)
			return
		}
		more, _, err := partition.FetchTimers(reader{h.n.store}, h.id, to, math.MaxInt64, 1)
		if err != nil {
			h.broken(err)
			return
		}
		h.state.InstallTimers(refs, to, len(more) > 0)
		if to <= horizon {
			return
		}
	}
}

// setAlarm makes the clock wake the partition for its next timer, or when stored
// ones have to be fetched. With more timers due at once it goes on immediately.
func (h *host) setAlarm() {
	a, now := &h.alarm, h.batch.now
	next := h.state.NextTimer()
	if planted.TimersLate && next != 0 {
		next = next.Add(30 * time.Minute)
	}
	if next != 0 && next <= now {
		h.poke()
		return
	}
	h.checkClock()
	if fetch := h.state.Horizon().Add(-timerMargin); next == 0 || fetch < next {
		next = max(fetch, now+1)
	}
	timers := h.state.NextTimer() != 0 || h.state.TimersBeyond()
	if a.at == next && (a.near || !timers) {
		return
	}
	a.stopTimer()
	a.at, a.near, a.wall, a.mono = next, timers, now, h.batch.mono
	wait := next.Sub(now)
	if timers {
		wait = min(wait, recheck)
	}
	a.stop = h.n.clock.AfterFunc(wait, func() {
		h.do(func(h *host) { h.alarm.at = 0 })
	})
}

// checkClock notes when the wall clock has been set.
func (h *host) checkClock() {
	a := &h.alarm
	if a.wall == 0 {
		return
	}
	wall, mono := h.batch.now, h.batch.mono
	step := wall.Sub(a.wall) - (mono - a.mono)
	if step > clockStep || step < -clockStep {
		mark.Hit(mark.ClockWasSet)
		h.n.e.metrics.clockSteps.Add(1)
		h.log.Warn("the wall clock was set", "by", step)
	}
	a.wall, a.mono = wall, mono
}
