package netherite_test

import (
	"bytes"
	"context"
	"errors"
	"reflect"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// poisonTimer is the timer that cannot be fired; everything else that is poisonous
// says so in its payload.
const poisonTimer = 77

// poisoner makes the core panic on what is poisonous, until it is mended.
type poisoner struct {
	mended atomic.Bool
	aside  chan struct{} // a token for each quarantine
}

func newPoisoner() *poisoner { return &poisoner{aside: make(chan struct{}, 100)} }

func (p *poisoner) options(o *netherite.Options) {
	o.BeforeStep(func(_ int, ev partition.Event) {
		if _, ok := ev.(*partition.Quarantined); ok {
			p.aside <- struct{}{}
		}
		p.trip(poisonousInput(ev))
	})
	o.BeforeMessage(func(_ int, m *model.Message) { p.trip(poisonousEvent(&m.Event)) })
}

func (p *poisoner) trip(poisonous bool) {
	if poisonous && !p.mended.Load() {
		panic("poison")
	}
}

func poisonousEvent(ev *model.Event) bool {
	return string(ev.Payload) == "poison" || ev.Kind == model.TimerFired && ev.Ref == poisonTimer ||
		ev.Kind == model.EntityLockRequested && len(ev.Extra().LockSet) == 1
}

func poisonousInput(ev partition.Event) bool {
	switch e := ev.(type) {
	case *partition.TaskDone:
		return string(e.Result) == "poison"
	case *partition.Received:
		for _, m := range e.Messages {
			if poisonousEvent(&m.Event) {
				return true
			}
		}
	case *partition.TimersFired:
		for _, t := range e.Timers {
			if t.ID == poisonTimer || t.ID >= 1<<30 { // a scheduled start

				return true
			}
		}
	case *partition.StepDone:
		for i := range e.Result.Events {
			if out := &e.Result.Events[i]; out.Kind == model.ExecutionCompleted && string(out.Payload) == "poisonous step" {
				return true
			}
		}
	case *partition.EntityDone:
		return strings.HasPrefix(string(e.Result.State), "poison") // and what came behind it
	}
	return false
}

// setAside returns when another instance has been set aside.
func (p *poisoner) setAside(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	select {
	case <-p.aside:
	case <-ctx.Done():
		t.Fatal("nothing was set aside")
	}
}

// trial is one kind of input that cannot be applied.
type trial struct {
	victim, ends string // who is set aside, and whose end shows that all was applied
	event        string // as the evidence has it
	again        bool   // it comes again by itself: a retry that is too early is accepted, and in vain
	begin        func(t *testing.T, e *netherite.Engine)
	output       string
}

// retryWorker runs what the trials are made of; instances of partition 0 are named
// a..., those of partition 1 b....
func retryWorker(activities *atomic.Int64, ids [2][]string) *testWorker {
	w := newTestWorker()
	act := func(events ...model.Event) program { // asks for something, then ends with what it was told
		return func(past, fresh []model.Event) []model.Event {
			var told []string
			for _, list := range [][]model.Event{past, fresh} {
				for i := range list {
					switch ev := &list[i]; ev.Kind {
					case model.TaskCompleted, model.ChildCompleted, model.EventRaised, model.EntityResponded:
						told = append(told, string(ev.Payload))
					case model.TimerFired, model.EntityLockGranted:
						told = append(told, ev.Kind.String())
					}
				}
			}
			if len(past) == 0 && len(events) > 0 {
				return events
			}
			if len(told) == 0 {
				return nil
			}
			return []model.Event{completed(50, strings.Join(told, ","))}
		}
	}
	send := func(to string) program {
		return func(_, _ []model.Event) []model.Event {
			return []model.Event{{Kind: model.EventSent, ID: 0, Instance: to, Name: "e", Payload: []byte("poison")}, completed(1, "sent")}
		}
	}
	say := func(s string) program {
		return func(_, _ []model.Event) []model.Event { return []model.Event{completed(0, s)} }
	}
	w.programs["Wait"] = act()
	w.programs["Send"] = send(ids[0][0])
	w.programs["Activity"] = act(model.Event{Kind: model.TaskScheduled, ID: 0, Name: "Poison"})
	w.programs["Parent"] = act(model.Event{Kind: model.ChildCreated, ID: 0, Instance: ids[0][1], Name: "Echo", Payload: []byte("poison")})
	w.programs["Echo"] = say("child")
	w.programs["Asks"] = act(model.Event{Kind: model.ChildCreated, ID: 0, Instance: ids[1][1], Name: "Says"})
	w.programs["Poisons"] = say("poisonous step")
	w.programs["Says"] = say("poison")
	w.programs["Calls"] = act(model.Event{Kind: model.EntityCalled, ID: 0, Instance: entityIn(0), Name: "add", RequestID: "0", Payload: []byte("poison")})
	w.programs["CallsBadly"] = act(model.Event{Kind: model.EntityCalled, ID: 0, Instance: entityIn(0), Name: "set", RequestID: "0", Payload: []byte("state")})
	w.programs["Sleeps"] = act(model.Event{Kind: model.TimerCreated, ID: poisonTimer, FireAt: 1})
	w.programs["Locks"] = act(model.Event{
		Kind: model.EntityLockRequested, ID: 0, RequestID: "0", Ext: &model.Ext{LockSet: []string{entityIn(0)}},
	})
	w.activities["Poison"] = func(context.Context, []byte) ([]byte, error) {
		activities.Add(1)
		return []byte("poison"), nil
	}
	w.entities["e"] = func(state []byte, op *model.Event) ([]byte, []byte) {
		if op.Name == "set" {
			return []byte("poison"), []byte("set")
		}
		return append(state, "+"+string(op.Payload)...), []byte("added")
	}
	return w
}

// trials are the kinds of input that come without a request and can fail.
func trials(ids [2][]string) map[string]trial {
	a, b := ids[0], ids[1]
	start := func(name, id string) func(*testing.T, *netherite.Engine) {
		return func(t *testing.T, e *netherite.Engine) {
			t.Helper()
			if _, err := e.Start(t.Context(), engine.StartRequest{Instance: id, Name: name}); err != nil {
				t.Fatal(err)
			}
		}
	}
	scheduled := func(t *testing.T, e *netherite.Engine) {
		t.Helper()
		r := engine.StartRequest{Instance: a[0], Name: "Echo", Input: []byte("poison"), At: model.TimeOf(time.Now().Add(20 * time.Millisecond))}
		if _, err := e.Start(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	sent := func(from string) func(*testing.T, *netherite.Engine) {
		return func(t *testing.T, e *netherite.Engine) {
			t.Helper()
			start("Wait", a[0])(t, e)
			start("Send", from)(t, e)
			if _, err := ended(t.Context(), e, from); err != nil { // its step may come a second time
				t.Fatal(err)
			}
		}
	}
	return map[string]trial{
		"result of an activity":             {a[0], a[0], "result of an activity", false, start("Activity", a[0]), "poison,one,two"},
		"event of another partition":        {a[0], a[0], "message EventRaised", false, sent(b[0]), "poison,one,two"},
		"event of the same partition":       {a[0], a[0], "what follows from result of a step", false, sent(a[2]), "poison,one,two"},
		"start of a child":                  {a[1], b[0], "message ExecutionStarted", false, start("Parent", b[0]), "child"},
		"answer of a child":                 {a[0], a[0], "message SubOrchestrationInstanceCompleted", false, start("Asks", a[0]), "poison,one,two"},
		"call of an entity that is not yet": {entityIn(0), b[0], "message EntityOperationCalled", false, start("Calls", b[0]), "added"},
		"lock request":                      {entityIn(0), b[0], "message EntityLockRequested", false, start("Locks", b[0]), "EntityLockGranted"},
		"timer":                             {a[0], a[0], "timer", false, start("Sleeps", a[0]), "TimerFired,one,two"},
		"scheduled start":                   {a[0], a[0], "timer", false, scheduled, "child"},
		"result of a step":                  {a[0], a[0], "result of a step", true, start("Poisons", a[0]), "poisonous step"},
		"result of operations":              {entityIn(0), b[0], "result of a batch of operations", true, start("CallsBadly", b[0]), "set"},
	}
}

// What cannot be applied waits with its instance, through retries that come too
// early and through crashes, and is applied once by the retry that comes when the
// cause is gone.
func TestNothingThatCannotBeAppliedIsLost(t *testing.T) {
	ids := [2][]string{idsOf(0, 3), idsOf(1, 3)}
	for name, tr := range trials(ids) {
		t.Run(name, func(t *testing.T) {
			var activities atomic.Int64
			storage, p := newMemory(2), newPoisoner()
			e := openHub(t, storage, p.options)
			w := retryWorker(&activities, ids)
			w.connect(t, e)
			tr.begin(t, e)
			p.setAside(t)
			late(t, e, tr.victim)
			before := quarantineOf(t, e, tr)
			err := e.Rewind(t.Context(), tr.victim, "too early")
			switch {
			case tr.again && err == nil:
				p.setAside(t)
			case !errors.Is(err, engine.ErrQuarantined):
				t.Errorf("a retry that is too early: %v", err)
			}
			now := quarantineOf(t, e, tr)
			if !tr.again && !reflect.DeepEqual(now, before) {
				t.Errorf("the quarantine is another one: %+v, not %+v", now, before)
			}
			w.close()
			if err := e.Checkpoint(t.Context()); err != nil { // it is read from the store then, not from the log
				t.Fatal(err)
			}
			e.Kill(true)
			e = openHub(t, storage, p.options)
			w = retryWorker(&activities, ids)
			w.connect(t, e)
			defer w.close()
			if stored := quarantineOf(t, e, tr); !reflect.DeepEqual(stored, now) {
				t.Errorf("in the store it is %+v, not %+v", stored, now)
			}
			p.mended.Store(true)
			if err := e.Rewind(t.Context(), tr.victim, "mended"); err != nil {
				t.Fatal(err)
			}
			if i, err := ended(t.Context(), e, tr.ends); err != nil || string(i.Output) != tr.output {
				t.Errorf("it ends with %+v, %v, want %q", i, err, tr.output)
			}
			wantLate(t, e, tr.victim)
			if n := activities.Load(); n > 1 {
				t.Errorf("the activity has run %d times", n)
			}
			if err := e.Rewind(t.Context(), tr.victim, "once more"); !errors.Is(err, engine.ErrNotFailed) && !errors.Is(err, engine.ErrNotFound) {
				t.Errorf("one retry too many: %v", err)
			}
			if s := e.Stats(); s.Parked != 0 {
				t.Errorf("%d partitions are parked", s.Parked)
			}
		})
	}
}

// late sends two messages to the victim, which is set aside: they wait behind what could
// not be applied.
func late(t *testing.T, e *netherite.Engine, victim string) {
	t.Helper()
	for _, what := range []string{"one", "two"} {
		var err error
		if model.IsEntity(victim) {
			err = e.Signal(t.Context(), engine.SignalRequest{Entity: victim, Operation: "add", Input: []byte(what)})
		} else {
			err = e.Raise(t.Context(), engine.RaiseRequest{Instance: victim, Event: "late", Payload: []byte(what)})
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// wantLate looks for the two in the history of the victim, or in its state.
func wantLate(t *testing.T, e *netherite.Engine, victim string) {
	t.Helper()
	var got []string
	if model.IsEntity(victim) {
		i, err := e.Get(t.Context(), victim, engine.GetOptions{Payloads: true, Fresh: true})
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range strings.Split(string(i.Entity.State), "+") {
			if s == "one" || s == "two" {
				got = append(got, s)
			}
		}
	} else {
		h, err := e.History(t.Context(), victim)
		if err != nil {
			t.Fatal(err)
		}
		for i := range h {
			if h[i].Kind == model.EventRaised && h[i].Name == "late" {
				got = append(got, string(h[i].Payload))
			}
		}
	}
	if !slices.Equal(got, []string{"one", "two"}) {
		t.Errorf("of what came for it meanwhile it got %q", got)
	}
}

// evidence is what an instance that is set aside says of it.
type evidence struct {
	failure model.Failure
	count   int64
	held    []model.WaitHeld
}

// quarantineOf is why the victim is set aside, which must have the evidence.
func quarantineOf(t *testing.T, e *netherite.Engine, tr trial) evidence {
	t.Helper()
	i, err := e.Get(t.Context(), tr.victim, engine.GetOptions{Waits: true})
	if err != nil || i.Waits.Quarantine == nil {
		t.Fatalf("it is not set aside: %+v, %v", i, err)
	}
	f := i.Waits.Quarantine
	if got := string(f.Properties["event"]); got != `"`+tr.event+`"` || f.Message != "poison" || len(f.Properties["retry"]) == 0 {
		t.Errorf("evidence: %q of %q", f.Properties, f.Message)
	}
	if w := i.Waits; !tr.again && (w.HeldCount < 3 || len(w.Held) < 3) {
		t.Errorf("it does not say what it holds: %+v", w)
	}
	return evidence{*f, i.Waits.HeldCount, i.Waits.Held}
}

// A result that is too large to be kept beside the reason comes again: the activity
// runs once more.
func TestResultThatIsTooLargeToBeKeptComesAgain(t *testing.T) {
	p, ids, runs := newPoisoner(), idsOf(0, 1), atomic.Int64{}
	large := bytes.Repeat([]byte("r"), 60<<10)
	e := openHub(t, newMemory(2), func(o *netherite.Options) {
		o.MaxRecord(len(large) + 512)
		o.BeforeStep(func(_ int, ev partition.Event) {
			switch r := ev.(type) {
			case *partition.Quarantined:
				p.aside <- struct{}{}
			case *partition.TaskDone:
				p.trip(len(r.Result) == len(large))
			}
		})
	})
	w := helloWorker()
	w.programs["Large"] = chain("Large", 1)
	w.activities["Large"] = func(context.Context, []byte) ([]byte, error) { runs.Add(1); return large, nil }
	w.connect(t, e)
	defer w.close()
	if _, err := e.Start(t.Context(), engine.StartRequest{Instance: ids[0], Name: "Large"}); err != nil {
		t.Fatal(err)
	}
	p.setAside(t)
	i, err := e.Get(t.Context(), ids[0], engine.GetOptions{Waits: true})
	if err != nil || !strings.Contains(string(i.Waits.Quarantine.Properties["retry"]), "runs the activity again") {
		t.Fatalf("%+v, %v", i, err)
	}
	p.mended.Store(true)
	if err := e.Rewind(t.Context(), ids[0], "mended"); err != nil {
		t.Fatal(err)
	}
	if i, err := ended(t.Context(), e, ids[0]); err != nil || i.Status != model.Completed || runs.Load() != 2 {
		t.Errorf("after %d runs: %+v, %v", runs.Load(), i, err)
	}
}

// sickLog is a memory whose log cannot be replayed once, when that is asked for.
type sickLog struct {
	*memory
	sick atomic.Bool
}

func (m *sickLog) OpenLog() (substrate.Log, error) {
	l, err := m.memory.OpenLog()
	return &unreadableLog{l, &m.sick}, err
}

type unreadableLog struct {
	substrate.Log
	sick *atomic.Bool
}

func (l *unreadableLog) Replay(from substrate.Offset, f func(at substrate.Offset, group []byte) error) error {
	if l.sick.CompareAndSwap(true, false) {
		return errDisk
	}
	return l.Log.Replay(from, f)
}

// A partition that is rebuilt needs the log from where it last logged something: the
// log may begin behind its checkpoint by then, and a disk error while it is read is
// for the recovery of the node.
func TestRebuildParksForNoOtherReasonThanDamage(t *testing.T) {
	for name, sick := range map[string]bool{"the log has been trimmed": false, "the log cannot be read": true} {
		t.Run(name, func(t *testing.T) {
			var activities atomic.Int64
			ids := [2][]string{idsOf(0, 4), idsOf(1, 20)}
			p, m := newPoisoner(), &sickLog{memory: newMemory(2)}
			e := openHub(t, m, p.options, fastRecovery)
			w := retryWorker(&activities, ids)
			w.connect(t, e)
			defer w.close()
			ctx := t.Context()
			for _, id := range append([]string{ids[0][3]}, ids[1]...) {
				if err := e.Checkpoint(ctx); err != nil {
					t.Fatal(err)
				}
				if _, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: "Echo"}); err != nil {
					t.Fatal(err)
				}
				if _, err := ended(ctx, e, id); err != nil {
					t.Fatal(err)
				}
			}
			if err := e.Checkpoint(ctx); err != nil {
				t.Fatal(err)
			}
			m.sick.Store(sick)
			if _, err := e.Start(ctx, engine.StartRequest{Instance: ids[0][0], Name: "Activity"}); err != nil {
				t.Fatal(err)
			}
			p.setAside(t)
			p.mended.Store(true)
			if err := e.Rewind(ctx, ids[0][0], "mended"); err != nil {
				t.Fatal(err)
			}
			if i, err := ended(ctx, e, ids[0][0]); err != nil || string(i.Output) != "poison" {
				t.Errorf("it ends with %+v, %v", i, err)
			}
			if s := e.Stats(); s.Parked != 0 || (s.Failures > 0) != sick {
				t.Errorf("%d partitions are parked, after %d failures", s.Parked, s.Failures)
			}
		})
	}
}
