package sim

import (
	"strings"
	"testing"
	"time"
)

// What has itself called again within no time keeps virtual time from passing.
func TestRunInWhichSomethingGoesOnForEverIsNotLive(t *testing.T) {
	w := newWorld(1, newPlan(1, Options{}))
	var again func()
	again = func() {
		w.note("merry-go-round", 0, 0)
		w.after(0, again)
	}
	again()
	w.run(time.Hour, func() bool { return false })
	if w.failure == nil || !strings.HasPrefix(w.failure.Error(), "liveness: no end") || !strings.Contains(w.failure.Error(), "merry-go-round") {
		t.Errorf("the run ends with %v", w.failure)
	}
}
