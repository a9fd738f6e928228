package check_test

import (
	"testing"
	"time"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

var (
	pending   = check.View{Status: model.Pending, Execution: model.ExecutionID{1}, LastUpdated: 1}
	running   = check.View{Status: model.Running, Execution: model.ExecutionID{1}, LastUpdated: 2}
	completed = check.View{Status: model.Completed, Execution: model.ExecutionID{1}, LastUpdated: 3}
	forgotten = check.View{Status: model.Completed, Execution: model.ExecutionID{1}, LastUpdated: 3, Gone: true}
	again     = check.View{Status: model.Running, Execution: model.ExecutionID{2}, LastUpdated: 2}
	nothing   = check.ViewOf(nil)
)

func TestAWatchTellsTheChangesOfAnInstanceInTheirOrder(t *testing.T) {
	later := running
	later.LastUpdated = 4
	for name, c := range map[string]struct {
		told  []check.View
		wrong bool
	}{
		"InOrder":           {[]check.View{pending, running, completed, forgotten, again}, false},
		"SomeAsOne":         {[]check.View{pending, completed, again}, false},
		"Back":              {[]check.View{running, pending}, true},
		"AfterItsEnd":       {[]check.View{completed, later}, true},
		"AfterItIsGone":     {[]check.View{forgotten, completed}, true},
		"AnEarlierRunAgain": {[]check.View{running, again, completed}, true},
	} {
		t.Run(name, func(t *testing.T) {
			w := check.NewWatched()
			var err error
			for _, v := range c.told {
				if err != nil {
					t.Errorf("before %v: %v", v, err)
				}
				err = w.Told("x", v)
			}
			if (err != nil) != c.wrong {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWhatIsReadHasBeenTold(t *testing.T) {
	for name, c := range map[string]struct {
		told      check.View // before it is read; zero: nothing
		meanwhile check.View
		lost      bool
		read      check.View
		wrong     bool
	}{
		"AsTold":              {told: running, read: running},
		"Newer":               {told: running, read: completed, wrong: true},
		"Older":               {told: completed, read: running, wrong: true},
		"AnotherRun":          {told: completed, read: again, wrong: true},
		"Gone":                {told: completed, read: nothing, wrong: true},
		"NotGone":             {told: forgotten, read: completed, wrong: true},
		"GoneAsTold":          {told: forgotten, read: nothing},
		"ToldMeanwhile":       {told: running, meanwhile: completed, read: running},
		"NewerThanMeanwhile":  {told: pending, meanwhile: running, read: completed, wrong: true},
		"FirstToldMeanwhile":  {meanwhile: completed, read: running},
		"NewerAfterALoss":     {told: running, lost: true, read: completed},
		"WithoutAnythingTold": {read: completed},
	} {
		t.Run(name, func(t *testing.T) {
			w := check.NewWatched()
			tell := func(v check.View) {
				if err := w.Told("x", v); v != (check.View{}) && err != nil {
					t.Fatal(err)
				}
			}
			if c.told != (check.View{}) {
				tell(c.told)
			}
			asked := w.Ask("x")
			if c.meanwhile != (check.View{}) {
				tell(c.meanwhile)
			}
			if c.lost {
				w.Lost()
			}
			if err := w.Saw("x", c.read, asked); (err != nil) != c.wrong {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestWhatWasReadFirstIsWhatChangesAreToldAfter(t *testing.T) {
	w := check.NewWatched()
	if err := w.Saw("x", running, w.Ask("x")); err != nil {
		t.Error(err)
	}
	if err := w.Saw("x", completed, w.Ask("x")); err == nil {
		t.Error("a change between two reads was not told, and that is not noticed")
	}
	w.Lost()
	if err := w.Saw("x", completed, w.Ask("x")); err != nil {
		t.Errorf("changes were lost, it may have been one of them: %v", err)
	}
	if err := w.Saw("x", nothing, w.Ask("x")); err == nil {
		t.Error("since then nothing was lost, and it is not noticed that it was not told")
	}
}

func TestWhatWasToldIsThereAfterACrash(t *testing.T) {
	l := check.NewLedger()
	l.Begin("x", "Loop", model.Completed, "")
	read := func(v check.View) *model.Instance {
		return &model.Instance{ID: "x", Status: v.Status, Execution: v.Execution, LastUpdated: v.LastUpdated}
	}
	if err := l.Kept("x", l.LastTold("x"), nil, time.Time{}); err != nil {
		t.Errorf("nothing was told: %v", err)
	}
	l.Told("x", running)
	l.Told("x", pending) // by another watch, which is behind
	told := l.LastTold("x")
	if err := l.Kept("x", told, read(completed), time.Time{}); err != nil {
		t.Error(err)
	}
	if err := l.Kept("x", told, read(pending), time.Time{}); err == nil {
		t.Error("what was told has been undone, and that is not noticed")
	}
	if err := l.Kept("x", told, nil, time.Time{}); err == nil {
		t.Error("what was told of has gone, and that is not noticed")
	}
}
