package durabletask_test

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestAnExecutionIDThatAClientChoosesIsNotThatOfTheExecution(t *testing.T) {
	const chosen = "00112233445566778899aabbccddeeff"
	r := open(t)
	w := r.work(everything())
	seen := map[string]bool{chosen: true}
	for _, id := range []string{chosen, chosen, "", "no hex at all", strings.Repeat("f", 10_000)} {
		r.start("x", "Tour", func(q *wire.CreateInstanceRequest) { q.ExecutionId = text(id) })
		item := w.step("x")
		execution := item.GetOrchestratorRequest().GetExecutionId().GetValue()
		if len(execution) != 32 || seen[execution] {
			t.Errorf("with %.40q the execution is %q", id, execution)
		}
		seen[execution] = true
		if s := r.state("x"); s.GetExecutionId().GetValue() != execution {
			t.Errorf("the status says %q, the work item %q", s.GetExecutionId().GetValue(), execution)
		}
		w.answer(item, end(0, `"done"`)) // of each run, although all of them were to have one ID
		r.ended("x", completed)
	}
	if _, err := r.StartInstance(r.ctx, &wire.CreateInstanceRequest{InstanceId: "y", Name: "Tour", ExecutionId: text(chosen)}); err != nil {
		t.Error(err)
	}
}
