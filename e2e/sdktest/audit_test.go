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

func failed(id int32) *wire.HistoryEvent {
	return &wire.HistoryEvent{EventType: &wire.HistoryEvent_TaskFailed{TaskFailed: &wire.TaskFailedEvent{TaskScheduledId: id}}}
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
		"each once":                          {events: []*wire.HistoryEvent{start, scheduled(1), completed(1), end}},
		"one that nobody waited for":         {events: []*wire.HistoryEvent{start, scheduled(1), end}},
		"two outcomes":                       {events: []*wire.HistoryEvent{start, scheduled(1), completed(1), completed(1), end}, want: "task 1 was asked for 1 times and has 2 outcomes"},
		"an outcome of what was not asked":   {events: []*wire.HistoryEvent{start, fired(3), end}, want: "timer 3 was asked for 0 times"},
		"asked for twice":                    {events: []*wire.HistoryEvent{start, scheduled(1), scheduled(1), end}, want: "task 1 was asked for 2 times"},
		"asked for again when it had failed": {events: []*wire.HistoryEvent{start, scheduled(1), failed(1), scheduled(1), completed(1), end}},
		"a second outcome of a failure":      {events: []*wire.HistoryEvent{start, scheduled(1), failed(1), completed(1), end}, want: "task 1 was asked for 1 times and has 2 outcomes"},
		"two ends":                           {events: []*wire.HistoryEvent{start, end, end}, want: "ended 2 times"},
		"two beginnings":                     {events: []*wire.HistoryEvent{start, start, end}, want: "begun 2 times"},
		"no end":                             {events: []*wire.HistoryEvent{start}, want: "ended 0 times"},
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
	const (
		given  = `{"given":"i x 1","by":1,"of":"w","since":5,"at":10}`
		again  = `{"given":"i x 1","by":2,"of":"w","since":35,"at":40}`
		before = `{"given":"i x 1","by":2,"of":"v","since":5,"at":15}`
		other  = `{"given":"j y 1","by":1,"of":"w","since":5,"at":11}`
		third  = `{"given":"j y 1","by":3,"of":"w","since":45,"at":50}`
		ended  = `{"ended":"i"}`
	)
	for name, c := range map[string]struct {
		lines   []string
		rewound bool
		asked   int
		want    string // nothing: it is fine
	}{
		"once":                                  {lines: []string{given, other, ended}},
		"again after a kill":                    {lines: []string{given, again, ended}},
		"again by the same stream":              {lines: []string{given, given, ended}, want: "1 times more than kills explain"},
		"again by another, before the kill":     {lines: []string{given, before, ended}, want: "1 times more than kills explain"},
		"again by another, after the kill":      {lines: []string{again, `{"given":"i x 1","by":3,"of":"v","since":35,"at":45}`, ended}, want: "1 times more than kills explain"},
		"found after the kill":                  {lines: []string{`{"given":"i x 1","by":1,"of":"w","since":5,"at":36}`, again, ended}},
		"as often as it was asked for":          {lines: []string{given, given, again, ended}, asked: 2},
		"more often than it was asked for":      {lines: []string{given, given, given, again, ended}, asked: 2, want: "2 times more than kills explain"},
		"again after its end":                   {lines: []string{given, ended, again}, want: "had seen the end"},
		"again after its end, rewound":          {lines: []string{given, other, ended, again}, rewound: true},
		"by a stream that no kill began":        {lines: []string{given, again, third, ended}, want: "3 streams, want at most 2"},
		"by a stream of a worker without names": {lines: []string{given, again, `{"given":"j y 1","by":3,"since":45,"at":50}`, ended}},
		"nothing":                               {lines: []string{"a line for people"}, want: "0 activities"},
	} {
		t.Run(name, func(t *testing.T) {
			k := &Killer{Kills: []Kill{{20, 30}}}
			for _, line := range c.lines {
				k.Watch(t, line)
			}
			e, found := &reports{TB: t}, NewHistories()
			found.rewound["i"], found.answered["i 1"], found.asked["i 1"] = c.rewound, true, c.asked
			k.Activities(e, found)
			holds(t, c.want, e.all)
		})
	}
}
