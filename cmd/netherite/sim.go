package main

import (
	"fmt"
	"io"
	"math"
	"runtime/debug"
	"strings"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/sim"
	"github.com/spf13/cobra"
)

// judgedSeeds is how many seeds have to come to every mark, and to have every kind of
// fault: what they do not do is not tested. Larger batches are judged by the hundred,
// or a mark that one run in a thousand comes to would pass. Chance may keep one
// hundred of so many from a mark.
const judgedSeeds = 100

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
			total := simTotal{cpu: -bench.CPUTime()}
			total.run(cmd.Context(), seed, seeds, o, func(r sim.Result) (more bool) {
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
