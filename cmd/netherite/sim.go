package main

import (
	"fmt"
	"io"
	"runtime/debug"
	"strings"
	"time"

	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/sim"
	"github.com/spf13/cobra"
)

// A batch of so many seeds has to have come to every mark.
const markedSeeds = 100

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
			if seeds < 1 || o.Operations < 0 {
				return usagef("--seeds %d --operations %d: want at least one seed, and no negative number", seeds, o.Operations)
			}
			out := cmd.OutOrStdout()
			fmt.Fprintf(out, "sim: seed=%d commit=%s\n", seed, version())
			if trace {
				if seeds != 1 {
					return usagef("--trace is for one seed")
				}
				o.Trace = out
			}
			defer debug.SetGCPercent(debug.SetGCPercent(simCollector))
			mark.Count()
			var total simTotal
			sim.Batch(cmd.Context(), seed, seeds, o, func(r sim.Result) (more bool) {
				total.add(out, &r, &o)
				if r.Err != nil && shrink {
					least, last := sim.Shrink(r.Seed, o)
					fmt.Fprintf(out, "shrunk: %s: %v\n", reproOf(r.Seed, &least), last.Err)
				}
				return r.Err == nil || !stop
			})
			if err := total.conclude(out, len(o.Without) == 0 && o.Operations == 0); err != nil || cmd.Context().Err() == nil {
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

// simTotal sums up a batch.
type simTotal struct {
	seeds, failed, events, faults int
	virtual                       time.Duration
}

// add prints a seed's line and counts it.
func (t *simTotal) add(out io.Writer, r *sim.Result, o *sim.Options) {
	t.seeds, t.events, t.faults, t.virtual = t.seeds+1, t.events+r.Events, t.faults+r.Faults, t.virtual+r.Virtual
	verdict := "ok"
	if r.Err != nil {
		t.failed++
		verdict = "failed"
	}
	fmt.Fprintf(out, "seed=%d hash=%016x events=%d faults=%d virtual=%dh%02dm %s\n", r.Seed, r.Hash, r.Events, r.Faults,
		int(r.Virtual.Hours()), int(r.Virtual.Minutes())%60, verdict)
	if r.Err != nil {
		fmt.Fprintf(out, "failure: %v\nrepro: %s\n", r.Err, reproOf(r.Seed, o))
	}
}

// conclude prints the last line. A batch that is large enough fails if it has
// not come to every mark, since what no run does is not tested.
func (t *simTotal) conclude(out io.Writer, all bool) error {
	var missed []string
	for _, m := range mark.All() {
		if m.Hits() == 0 {
			missed = append(missed, m.String())
		}
	}
	judged := all && t.seeds >= markedSeeds && len(missed) > 0
	if judged {
		fmt.Fprintf(out, "marks never reached: %s\n", strings.Join(missed, " "))
	}
	marks := len(mark.All())
	fmt.Fprintf(out, "sim: seeds=%d failed=%d events=%d virtual_hours=%d faults=%d marks=%d/%d\n",
		t.seeds, t.failed, t.events, int(t.virtual.Hours()), t.faults, marks-len(missed), marks)
	if t.failed > 0 || judged {
		return &quiet{exitFailed}
	}
	return nil
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
	return b
}
