// Command hunt has the simulator look for a bug that is planted in it: it runs
// seeds until one fails, and prints that seed and how it failed, on two lines, or
// nothing if none fails. It is "netherite sim --stop" without all that the simulator
// does not need, which takes a third of the time to build.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/debug"

	"github.com/netherite-go/netherite/sim"
)

func main() {
	seeds := flag.Int("seeds", 500, "how many seeds, from 1 on")
	twice := flag.Bool("twice", false, "run each seed twice: it must come to the same")
	flag.Parse()
	if *seeds < 1 || flag.NArg() > 0 {
		fmt.Fprintf(os.Stderr, "hunt: %d seeds and %q: want at least one seed, and nothing else\n", *seeds, flag.Args())
		os.Exit(2)
	}
	debug.SetGCPercent(800) // as "netherite sim" does
	sim.Batch(context.Background(), 1, *seeds, sim.Options{Twice: *twice}, func(r sim.Result) (more bool) {
		if r.Err != nil {
			fmt.Printf("%d\n%v\n", r.Seed, r.Err)
		}
		return r.Err == nil
	})
}
