package check_test

import (
	"testing"
	"time"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
	"github.com/netherite-go/netherite/substrate/mem"
)

var epoch = time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)

func TestPrefixFindsWhatALogLacksOrHasInstead(t *testing.T) {
	disk := mem.NewLogDisk()
	l, err := disk.Open()
	if err != nil {
		t.Fatal(err)
	}
	var p check.Prefix
	put := func(told string, written string) {
		p.Wrote(l.End(), []byte(told))
		if err := l.Write([]byte(written)); err != nil {
			t.Fatal(err)
		}
	}
	put("one", "one")
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	p.SyncedTo(l.End())
	if err := p.Opened(l); err != nil {
		t.Errorf("what is there: %v", err)
	}
	put("two", "owt")
	if err := p.Holds(l, 3); err == nil {
		t.Error("another group is taken for what was written")
	}
	if err := p.Holds(l, 7); err == nil {
		t.Error("a log that is too short is taken")
	}
	if before := p.BeforeLast(); before != 0 {
		t.Errorf("the last durable group begins at %d", before)
	}
}

func TestLedgerFindsWhatIsLostOrDoneTwice(t *testing.T) {
	l := check.NewLedger()
	l.Begin("a", "Nap", model.Completed, `"rested"`).Acked = true
	if err := l.Saw("a", nil, epoch); err == nil {
		t.Error("an acknowledged start may be lost")
	}
	ended := &model.Instance{ID: "a", Status: model.Completed, Completed: 5, Output: []byte(`"rested"`)}
	if err := l.Saw("a", ended, epoch); err != nil {
		t.Error(err)
	}
	if err := l.Ended("a", ended); err != nil {
		t.Error(err)
	}
	if err := l.Saw("a", &model.Instance{ID: "a", Status: model.Running}, epoch); err == nil {
		t.Error("what has completed may run again")
	}
	l.Post("e", "1", true)
	l.Post("e", "2", false)
	for _, c := range []struct {
		ops []string
		ok  bool
	}{{[]string{"1"}, true}, {[]string{"2", "1"}, true}, {nil, false}, {[]string{"1", "1"}, false}, {[]string{"1", "3"}, false}} {
		if err := l.Applied("e", c.ops); (err == nil) != c.ok {
			t.Errorf("applied %v: %v", c.ops, err)
		}
	}
}

func TestHistoryFindsSecondOutcomes(t *testing.T) {
	task := model.Event{Kind: model.TaskScheduled, ID: 1}
	done := model.Event{Kind: model.TaskCompleted, ID: model.NoID, Ref: 1}
	end := model.Event{Kind: model.ExecutionCompleted, ID: 2}
	if err := check.History("a", []model.Event{task, done, end}); err != nil {
		t.Error(err)
	}
	for _, h := range [][]model.Event{{task, done, done}, {task, task}, {done}, {task, end, done}} {
		if err := check.History("a", h); err == nil {
			t.Errorf("%v is taken", h)
		}
	}
}

func TestTimersAreNotEarly(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if check.NotEarly(model.TimeOf(now), now) != nil || check.NotEarly(model.TimeOf(now.Add(1)), now) == nil {
		t.Error("the moment is not told from the one after it")
	}
}
