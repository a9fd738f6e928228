package worker

import "github.com/netherite-go/netherite/worker/replay"

// The watch on slow steps costs a step two atomic operations. While steps run, a
// timer ticks twice per Options.SlowStep; a step that is still the same after
// three ticks has computed for that long.

const slowTicks = 3

// watch notes that a step begins.
func (w *Worker) watch(j *stepJob) {
	j.begun.Store(w.tick.Load() + 1)
	w.arm()
}

func (w *Worker) arm() {
	if !w.watching.Load() && !w.watching.Swap(true) {
		w.opts.Clock.AfterFunc(w.opts.SlowStep/(slowTicks-1), w.look)
	}
}

// look ticks, reports what is slow, and goes on while anything runs.
func (w *Worker) look() {
	now := w.tick.Add(1)
	w.watching.Store(false) // first: a step that begins now may not be seen below
	type found struct {
		slot  *slot[*stepJob]
		job   *stepJob
		label string
	}
	var slow []found
	busy := false
	w.steps.running(func(s *slot[*stepJob]) {
		busy = true
		begun := s.item.begun.Load()
		if begun != 0 && now-(begun-1) >= slowTicks && !s.item.reported {
			s.item.reported = true
			slow = append(slow, found{s, s.item, s.label})
		}
	})
	for _, f := range slow {
		w.steps.detach(f.slot, f.job, false)
		w.report(f.job, f.label)
	}
	if busy {
		w.arm()
	}
}

// report tells of a slow step, with the stack of what is running.
func (w *Worker) report(j *stepJob, label string) {
	if j.entity != nil {
		w.opts.Logger.Warn("entity computes for long; operations should be short and not block",
			"entity", j.entity.Instance, "after", w.opts.SlowStep, "stack", replay.StackOf(label))
		return
	}
	stack := ""
	if x := j.execution.Load(); x != nil {
		stack = x.CurrentStack()
	}
	w.opts.Logger.Warn("step computes for long; an orchestration must leave computing and blocking to activities",
		"instance", j.orchestration.Instance, "orchestration", j.orchestration.Name, "after", w.opts.SlowStep, "stack", stack)
}
