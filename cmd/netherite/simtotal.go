package main

import (
	"context"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/sim"
)

// simTotal sums up a batch.
type simTotal struct {
	seeds, failed, events, faults int
	kinds                         sim.Tally
	virtual, cpu                  time.Duration
	hundreds                      int
	reached                       map[mark.Mark]bool
	rare                          map[mark.Mark][]string // seeds of the hundreds that have not come to it
}

// run runs the seeds of a batch, a hundred after the other.
func (t *simTotal) run(ctx context.Context, first uint64, seeds int, o sim.Options, done func(sim.Result) (more bool)) {
	more := true
	for at := 0; at < seeds && more && ctx.Err() == nil; at += judgedSeeds {
		n := min(judgedSeeds, seeds-at)
		mark.Count()
		sim.Batch(ctx, first+uint64(at), n, o, func(r sim.Result) bool {
			more = done(r)
			return more
		})
		t.count(first+uint64(at), n)
	}
}

// count notes the marks that were reached by seeds, which are judged if they are a
// hundred.
func (t *simTotal) count(first uint64, seeds int) {
	if t.reached == nil {
		t.reached, t.rare = map[mark.Mark]bool{}, map[mark.Mark][]string{}
	}
	if seeds == judgedSeeds {
		t.hundreds++
	}
	for _, m := range mark.All() {
		switch {
		case m.Hits() > 0:
			t.reached[m] = true
		case seeds == judgedSeeds:
			t.rare[m] = append(t.rare[m], fmt.Sprintf("%d to %d", first, first+judgedSeeds-1))
		}
	}
}

// add prints a seed's line and counts it.
func (t *simTotal) add(out io.Writer, r *sim.Result, o *sim.Options) {
	t.seeds, t.events, t.faults, t.virtual = t.seeds+1, t.events+r.Events, t.faults+r.Faults, t.virtual+r.Virtual
	t.kinds.Add(&r.Kinds)
	verdict := "ok"
	if r.Err != nil {
		t.failed++
		verdict = "failed"
	}
	terminal.Printf(out, "seed=%d hash=%016x events=%d faults=%d virtual=%dh%02dm %s\n", r.Seed, r.Hash, r.Events, r.Faults,
		int(r.Virtual.Hours()), int(r.Virtual.Minutes())%60, verdict)
	if r.Err != nil {
		terminal.Printf(out, "failure: %v\nrepro: %s\n", r.Err, reproOf(r.Seed, o))
	}
}

// conclude prints what the batch comes to. One that is large enough, and that
// nothing was left out of, fails if it has not come to every mark, and had every kind
// of fault, since what no run does is not tested.
func (t *simTotal) conclude(out io.Writer, o *sim.Options) error {
	failed := t.failed > 0
	if t.seeds >= judgedSeeds && len(o.Without) == 0 && o.Operations == 0 {
		failed = t.judge(out) || failed
	}
	terminal.Printf(out, "faults:%s\n", t.byKind())
	t.means(out, o)
	terminal.Printf(out, "sim: seeds=%d failed=%d events=%d virtual_hours=%d faults=%d marks=%d/%d\n",
		t.seeds, t.failed, t.events, int(t.virtual.Hours()), t.faults, len(t.reached), len(mark.All()))
	if failed {
		return &quiet{exitFailed}
	}
	return nil
}

// judge prints what the batch has not come to, or too seldom. It reports whether
// there is anything.
func (t *simTotal) judge(out io.Writer) (lacks bool) {
	var missed, never []string
	for _, m := range mark.All() {
		switch where := t.rare[m]; {
		case !t.reached[m]:
			missed = append(missed, m.String())
		case len(where)*judgedSeeds > t.hundreds:
			lacks = true
			terminal.Printf(out, "mark too rare: %v, which seeds %s have not reached\n", m, strings.Join(where, ", "))
		}
	}
	for f, n := range t.kinds {
		if n == 0 {
			never = append(never, sim.Fault(f).String())
		}
	}
	if len(missed) > 0 {
		terminal.Printf(out, "marks never reached: %s\n", strings.Join(missed, " "))
	}
	if len(never) > 0 {
		terminal.Printf(out, "faults that never happened: %s\n", strings.Join(never, " "))
	}
	return lacks || len(missed)+len(never) > 0
}

// byKind is how often each kind of fault has happened.
func (t *simTotal) byKind() string {
	var b strings.Builder
	for f, n := range t.kinds {
		terminal.Printf(&b, " %v=%d", sim.Fault(f), n)
	}
	return b.String()
}

// means prints what a seed comes to on average. The processor's time is of one run
// of a seed; nothing is judged by it, as it depends on the machine.
func (t *simTotal) means(out io.Writer, o *sim.Options) {
	n := float64(max(t.seeds, 1))
	runs := n
	if o.Twice {
		runs = 2 * n
	}
	terminal.Printf(out, "means: events=%.0f faults=%.1f cpu_ms=%.1f\n",
		math.Floor(float64(t.events)/n), float64(t.faults)/n, t.cpu.Seconds()*1000/runs)
}
