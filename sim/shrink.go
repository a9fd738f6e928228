package sim

import "strings"

// Shrink looks for the least of a run that still fails: first it leaves out kinds
// of faults, then it halves the operations. What fails by another checker is another
// failure. It returns what is left and how that fails; if the seed does not fail at
// all, with no error.
func Shrink(seed uint64, o Options) (Options, Result) { return shrink(seed, o, Run) }

func shrink(seed uint64, o Options, run func(uint64, Options) Result) (Options, Result) {
	o.Trace = nil
	last := run(seed, o)
	if last.Err == nil {
		return o, last
	}
	try := func(next Options) bool {
		r := run(seed, next)
		same := r.Err != nil && checkerOf(r.Err) == checkerOf(last.Err)
		if same {
			o, last = next, r
		}
		return same
	}
	for f := range faultKinds {
		next := o
		next.Without = append(append([]Fault(nil), o.Without...), f)
		try(next)
	}
	for last.Operations > 1 {
		next := o
		next.Operations = last.Operations / 2
		if !try(next) {
			break
		}
	}
	return o, last
}

// checkerOf names the checker that a failure comes from: it begins with that.
func checkerOf(err error) string {
	checker, _, _ := strings.Cut(err.Error(), ":")
	return checker
}
