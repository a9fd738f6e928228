package netherite

import (
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// The events that carry what workers hand in are the most frequent and the largest
// ones, and nothing keeps them once they have been applied: their memory is used
// again. It was a tenth of all that Hello5 allocates.
var stepEvents, taskEvents sync.Pool

func stepDone(r *engine.OrchestrationResult) *partition.StepDone {
	e, _ := stepEvents.Get().(*partition.StepDone)
	return partition.NewStepDone(e, r)
}

func taskDone(r *engine.ActivityResult) *partition.TaskDone {
	e, _ := taskEvents.Get().(*partition.TaskDone)
	if e == nil {
		e = &partition.TaskDone{}
	}
	*e = partition.TaskDone{Ord: r.Token.Instance, Task: r.Token.Task, Name: r.Token.Name, Result: r.Result, Failure: r.Failure}
	return e
}

// reuse takes back the events of a batch that has been applied without a panic.
func reuse(work []input) {
	for i := range work {
		switch e := work[i].ev.(type) {
		case *partition.StepDone:
			*e = partition.StepDone{} // what it points to is others' now
			stepEvents.Put(e)
		case *partition.TaskDone:
			*e = partition.TaskDone{}
			taskEvents.Put(e)
		}
	}
}
