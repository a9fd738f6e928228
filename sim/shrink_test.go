package sim

import (
	"errors"
	"slices"
	"testing"
)

func TestShrinkingKeepsTheCheckerThatFails(t *testing.T) {
	run := func(_ uint64, o Options) Result {
		most := o.Operations
		if most == 0 {
			most = 512
		}
		switch {
		case slices.Contains(o.Without, Kills):
			return Result{Err: errors.New("liveness: without kills nothing goes on")}
		case slices.Contains(o.Without, Crashes) && o.Operations == 0:
			return Result{Err: errors.New("ledger: less of it: another text"), Operations: most}
		case o.Operations > 0 && o.Operations < 100:
			return Result{}
		}
		return Result{Err: errors.New("ledger: something is lost"), Operations: most}
	}
	least, last := shrink(1, Options{}, run)
	if checkerOf(last.Err) != "ledger" || slices.Contains(least.Without, Kills) {
		t.Errorf("shrunk to %v without %v", last.Err, least.Without)
	}
	if len(least.Without) != int(faultKinds)-1 || least.Operations != 128 {
		t.Errorf("%d kinds of faults are left out, %d operations are left", len(least.Without), least.Operations)
	}
}
