package replay

import "testing"

// TestDeferredFunctionsThatRepeatThemselvesCostLittleTogether: an execution may have many
// branches, each with one.
func TestDeferredFunctionsThatRepeatThemselvesCostLittleTogether(t *testing.T) {
	const branches = 100
	for name, call := range map[string]func(*Execution){
		"now":     func(x *Execution) { x.Now() },
		"next ID": func(x *Execution) { x.NextID() },
		"event":   func(x *Execution) { x.Buffered("event") },
		"task":    func(x *Execution) { task(x, "never") },
	} {
		calls, after := 0, 0
		h := newHost(t, func(x *Execution, _ []byte) Outcome {
			for range branches {
				x.Go(func() {
					defer func() { after++ }()
					defer func() {
						for x.Unwinding() {
							call(x)
							calls++
						}
					}()
					task(x, "slow").Wait()
				})
			}
			task(x, "slow").Wait()
			return Outcome{}
		})
		h.step(started())
		h.evict()
		if after != branches {
			t.Errorf("%s: of %d branches %d have run what they deferred first", name, branches, after)
		}
		if most := maxSwallowed + branches*maxSwallowedMore; calls > most {
			t.Errorf("%s: it made %d calls, more than %d", name, calls, most)
		}
	}
}
