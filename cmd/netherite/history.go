package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// printHistory prints one event a line, or all as JSON.
func printHistory(out io.Writer, events []model.Event, asJSON bool) error {
	if asJSON {
		list := make([]map[string]any, len(events))
		for i := range events {
			list[i] = eventJSON(&events[i])
		}
		return printJSON(out, list)
	}
	for i := range events {
		e := &events[i]
		id := ""
		if e.ID != model.NoID {
			id = fmt.Sprintf("#%d", e.ID)
		} else if answers(e) {
			id = fmt.Sprintf("re #%d", e.Ref)
		}
		fmt.Fprintf(out, "%s  %-34s %-8s %s\n", e.Time, e.Kind, id, eventText(e))
	}
	return nil
}

func eventText(e *model.Event) string {
	var parts []string
	add := func(s string) {
		if s != "" {
			parts = append(parts, s)
		}
	}
	add(e.Name)
	add(e.Instance)
	if e.Payload != nil {
		add(string(e.Payload))
	}
	if e.Failure != nil {
		add(e.Failure.Error())
	}
	if e.FireAt != 0 {
		add(e.FireAt.String())
	}
	return strings.Join(parts, "  ")
}

// answers reports whether an event answers an action that its Ref names.
func answers(e *model.Event) bool {
	switch e.Kind {
	case model.TaskCompleted, model.TaskFailed, model.ChildCompleted, model.ChildFailed, model.TimerFired:
		return true
	}
	return false
}

// eventJSON shows the fields that an event has.
func eventJSON(e *model.Event) map[string]any {
	m := map[string]any{"eventType": e.Kind.String(), "timestamp": stamp(e.Time), "eventId": e.ID}
	put := func(name string, set bool, v any) {
		if set {
			m[name] = v
		}
	}
	put("refersTo", answers(e), e.Ref)
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
