package sdktest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// scheduled, completed and the others are events of a history.
func scheduled(id int32) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventId: id, EventType: &wire.HistoryEvent_TaskScheduled{TaskScheduled: &wire.TaskScheduledEvent{}}}
}

func completed(id int32) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventType: &wire.HistoryEvent_TaskCompleted{TaskCompleted: &wire.TaskCompletedEvent{TaskScheduledId: id}}}
}

func fired(id int32) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventType: &wire.HistoryEvent_TimerFired{TimerFired: &wire.TimerFiredEvent{TimerId: id}}}
}

var (
	start = &wire.HistoryEvent{EventType: &wire.HistoryEvent_ExecutionStarted{ExecutionStarted: &wire.ExecutionStartedEvent{}}}
	end   = &wire.HistoryEvent{EventType: &wire.HistoryEvent_ExecutionCompleted{ExecutionCompleted: &wire.ExecutionCompletedEvent{}}}
)

func TestWhatHappensTwiceInAHistoryIsFound(t *testing.T) {
	for name, c := range map[string]struct {
		events []*wire.HistoryEvent
		want   string // nothing: it is fine
	}{
		"each once":                        {events: []*wire.HistoryEvent{start, scheduled(1), completed(1), end}},
		"one that nobody waited for":       {events: []*wire.HistoryEvent{start, scheduled(1), end}},
		"two outcomes":                     {events: []*wire.HistoryEvent{start, scheduled(1), completed(1), completed(1), end}, want: "task 1 was asked for 1 times and has 2 outcomes"},
		"an outcome of what was not asked": {events: []*wire.HistoryEvent{start, fired(3), end}, want: "timer 3 was asked for 0 times"},
		"asked for twice":                  {events: []*wire.HistoryEvent{start, scheduled(1), scheduled(1), end}, want: "task 1 was asked for 2 times"},
		"two ends":                         {events: []*wire.HistoryEvent{start, end, end}, want: "ended 2 times"},
		"two beginnings":                   {events: []*wire.HistoryEvent{start, start, end}, want: "begun 2 times"},
		"no end":                           {events: []*wire.HistoryEvent{start}, want: "ended 0 times"},
	} {
		t.Run(name, func(t *testing.T) {
			holds(t, c.want, misdeeds(c.events, true))
		})
	}
}

// holds checks what was found against what it must have, and that nothing else was.
func holds(t *testing.T, want string, found []string) {
	t.Helper()
	if all := strings.Join(found, "\n"); (want == "") != (all == "") || !strings.Contains(all, want) {
		t.Errorf("found %q, want %q", all, want)
	}
}

// reports keeps what is reported, instead of failing.
type reports struct {
	testing.TB
	all []string
}

func (e *reports) Errorf(format string, args ...any) {
	e.all = append(e.all, fmt.Sprintf(format, args...))
}

func TestAnActivityThatIsGivenAgainIsFound(t *testing.T) {
	const given, again, other, ended = `{"given":"i x 1","by":1}`, `{"given":"i x 1","by":2}`, `{"given":"j y 1","by":1}`, `{"ended":"i"}`
	for name, c := range map[string]struct {
		lines   []string
		rewound bool
		want    string // nothing: it is fine
	}{
		"once":                           {lines: []string{given, other, ended}},
		"again after a kill":             {lines: []string{given, again, ended}},
		"again by the same stream":       {lines: []string{given, given, ended}, want: "twice by the same stream"},
		"again after its end":            {lines: []string{given, ended, again}, want: "had seen the end"},
		"again after its end, rewound":   {lines: []string{given, other, ended, again}, rewound: true},
		"by a stream that no kill began": {lines: []string{given, again, `{"given":"j y 1","by":3}`, ended}, want: "3 streams, want at most 2"},
		"nothing":                        {lines: []string{"a line for people"}, want: "0 activities"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &Killer{Kills: 1, most: 1}
			for _, line := range c.lines {
				k.Watch(t, line)
			}
			e := &reports{TB: t}
			k.Activities(e, 1, &Histories{rewound: map[string]bool{"i": c.rewound}, answered: map[string]bool{"i 1": true}})
			holds(t, c.want, e.all)
		})
	}
}
