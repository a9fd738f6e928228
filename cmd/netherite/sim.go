package main

import (
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"strings"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/sim"
	"github.com/spf13/cobra"
)

// A batch of so many seeds has to have come to every mark, and its seeds to so much
// on average: less is too little to prove anything.
const (
	judgedSeeds = 100
	aimedEvents = 2_000
	aimedFaults = 10
)

// simCollector is how far the heap may grow between two collections, in percent:
// a run makes much garbage and keeps little.
const simCollector = 800

func newSim() *cobra.Command {
	var (
		seed    uint64
		seeds   int
		without []string
		trace   bool
		shrink  bool
		stop    bool
		o       sim.Options
	)
	cmd := &cobra.Command{
		Use:   "sim",
		Short: "Simulate a hub whose disks, clocks, messages and workers misbehave, by seeds",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if o.Without, err = sim.ParseFaults(without); err != nil {
				return usagef("--without: %w", err)
			}
			out := cmd.OutOrStdout()
			switch {
			case seeds < 1 || o.Operations < 0:
				return usagef("--seeds %d --operations %d: want at least one seed, and no negative number", seeds, o.Operations)
			case uint64(seeds-1) > math.MaxUint64-seed:
				return usagef("--seed %d --seeds %d: there are no seeds above %d", seed, seeds, uint64(math.MaxUint64))
			case trace && seeds != 1:
				return usagef("--trace is for one seed, --seeds says %d", seeds)
			case trace:
				o.Trace = out
			}
			terminal.Printf(out, "sim: seed=%d commit=%s\n", seed, version())
			defer debug.SetGCPercent(debug.SetGCPercent(simCollector))
			mark.Count()
			total := simTotal{cpu: -bench.CPUTime()}
			sim.Batch(cmd.Context(), seed, seeds, o, func(r sim.Result) (more bool) {
				total.add(out, &r, &o)
				if r.Err != nil && shrink {
					printShrunk(out, &r, o)
				}
				return r.Err == nil || !stop
			})
			total.cpu += bench.CPUTime()
			if err := total.conclude(out, &o); err != nil || cmd.Context().Err() == nil {
				return err
			}
			return fmt.Errorf("interrupted: %d of %d seeds were run", total.seeds, seeds)
		},
	}
	cmd.Flags().Uint64Var(&seed, "seed", 1, "the first seed")
	cmd.Flags().IntVar(&seeds, "seeds", 1, "how many seeds")
	cmd.Flags().StringSliceVar(&without, "without", nil, "kinds of faults to leave out: "+strings.Join(sim.FaultNames(), ", "))
	cmd.Flags().IntVar(&o.Operations, "operations", 0, "operations of all clients together (default as many as it takes)")
	cmd.Flags().BoolVar(&trace, "trace", false, "print every event")
	cmd.Flags().BoolVar(&stop, "stop", false, "end with the first seed that fails")
	cmd.Flags().BoolVar(&o.Twice, "twice", false, "run each seed twice: it must come to the same")
	cmd.Flags().BoolVar(&shrink, "shrink", false, "of a seed that fails, find the least that still fails")
	return cmd
}

// printShrunk prints the least of a seed that still fails.
func printShrunk(out io.Writer, r *sim.Result, o sim.Options) {
	least, last := sim.Shrink(r.Seed, o)
	if last.Err == nil {
		terminal.Printf(out, "shrunk: seed %d has not failed again\n", r.Seed)
		return
	}
	terminal.Printf(out, "shrunk: %s: %v\n", reproOf(r.Seed, &least), last.Err)
}

// simTotal sums up a batch.
type simTotal struct {
	seeds, failed, events, faults int
	virtual, cpu                  time.Duration
}

// add prints a seed's line and counts it.
func (t *simTotal) add(out io.Writer, r *sim.Result, o *sim.Options) {
	t.seeds, t.events, t.faults, t.virtual = t.seeds+1, t.events+r.Events, t.faults+r.Faults, t.virtual+r.Virtual
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
// nothing was left out of, fails if it has not come to every mark, since what no run
// does is not tested, or if its seeds do too little.
func (t *simTotal) conclude(out io.Writer, o *sim.Options) error {
	var missed []string
	for _, m := range mark.All() {
		if m.Hits() == 0 {
			missed = append(missed, m.String())
		}
	}
	judged := t.seeds >= judgedSeeds && len(o.Without) == 0 && o.Operations == 0
	failed := t.failed > 0
	if judged && len(missed) > 0 {
		failed = true
		terminal.Printf(out, "marks never reached: %s\n", strings.Join(missed, " "))
	}
	if n := max(t.seeds, 1); judged && (t.events < n*aimedEvents || t.faults < n*aimedFaults) {
		failed = true
		terminal.Printf(out, "too little: a seed is to have %d events and %d faults on average\n", aimedEvents, aimedFaults)
	}
	t.means(out, o)
	marks := len(mark.All())
	terminal.Printf(out, "sim: seeds=%d failed=%d events=%d virtual_hours=%d faults=%d marks=%d/%d\n",
		t.seeds, t.failed, t.events, int(t.virtual.Hours()), t.faults, marks-len(missed), marks)
	if failed {
		return &quiet{exitFailed}
	}
	return nil
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

// reproOf is the command that repeats a run.
func reproOf(seed uint64, o *sim.Options) string {
	b := fmt.Sprintf("netherite sim --seed %d", seed)
	if len(o.Without) > 0 {
		names := make([]string, len(o.Without))
		for i, f := range o.Without {
			names[i] = f.String()
		}
		b += " --without " + strings.Join(names, ",")
	}
	if o.Operations > 0 {
		b += fmt.Sprintf(" --operations %d", o.Operations)
	}
	if o.Twice {
		b += " --twice"
	}
	return b
}
