package bench

import "fmt"

// discount adds a reason why the row does not count.
func (r *Result) discount(why string) {
	if r.WhyNot != "" {
		why = r.WhyNot + "; " + why
	}
	r.WhyNot, r.Counts = why, false
}

// longer says what makes the window longer.
func (r *Result) longer() string {
	switch {
	case r.Workload == "waiting":
		return "a larger --count, of orchestrations to wake, has more"
	case r.Count > 0:
		return "a larger --count has more"
	}
	return "a longer --duration has more"
}

// fastestSync is a p50 of the probe below which nothing can have become durable:
// the fastest disks with a cache that survives a power cut take longer.
const fastestSync = 0.005 // ms

// judgeDisk says of a run in memory that its acknowledgements mean nothing.
func (r *Result) judgeDisk(probed bool) {
	if probed && r.FdatasyncP50 < fastestSync {
		r.discount(fmt.Sprintf("fdatasync takes %.3f ms: --dir is in memory, where nothing is durable, or the disk ignores it", r.FdatasyncP50))
	}
}

// refusedWhy is the reason of the first refusal in the window: a full disk is
// another one than back-pressure.
func (l *load) refusedWhy() string {
	switch first := l.firstNo.Load(); {
	case first != nil:
		return (*first).Error()
	case l.refused.Load() > 0: // the open loop's own
		return "too many operations were under way"
	}
	return ""
}
