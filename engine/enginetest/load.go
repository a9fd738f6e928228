package enginetest

import (
	"fmt"
	"strings"
	"testing"
)

// Four and twenty copies, each with what checks all that an engine does (the
// default), without (Bulk), and under a memory limit. What checks keeps all that
// there is, so that the two do not go together. Without a limit, twenty copies take
// almost 2 MiB.
var load = []scenario{
	{name: "T53_EachScenarioOnce", run: func(s *scene) { s.copies(1, false) }},
	{name: "T53_EachScenarioOnce_AlsoLargeOnes", run: func(s *scene) { s.copies(1, true) }, heavy: true, opts: Options{Bulk: true}},
	{name: "T54_ScaleSmallScenarios_4", run: func(s *scene) { s.copies(4, false) }, heavy: true},
	{name: "T54_ScaleSmallScenarios_4_LimitedMemory", run: func(s *scene) { s.copies(4, false) }, heavy: true, opts: Options{Memory: 4 << 20, CheckpointRecords: 1_000}},
	{name: "T54_ScaleSmallScenarios_4_Unchecked", run: func(s *scene) { s.copies(4, false) }, heavy: true, opts: Options{Bulk: true}},
	{name: "T54_ScaleSmallScenarios_20_Checked", run: func(s *scene) { s.copies(20, false) }, heavy: true},
	{name: "T54_ScaleSmallScenarios_20_LimitedMemory", run: func(s *scene) { s.copies(20, false) }, heavy: true, opts: Options{Bulk: true, Memory: 1 << 20, CheckpointRecords: 1_000}},
	{name: "T54_ScaleSmallScenarios_20", run: func(s *scene) { s.copies(20, false) }, heavy: true, opts: Options{Bulk: true}},
	{name: "T55_ReproHangingReads", run: func(s *scene) { s.copies(20, false) }, heavy: true, evict: true, opts: Options{CheckpointRecords: never, Bulk: true}},
}

// copies plays copies of all scenarios about orchestrations at the same time in
// one hub.
func (s *scene) copies(n int, large bool) {
	s.Run("all", func(t *testing.T) {
		for _, c := range orchestrations {
			if c.heavy && !large {
				continue
			}
			for i := range n {
				prefix := fmt.Sprintf("%s%s-%d-", s.prefix, strings.ToLower(c.name), i)
				t.Run(fmt.Sprintf("%s/%d", c.name, i), func(t *testing.T) {
					t.Parallel()
					c.run(&scene{T: t, hub: s.hub, ctx: timely(t), prefix: prefix, shared: true})
				})
			}
		}
	})
	s.check()
}
