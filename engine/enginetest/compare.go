package enginetest

import (
	"cmp"
	"fmt"
	"hash/crc32"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// RunEvicted plays scenarios twice: once in storage whose engine keeps what it
// can, with live copies of orchestrations and entities kept between steps; and
// once in storage whose engine evicts every instance that it need not hold, with
// no live copies, so that every step begins with loading and a replay. The
// histories must be the same, event by event.
//
// What a history owes to the order in which messages happened to arrive is left
// out: where steps begin, and which of several answers came first. Times and
// what is derived from execution IDs differ between any two runs.
func RunEvicted(t *testing.T, keeping, evicting New) {
	for _, g := range [][]scenario{orchestrations, payloads, rewinds, entities[:5]} {
		for _, c := range g {
			if c.heavy {
				continue
			}
			t.Run(c.name, func(t *testing.T) {
				t.Parallel()
				kept := Suite{New: keeping, histories: histories{}}
				evicted := Suite{New: evicting, histories: histories{}, Worker: func(o *worker.Options) { o.CacheCount = -1 }}
				kept.play(t, c)
				evicted.play(t, c)
				compare(t, kept.histories, evicted.histories)
			})
		}
	}
}

// histories are canonical histories by instance. Those of children whose IDs were
// derived from executions come together, in the order of their content.
type histories map[string][][]string

// compare reports the first difference of two runs' histories.
func compare(t *testing.T, kept, evicted histories) {
	ids := slices.Sorted(maps.Keys(kept))
	if others := slices.Sorted(maps.Keys(evicted)); !slices.Equal(ids, others) {
		t.Errorf("instances with live copies: %q, without: %q", ids, others)
		return
	}
	for _, id := range ids {
		a, b := slices.Concat(kept[id]...), slices.Concat(evicted[id]...)
		for i := range max(len(a), len(b)) {
			if i >= len(a) || i >= len(b) || a[i] != b[i] {
				t.Errorf("history of %s differs at event %d:\nwith live copies\n\t%s\nwithout\n\t%s",
					id, i, strings.Join(a[min(i, len(a)):], "\n\t"), strings.Join(b[min(i, len(b)):], "\n\t"))
				return
			}
		}
	}
}

// record notes the histories of all instances.
func (s *scene) record(into histories) {
	s.Helper()
	for _, inst := range s.list(engine.Query{}) {
		history, err := s.engine.History(s.ctx, inst.ID)
		s.ok(err)
		id := lasting(inst.ID)
		into[id] = append(into[id], canonical(history))
	}
	for _, all := range into { // order-free: each is sorted by itself
		slices.SortFunc(all, slices.Compare)
	}
}

// varying is what differs from run to run: IDs that are derived from executions,
// times, and the directories of tests.
var varying = regexp.MustCompile(`[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+Z|/[^" ]*/[0-9]{3}\b`)

// lasting replaces what differs from run to run.
func lasting(text string) string { return varying.ReplaceAllString(text, "~") }

// canonical describes a history: what the orchestration asked for, in order, and
// then what it was told, in an order that does not depend on arrival.
func canonical(history []model.Event) []string {
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
	slices.SortFunc(told, cmp.Compare)
	return append(asked, told...)
}

func describe(ev *model.Event) string {
	payload := ""
	if n := len(ev.Payload); n > 1_000 {
		payload = fmt.Sprintf("%.20q... %d bytes %08x", ev.Payload, n, crc32.ChecksumIEEE(ev.Payload))
	} else {
		payload = lasting(string(ev.Payload))
	}
	x := ev.Extra()
	return lasting(fmt.Sprintf("%v id=%d ref=%d name=%q version=%q instance=%q request=%q payload=%q failure=%v status=%v call=%d attempt=%d locks=%v tags=%v carried=%d",
		ev.Kind, ev.ID, ev.Ref, ev.Name, ev.Version, ev.Instance, ev.RequestID, payload, ev.Failure, x.Status, x.Call, x.Attempt, x.LockSet, x.Tags, len(x.CarryOver)))
}
