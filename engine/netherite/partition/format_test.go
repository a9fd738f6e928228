package partition

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// The scripts' canonical form of everything: short, and without what is random.

func showTime(t model.Time) string {
	if t == 0 {
		return "-"
	}
	return fmt.Sprintf("%+gs", t.Sub(epochTime).Seconds())
}

func showPayload(p []byte) string {
	switch {
	case p == nil:
		return ""
	case len(p) > 40:
		return fmt.Sprintf("%.8s..%d", p, len(p))
	}
	return string(p)
}

func showExecution(e model.ExecutionID) string {
	if e.IsZero() {
		return "-"
	}
	return e.String()[:6]
}

func showEvent(e *model.Event) string {
	var b strings.Builder
	b.WriteString(e.Kind.String())
	if e.ID != model.NoID {
		fmt.Fprintf(&b, "#%d", e.ID)
	}
	switch e.Kind {
	case model.TaskCompleted, model.TaskFailed, model.ChildCompleted, model.ChildFailed, model.TimerFired:
		fmt.Fprintf(&b, "->%d", e.Ref)
	}
	var args []string
	add := func(s string) {
		if s != "" {
			args = append(args, s)
		}
	}
	if e.Kind != model.ExecutionStarted {
		add(e.Instance)
	}
	add(e.Name)
	add(e.RequestID)
	add(showPayload(e.Payload))
	if e.Failure != nil {
		add("failed: " + e.Failure.Error())
	}
	if e.FireAt != 0 {
		add("at " + showTime(e.FireAt))
	}
	add(showExt(e.Extra()))
	if len(args) > 0 {
		fmt.Fprintf(&b, "(%s)", strings.Join(args, ", "))
	}
	return b.String()
}

func showExt(x *model.Ext) string {
	var args []string
	if x.Status != 0 {
		args = append(args, x.Status.String())
	}
	if x.Recurse {
		args = append(args, "recursive")
	}
	if len(x.Tags) > 0 {
		args = append(args, showTags(x.Tags))
	}
	for i := range x.CarryOver {
		args = append(args, "carries "+showEvent(&x.CarryOver[i]))
	}
	if len(x.LockSet) > 0 {
		args = append(args, fmt.Sprintf("%d of {%s}", x.Position, strings.Join(x.LockSet, " ")))
	}
	return strings.Join(args, ", ")
}

func showTags(tags map[string]string) string {
	var list []string
	for _, k := range slices.Sorted(maps.Keys(tags)) {
		list = append(list, k+":"+tags[k])
	}
	return "tags " + strings.Join(list, " ")
}

func showEvents(events []model.Event) string {
	list := make([]string, len(events))
	for i := range events {
		list[i] = showEvent(&events[i])
	}
	return strings.Join(list, ", ")
}

func showEntries(entries []entry) string {
	list := make([]string, len(entries))
	for i := range entries {
		list[i] = fmt.Sprintf("%d:%s", entries[i].seq, showEvent(&entries[i].event))
		if entries[i].from != "" {
			list[i] += " from " + entries[i].from
		}
	}
	return strings.Join(list, ", ")
}

