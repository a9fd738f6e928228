package netherite

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// maxEvidence bounds what a quarantine keeps of the payload that was consumed.
const maxEvidence = 4 << 10

// withEvidence adds to the reason of a quarantine what was being applied, and what a
// retry does about it: as properties, so that it is in the log and in the instance's
// row with the reason. Before what was applied comes how the instance is concerned.
func withEvidence(reason *model.Failure, ev partition.Event, how string, retry func(partition.Event) string, now model.Time) *model.Failure {
	f := *reason
	f.Properties = map[string][]byte{}
	set := func(name, value string) {
		if value == "" {
			return
		}
		quoted, err := json.Marshal(cutText(value, maxEvidence))
		if len(quoted) > maxEvidence { // a byte may take six
			quoted, err = json.Marshal(cutText(value, maxEvidence/6))
		}
		if err == nil { // a string has no other way
			f.Properties[name] = quoted
		}
	}
	set("time", now.Std().UTC().Format("2006-01-02T15:04:05.000Z"))
	switch e := ev.(type) {
	case *partition.Start, *partition.Command:
		set("event", how+"a request")
	case *partition.Received:
		m := e.Messages[0]
		set("event", how+"message "+m.Event.Kind.String())
		set("from", m.From)
		set("to", m.To)
		set("name", m.Event.Name)
		set("payload", strings.ToValidUTF8(string(m.Event.Payload), "?"))
	case *partition.TaskDone:
		set("event", how+"result of an activity")
		set("payload", strings.ToValidUTF8(string(e.Result), "?"))
		if e.Failure != nil {
			set("failure", e.Failure.Error())
		}
	case *partition.StepDone:
		set("event", how+"result of a step")
	case *partition.EntityDone:
		set("event", how+"result of a batch of operations")
	case *partition.TimersFired:
		set("event", how+"timer")
	}
	if how != "" {
		set("retry", "goes on where it was")
	} else {
		set("retry", retry(ev))
	}
	return &f
}

// onRetry says what a retry does about an event.
func onRetry(ev partition.Event) string {
	switch ev.(type) {
	case *partition.StepDone:
		return "makes the step again"
	case *partition.EntityDone:
		return "runs the operations again"
	case *partition.Received, *partition.TaskDone:
		return "delivers it"
	case *partition.TimersFired:
		return "fires it"
	}
	return ""
}

// tooLarge says what a retry does about an event that could not be kept.
func tooLarge(ev partition.Event, n int) string {
	if _, ok := ev.(*partition.TaskDone); ok {
		return fmt.Sprintf("runs the activity again: the result, in a record of %d bytes, was too large to be kept", n)
	}
	return fmt.Sprintf("does not deliver it: in a record of %d bytes it was too large to be kept", n)
}
