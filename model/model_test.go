package model

import (
	"errors"
	"math"
	"testing"
	"time"
)

func TestKindsHaveNamesOfTheirOwn(t *testing.T) {
	seen := map[string]Kind{}
	for n := range 256 {
		k := Kind(n)
		if !k.Valid() {
			continue
		}
		name := k.String()
		if other, dup := seen[name]; dup || name == "" || name == "Unknown" {
			t.Errorf("kind %d is called %q, as %d is", k, name, other)
		}
		seen[name] = k
	}
	for _, k := range []Kind{0, minKind - 1, maxKind + 1, MarkerRecorded - 1, MarkerRecorded + 1, 255} {
		if k.Valid() || k.String() != "Unknown" || k.Outgoing() {
			t.Errorf("kind %d: valid=%v %q outgoing=%v", k, k.Valid(), k, k.Outgoing())
		}
	}
}

func TestOutgoingKindsAreThoseThatAnOrchestrationAsksFor(t *testing.T) {
	outgoing := 0
	for n := range 256 {
		if Kind(n).Outgoing() {
			outgoing++
		}
	}
	if outgoing != 10 || !TaskScheduled.Outgoing() || TaskCompleted.Outgoing() || ExecutionTerminated.Outgoing() {
		t.Errorf("%d outgoing kinds, TaskScheduled %v, TaskCompleted %v, ExecutionTerminated %v",
			outgoing, TaskScheduled.Outgoing(), TaskCompleted.Outgoing(), ExecutionTerminated.Outgoing())
	}
}

func TestStatusRoundTripsAsText(t *testing.T) {
	for i, s := range Statuses() {
		text, err := s.MarshalText()
		if err != nil || int(s) != i {
			t.Errorf("status %d at %d: %v", s, i, err)
		}
		var got Status
		if err := got.UnmarshalText(text); err != nil || got != s {
			t.Errorf("%s: got %v, %v", text, got, err)
		}
	}
	if s, err := ParseStatus("coMPleted"); err != nil || s != Completed {
		t.Errorf("case matters: %v, %v", s, err)
	}
	if _, err := ParseStatus("Done"); err == nil {
		t.Error("Done parsed as a status")
	}
	if s := Status(99).String(); s != "Status(99)" {
		t.Errorf("unknown status prints as %q", s)
	}
}

func TestEndedStatusesAreFinal(t *testing.T) {
	ended := map[Status]bool{Completed: true, Failed: true, Canceled: true, Terminated: true}
	for _, s := range Statuses() {
		if s.Ended() != ended[s] {
			t.Errorf("%v.Ended() = %v", s, s.Ended())
		}
	}
}

func TestTimeRoundTripsAndZeroMeansAbsent(t *testing.T) {
	now := time.Date(2026, 9, 1, 12, 0, 0, 123456789, time.FixedZone("x", 3600))
	got := TimeOf(now).Std()
	if !got.Equal(now) || got.Location() != time.UTC {
		t.Errorf("got %v, want %v in UTC", got, now)
	}
	if TimeOf(time.Time{}) != 0 || !Time(0).Std().IsZero() || Time(0).String() != "-" {
		t.Error("the zero time is not the absent Time")
	}
	for year, want := range map[int]Time{2999: math.MaxInt64, 9999: math.MaxInt64, 1600: math.MinInt64} {
		if got := TimeOf(time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)); got != want {
			t.Errorf("year %d becomes %d, want %d", year, got, want)
		}
	}
	if s := TimeOf(now).String(); s != "2026-09-01T11:00:00.123456789Z" {
		t.Errorf("String = %q", s)
	}
	if d := TimeOf(now).Add(time.Hour).Sub(TimeOf(now)); d != time.Hour {
		t.Errorf("Add and Sub disagree: %v", d)
	}
}

func TestFailureIsAnErrorWithItsCauses(t *testing.T) {
	root := &Failure{Message: "root"}
	f := &Failure{Type: "outer", Message: "m", Cause: root}
	if f.Error() != "outer: m" || root.Error() != "root" || (&Failure{Type: "t"}).Error() != "t" {
		t.Errorf("messages %q, %q", f, root)
	}
	if !errors.Is(f, root) {
		t.Error("the cause is not unwrapped")
	}
	if errors.Unwrap(root) != nil {
		t.Error("a failure without cause unwraps to something")
	}
}

func TestExtraOfAnEventWithoutExtIsEmpty(t *testing.T) {
	e := Event{}
	if x := e.Extra(); x.Call != 0 || x.Parent != nil {
		t.Errorf("%+v", x)
	}
	e.Ext = &Ext{Call: 3}
	if e.Extra().Call != 3 {
		t.Error("Extra is not Ext")
	}
}
