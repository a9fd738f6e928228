package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// waitsJSON says what keeps an instance from going on.
type waitsJSON struct {
	NoHandler        string      `json:"noHandler,omitempty"`
	Step             string      `json:"step,omitempty"` // "running" or "queued"
	Messages         int64       `json:"messages,omitempty"`
	Activities       []taskJSON  `json:"activities,omitempty"`
	Timers           []timerJSON `json:"timers,omitempty"`
	SubOrchestrators []childJSON `json:"subOrchestrations,omitempty"`
	EntityCalls      []callJSON  `json:"entityCalls,omitempty"`
	Locks            []lockJSON  `json:"locks,omitempty"`
	Events           []string    `json:"events,omitempty"`
	Quarantine       string      `json:"quarantine,omitempty"`
}

type taskJSON struct {
	ID        int32  `json:"id"`
	Name      string `json:"name"`
	Attempt   int32  `json:"attempt"`
	Running   bool   `json:"running"`
	NoHandler bool   `json:"noHandler,omitempty"`
	NextRetry string `json:"nextRetry,omitempty"`
}

type timerJSON struct {
	ID     int32  `json:"id"`
	FireAt string `json:"fireAt"`
}

type childJSON struct {
	InstanceID string `json:"instanceId"`
	Name       string `json:"name"`
}

type callJSON struct {
	Entity    string `json:"entity"`
	Operation string `json:"operation"`
}

type lockJSON struct {
	Section  string   `json:"section"`
	Entities []string `json:"entities"`
	Granted  bool     `json:"granted"`
}

func toWaits(m *model.Instance) *waitsJSON {
	w := m.Waits
	if w == nil || m.Status.Ended() {
		return nil
	}
	j := &waitsJSON{NoHandler: w.NoHandler, Messages: w.Messages, Events: w.Events}
	switch {
	case w.InFlight:
		j.Step = "running"
	case w.Messages > 0:
		j.Step = "queued"
	}
	if w.Quarantine != nil {
		j.Quarantine = w.Quarantine.Error()
	}
	for _, t := range w.Tasks {
		j.Activities = append(j.Activities, taskJSON{t.ID, t.Name, t.Attempt, t.Running, t.NoHandler, stamp(t.NextRetry)})
	}
	for _, t := range w.Timers {
		j.Timers = append(j.Timers, timerJSON{t.ID, stamp(t.FireAt)})
	}
	for _, c := range w.Children {
		j.SubOrchestrators = append(j.SubOrchestrators, childJSON{c.Instance, c.Name})
	}
	for _, c := range w.Calls {
		j.EntityCalls = append(j.EntityCalls, callJSON{c.Entity, c.Operation})
	}
	for _, l := range w.Locks {
		j.Locks = append(j.Locks, lockJSON{l.Section, l.LockSet, l.Granted})
	}
	return j
}

// printWaits prints what an instance waits for, a line each.
func printWaits(out io.Writer, j *waitsJSON) {
	if j == nil {
		return
	}
	line := func(format string, args ...any) { fmt.Fprintf(out, "  "+format+"\n", args...) }
	fmt.Fprintln(out, "waiting for:")
	if j.Quarantine != "" {
		line("quarantined: %s", j.Quarantine)
	}
	if j.NoHandler != "" {
		line("no handler for %s", j.NoHandler)
	}
	if j.Step != "" {
		line("its step, %s, with %d messages", j.Step, j.Messages)
	}
	for _, t := range j.Activities {
		state := "queued"
		if t.Running {
			state = "running"
		}
		if t.NoHandler {
			state = "no handler"
		}
		line("activity %s, attempt %d, %s", t.Name, t.Attempt, state)
	}
	for _, t := range j.Timers {
		line("timer at %s", t.FireAt)
	}
	for _, c := range j.SubOrchestrators {
		line("sub-orchestration %s (%s)", c.Name, c.InstanceID)
	}
	for _, c := range j.EntityCalls {
		line("entity %s to answer %s", c.Entity, c.Operation)
	}
	for _, l := range j.Locks {
		if !l.Granted {
			line("lock on %s", strings.Join(l.Entities, ", "))
		}
	}
	for _, e := range j.Events {
		line("event %s", e)
	}
}
