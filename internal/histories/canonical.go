package histories

import (
	"fmt"
	"hash/crc32"
	"regexp"
	"slices"

	"github.com/netherite-go/netherite/model"
)

// varying is what is derived from the ID of an execution, which depends on the
// client's session: IDs of children, requests and critical sections; and times,
// and the directories of tests.
var varying = regexp.MustCompile(`[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|/[^" ]*/[0-9]{3}\b`)

// Lasting replaces, in a text, what differs between any two runs.
func Lasting(text string) string { return varying.ReplaceAllString(text, "~") }

// Canonical describes a history such that two runs of one script, in hubs with
// different options, must agree. Left out is what they may differ in:
//
//   - times, because steps take longer in one than in the other;
//   - where steps begin: what arrives together depends on batches and on which
//     partition works when;
//   - the order of what the execution was told, against each other and against
//     what it asked for: answers of activities, children and entities come from
//     different partitions, whose order among each other nobody promises. What it
//     asked for is in order, so code that depends on the order of answers differs;
//   - what is derived from execution IDs, see Lasting.
func Canonical(history []model.Event) []string {
	var asked, told []string
	for i := range history {
		switch ev := &history[i]; {
		case ev.Kind == model.OrchestratorStarted:
		case ev.Kind.Outgoing():
			asked = append(asked, describe(ev))
		default:
			told = append(told, describe(ev))
		}
	}
	slices.Sort(told)
	return append(asked, told...)
}

func describe(ev *model.Event) string {
	var payload string
	if n := len(ev.Payload); n > 1_000 {
		payload = fmt.Sprintf("%.20q... %d bytes %08x", ev.Payload, n, crc32.ChecksumIEEE(ev.Payload))
	} else {
		payload = Lasting(string(ev.Payload))
	}
	x := ev.Extra()
	return Lasting(fmt.Sprintf("%v id=%d ref=%d name=%q version=%q instance=%q request=%q payload=%q failure=%v status=%v call=%d attempt=%d locks=%v tags=%v carried=%d",
		ev.Kind, ev.ID, ev.Ref, ev.Name, ev.Version, ev.Instance, ev.RequestID, payload, ev.Failure, x.Status, x.Call, x.Attempt, x.LockSet, x.Tags, len(x.CarryOver)))
}
