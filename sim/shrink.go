package sim

// mostOperations is more than any run has.
const mostOperations = 512

// Shrink looks for the least of a run that still fails: first it leaves out kinds
// of faults, then it halves the operations. It returns what is left and how that
// fails; if the seed does not fail at all, with no error.
func Shrink(seed uint64, o Options) (Options, Result) {
	o.Trace = nil
	last := Run(seed, o)
	if last.Err == nil {
		return o, last
	}
	try := func(next Options) bool {
		r := Run(seed, next)
		if r.Err != nil {
			o, last = next, r
		}
		return r.Err != nil
	}
	for f := range faultKinds {
		next := o
		next.Without = append(append([]Fault(nil), o.Without...), f)
		try(next)
	}
	if o.Operations == 0 {
		next := o
		next.Operations = mostOperations
		try(next)
	}
	for o.Operations > 1 {
		next := o
		next.Operations /= 2
		if !try(next) {
			break
		}
	}
	return o, last
}
