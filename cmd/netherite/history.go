package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
)

// printHistory prints one event a line, or all as JSON.
func printHistory(out io.Writer, events []model.Event, asJSON bool) error {
	asked := askedIn(events)
	if asJSON {
		list := make([]map[string]any, len(events))
		for i := range events {
			list[i] = asked.json(&events[i])
		}
		return printJSON(out, list)
	}
	for i := range events {
		asked.print(out, &events[i])
	}
	return nil
}

// columnTime is RFC 3339 with as many digits for each time, so that columns do not shift.
const columnTime = "2006-01-02T15:04:05.000000000Z07:00"

// column formats a time that something stands behind.
func column(t model.Time) string { return t.Std().Format(columnTime) }

// asked are the IDs of the events of a history by which an orchestration has called or
// locked entities, by their requests, which is what the answers name.
type asked map[string]int32

func askedIn(events []model.Event) asked {
	a := asked{}
	for i := range events {
		if e := &events[i]; e.Kind == model.EntityCalled || e.Kind == model.EntityLockRequested {
			a[e.RequestID] = e.ID
		}
	}
	return a
}

// answered is the event that an event answers.
func (a asked) answered(e *model.Event) (id int32, ok bool) {
	switch e.Kind {
	case model.TaskCompleted, model.TaskFailed, model.ChildCompleted, model.ChildFailed, model.TimerFired:
		return e.Ref, true
	case model.EntityResponded, model.EntityOperationFailed, model.EntityLockGranted:
		id, ok = a[e.RequestID]
	}
	return id, ok
}

// print prints an event on a line.
func (a asked) print(out io.Writer, e *model.Event) {
	id := ""
	if e.ID != model.NoID {
		id = fmt.Sprintf("#%d", e.ID)
	} else if to, ok := a.answered(e); ok {
		id = fmt.Sprintf("re #%d", to)
	}
	terminal.Printf(out, "%s  %-34s %-8s %s\n", column(e.Time), e.Kind, id, eventText(e))
}

// behind indents the lines of a failure that follow the line of its event, or status.
const behind = "    "

func eventText(e *model.Event) terminal.Safe {
	var parts []string
	add := func(s terminal.Safe) {
		if s != "" {
			parts = append(parts, string(s))
		}
	}
	add(terminal.Text(e.Name))
	add(terminal.Text(e.Instance))
	if e.Payload != nil {
		add(payloadText(e.Payload))
	}
	if e.Failure != nil {
		add(terminal.Lines(e.Failure.Error(), behind))
	}
	if e.FireAt != 0 {
		add(terminal.Text(e.FireAt.String()))
	}
	return terminal.Safe(strings.Join(parts, "  "))
}

// json shows the fields that an event has.
func (a asked) json(e *model.Event) map[string]any {
	m := map[string]any{"eventType": e.Kind.String(), "timestamp": stamp(e.Time), "eventId": e.ID}
	put := func(name string, set bool, v any) {
		if set {
			m[name] = v
		}
	}
	to, answers := a.answered(e)
	put("refersTo", answers, to)
	put("name", e.Name != "", e.Name)
	put("version", e.Version != "", e.Version)
	put("instanceId", e.Instance != "", e.Instance)
	put("requestId", e.RequestID != "", e.RequestID)
	put("fireAt", e.FireAt != 0, stamp(e.FireAt))
	put("payload", e.Payload != nil, payload(e.Payload))
	put("failure", e.Failure != nil, toFailure(e.Failure))
	x := e.Extra()
	put("executionId", !x.Execution.IsZero(), x.Execution.String())
	put("tags", len(x.Tags) > 0, x.Tags)
	put("orchestrationStatus", e.Kind == model.ExecutionCompleted, x.Status.String())
	put("attempt", x.Attempt > 1, x.Attempt)
	put("lockSet", len(x.LockSet) > 0, x.LockSet)
	return m
}
