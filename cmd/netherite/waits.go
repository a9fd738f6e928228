package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
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
	// Evidence is what could not be applied when the instance was quarantined.
	Evidence *evidenceJSON `json:"quarantineEvidence,omitempty"`
	// Held is the first of what a retry applies, HeldCount how many there are.
	Held      []heldJSON `json:"held,omitempty"`
	HeldCount int64      `json:"heldCount,omitempty"`
}

// heldJSON is something that an instance holds that is set aside.
type heldJSON struct {
	Event string `json:"event"`
	Name  string `json:"name,omitempty"`
	From  string `json:"from,omitempty"`
}

type taskJSON struct {
	ID        int32  `json:"id"`
	Name      string `json:"name"`
	Version   string `json:"version,omitempty"`
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
	// While it is not granted: the entity in whose queue the request is, at
	// which place (1 is next), and who holds that entity.
	QueuedAt string `json:"queuedAt,omitempty"`
	Position int    `json:"position,omitempty"`
	HeldBy   string `json:"heldBy,omitempty"`
}

// evidenceJSON is what an instance was told that could not be applied.
type evidenceJSON struct {
	Time    string `json:"time"`
	Event   string `json:"event"`
	From    string `json:"from,omitempty"`
	Name    string `json:"name,omitempty"`
	Payload string `json:"payload,omitempty"`
	Failure string `json:"failure,omitempty"`
	Retry   string `json:"retry,omitempty"` // what a retry does about it
}

func toEvidence(properties map[string][]byte) *evidenceJSON {
	text := func(name string) (s string) {
		if json.Unmarshal(properties[name], &s) != nil {
			return ""
		}
		return s
	}
	if len(properties) == 0 {
		return nil
	}
	return &evidenceJSON{text("time"), text("event"), text("from"), text("name"), text("payload"), text("failure"), text("retry")}
}

func toWaits(m *model.Instance) *waitsJSON {
	w := m.Waits
	if w == nil || m.Status.Ended() && w.Quarantine == nil { // what a repair could not read of one that had ended is said
		return nil
	}
	j := &waitsJSON{NoHandler: w.NoHandler, Messages: w.Messages, Events: w.Events}
	switch {
	case w.InFlight:
		j.Step = "running"
	case w.Messages > 0 && w.Quarantine == nil:
		j.Step = "queued"
	}
	if w.Quarantine != nil {
		j.Quarantine = w.Quarantine.Error()
		j.Evidence = toEvidence(w.Quarantine.Properties)
		j.HeldCount = w.HeldCount
		for _, h := range w.Held {
			j.Held = append(j.Held, heldJSON{h.Kind.String(), h.Name, h.From})
		}
	}
	for _, t := range w.Tasks {
		j.Activities = append(j.Activities, taskJSON{t.ID, t.Name, t.Version, t.Attempt, t.Running, t.NoHandler, stamp(t.NextRetry)})
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
		j.Locks = append(j.Locks, lockJSON{Section: l.Section, Entities: l.LockSet, Granted: l.Granted})
	}
	if reflect.ValueOf(*j).IsZero() {
		return nil // an entity at rest
	}
	return j
}

// locate adds to the locks that an instance waits for where in which queue it
// is. A request is in the queue of one entity at a time.
func locate(ctx context.Context, t *target, j *instanceJSON) error {
	if j.WaitingFor == nil {
		return nil
	}
	for i := range j.WaitingFor.Locks {
		l := &j.WaitingFor.Locks[i]
		for _, id := range l.Entities {
			if l.Granted || l.Position > 0 {
				break
			}
			m, err := t.Get(ctx, id, engine.GetOptions{})
			if errors.Is(err, engine.ErrNotFound) {
				continue
			}
			if err != nil {
				return err
			}
			if m.Entity == nil {
				continue
			}
			if at := slices.Index(m.Entity.LockQueue, j.InstanceID); at >= 0 {
				l.QueuedAt, l.Position, l.HeldBy = id, at+1, m.Entity.LockedBy
			}
		}
	}
	return nil
}

// printWaits prints what an instance waits for, a line each.
func printWaits(out io.Writer, j *waitsJSON) {
	if j == nil {
		return
	}
	line := func(format string, args ...any) { terminal.Printf(out, "  "+format+"\n", args...) }
	terminal.Println(out, "waiting for:")
	printQuarantine(line, j)
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
		if t.NextRetry != "" {
			state = "next at " + t.NextRetry
		}
		name := t.Name
		if t.Version != "" {
			name += " version " + t.Version
		}
		line("activity %s, attempt %d, %s", name, t.Attempt, state)
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
		switch {
		case l.Granted:
		case l.Position > 0:
			line("lock on %s: at place %d in the queue of %s, held by %s", strings.Join(l.Entities, ", "), l.Position, l.QueuedAt, l.HeldBy)
		default:
			line("lock on %s", strings.Join(l.Entities, ", "))
		}
	}
	for _, e := range j.Events {
		line("event %s", e)
	}
}

// printQuarantine prints why an instance is set aside, and what a retry applies.
func printQuarantine(line func(format string, args ...any), j *waitsJSON) {
	if j.Quarantine == "" {
		return
	}
	line("quarantined: %s", terminal.Lines(j.Quarantine, behind+"  "))
	if e := j.Evidence; e != nil {
		line("  at %s, by a %s %s from %q: %s", e.Time, e.Event, e.Name, e.From, terminal.Lines(e.Payload+e.Failure, behind+"  "))
		if e.Retry != "" {
			line("  a retry %s", e.Retry)
		}
	}
	for _, h := range j.Held {
		from := ""
		if h.From != "" {
			from = fmt.Sprintf(" from %q", h.From)
		}
		line("  held for a retry: %s", strings.TrimSpace(h.Event+" "+h.Name)+from)
	}
	if more := j.HeldCount - int64(len(j.Held)); more > 0 {
		line("  held for a retry: %d more", more)
	}
}
