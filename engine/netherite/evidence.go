package netherite

import (
	"encoding/json"
	"strings"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// maxEvidence bounds what a quarantine keeps of the payload that was consumed.
const maxEvidence = 4 << 10

// withEvidence adds to the reason of a quarantine what was being applied: as
// properties, so that it is in the log and in the instance's row with the reason.
func withEvidence(reason *model.Failure, ev partition.Event, now model.Time) *model.Failure {
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
	case *partition.Received:
		m := e.Messages[0]
		set("event", "message "+m.Event.Kind.String())
		set("from", m.From)
		set("to", m.To)
		set("name", m.Event.Name)
		set("payload", strings.ToValidUTF8(string(m.Event.Payload), "?"))
	case *partition.TaskDone:
		set("event", "result of an activity")
		set("payload", strings.ToValidUTF8(string(e.Result), "?"))
		if e.Failure != nil {
			set("failure", e.Failure.Error())
		}
	case *partition.StepDone:
		set("event", "result of a step")
	case *partition.EntityDone:
		set("event", "result of a batch of operations")
	case *partition.TimersFired:
		set("event", "timer")
	}
	return &f
}

// forgive lets an instance that is tried again be quarantined again.
func (h *host) forgive(ev partition.Event) {
	c, ok := ev.(*partition.Command)
	if !ok || c.Op != partition.OpRewind || len(h.aside) == 0 {
		return
	}
	delete(h.aside, partition.Key{ID: c.Instance})
	delete(h.aside, partition.Key{Ord: h.state.Ordinal(c.Instance)})
}