// showInstance prints all that is durable of an instance.
func showInstance(s *State, ord uint64) string {
	inst := s.byOrd[ord]
	if inst == nil {
		return fmt.Sprintf("%d: not in memory", ord)
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("%s %s %s ord=%d execution=%s events=%d steps=%d", inst.id, inst.name, inst.status, inst.ord,
		showExecution(inst.execution), inst.events, inst.steps)
	var flags []string
	flag := func(on bool, text string) {
		if on {
			flags = append(flags, text)
		}
	}
	flag(inst.version != "", "version="+inst.version)
	flag(inst.input != nil, "input="+showPayload(inst.input))
	flag(inst.output != nil, "output="+showPayload(inst.output))
	flag(inst.custom != nil, "custom="+showPayload(inst.custom))
	flag(inst.scheduled != 0, "scheduled="+showTime(inst.scheduled))
	flag(inst.completed != 0, "completed="+showTime(inst.completed))
	flag(inst.suspended, "suspended")
	flag(inst.more, "more")
	flag(len(inst.tags) > 0, showTags(inst.tags))
	flag(len(inst.awaits) > 0, "awaits="+strings.Join(inst.awaits, ","))
	if inst.failure != nil {
		flags = append(flags, "failure="+inst.failure.Error())
	}
	if inst.parent != nil {
		flags = append(flags, fmt.Sprintf("parent=%s#%d", inst.parent.Instance, inst.parent.ID))
	}
	if inst.quarantine != nil {
		flags = append(flags, "quarantine="+inst.quarantine.Error())
	}
	if inst.holds {
		flags = append(flags, "holds what comes")
	}
	if len(flags) > 0 {
		line("  %s", strings.Join(flags, " "))
	}
	showElements(inst, line)
	return strings.TrimSuffix(b.String(), "\n")
}

func showElements(inst *instance, line func(string, ...any)) {
	if ent := inst.entity; ent != nil {
		line("  state=%s locked=%s by=%s", showPayload(ent.state), orDash(ent.section), orDash(ent.holder))
		if len(ent.backlog) > 0 {
			line("  backlog %s", showEntries(ent.backlog))
		}
	}
	if len(inst.inbox) > 0 {
		line("  inbox %s", showEntries(inst.inbox))
	}
	if len(inst.held) > 0 {
		entries := make([]entry, len(inst.held))
		for i := range entries {
			entries[i] = inst.held[i].entry
		}
		line("  held %s", showEntries(entries))
	}
	inst.tasks.all(func(_ int32, t *task) bool {
		line("  task %s scheduled by %d.%d", showEvent(t.event), t.name.Epoch, t.name.Number)
		return true
	})
	inst.timers.all(func(id int32, t *timer) bool {
		text := ""
		if t.msg != nil {
			text = " for " + showEvent(&t.msg.event)
		}
		if id >= wakeBase {
			id -= wakeBase
			text += " by the engine"
		}
		line("  timer %d at %s%s", id, showTime(t.fireAt), text)
		return true
	})
	inst.children.all(func(id int32, c *child) bool {
		line("  child %d %s %s done=%t", id, c.name, c.instance, c.done)
		return true
	})
	for _, c := range inst.calls {
		line("  call %d %s %s request=%s", c.id, c.entity, c.operation, c.request)
	}
	for _, sec := range inst.sections {
		line("  section %s {%s} granted=%t", sec.key, strings.Join(sec.lockSet, " "), sec.granted)
	}
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// showItems prints work items.
func showItems(it *engine.Items) (list []string) {
	for _, i := range it.Activities {
		text := fmt.Sprintf("activity %s/%d %s(%s) call=%d attempt=%d", i.Instance, i.Task, i.Name, showPayload(i.Input), i.Call, i.Attempt)
		if i.Timeout > 0 {
			text += fmt.Sprintf(" timeout=%s", i.Timeout)
		}
		list = append(list, text)
	}
	for _, i := range it.Orchestrations {
		more := ""
		if i.More {
			more = " more"
		}
		list = append(list, fmt.Sprintf("step %s now=%s past=%d%s: %s", i.Instance, showTime(i.Now), i.PastEvents, more, showEvents(i.NewEvents)))
	}
	for _, i := range it.Entities {
		text := fmt.Sprintf("batch %s state=%s: %s", i.Instance, showPayload(i.State), showEvents(i.Operations))
		if i.LockedBy != "" {
			text += " locked by " + i.LockedBy
		}
		list = append(list, text)
	}
	return list
}

// takeEffects prints and forgets what Steps asked the world to do.
func (p *testPart) takeEffects() (list []string) {
	for i := range p.fx.Answers {
		list = append(list, showAnswer(&p.fx.Answers[i]))
	}
	for _, c := range p.fx.Changes {
		text := fmt.Sprintf("change %s %s", c.Instance, c.Status)
		if c.Gone {
			text = fmt.Sprintf("change %s gone", c.Instance)
		}
		if c.Was != nil {
			text = fmt.Sprintf("change %s replaced, was %s %d", c.Instance, c.Was.Status, c.Ord)
		}
		list = append(list, text)
	}
	for _, t := range p.fx.Cancelled {
		list = append(list, fmt.Sprintf("cancel activity %d/%d", t.Instance, t.Task))
	}
	p.fx.Reset()
	return list
}

func showAnswer(a *Answer) string {
	text := "answer"
	if a.Err != nil {
		text += " error: " + a.Err.Error()
	}
	if s := a.Started; s.Instance != "" && a.Err == nil {
		text += fmt.Sprintf(" started %s execution=%s", s.Instance, showExecution(s.Execution))
		if s.Attached {
			text += " attached"
		}
	}
	if a.Deleted > 0 {
		text += fmt.Sprintf(" deleted=%d", a.Deleted)
	}
	if c := a.Cleaned; c.Removed+c.Released > 0 {
		text += fmt.Sprintf(" removed=%d released=%d", c.Removed, c.Released)
	}
	return text
}

func parseDuration(s string) time.Duration {
	d, err := time.ParseDuration(strings.TrimPrefix(s, "+"))
	if err != nil {
		panic(err)
	}
	return d
}
