package check_test

import (
	"errors"
	"testing"
	"time"

	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
	"github.com/netherite-go/netherite/substrate"
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
		t.Errorf("before the first sync it was durable up to %d", before)
	}
	put("three", "three") // with "two", in one sync
	p.SyncedTo(l.End())
	p.SyncedTo(l.End())
	if before := p.BeforeLast(); before != 3 {
		t.Errorf("before the last sync it was durable up to %d", before)
	}
}

func TestPrefixTakesWhatAFailedWriteMayHaveLeft(t *testing.T) {
	disk := mem.NewLogDisk()
	l, err := disk.Open()
	if err != nil {
		t.Fatal(err)
	}
	var p check.Prefix
	p.Tried(l.End(), []byte("one"))
	p.Tried(l.End(), []byte("two"))
	if err := p.Holds(l, 0); err != nil {
		t.Errorf("without it: %v", err)
	}
	if err := l.Write([]byte("two")); err != nil {
		t.Fatal(err)
	}
	if err := p.Holds(l, 0); err != nil {
		t.Errorf("with it: %v", err)
	}
	p.Wrote(0, []byte("one"))
	if err := p.Holds(l, 0); err == nil {
		t.Error("a group is taken that a later one has replaced")
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

func TestWhatIsSentInARowHasToComeInIt(t *testing.T) {
	l := check.NewLedger()
	i := l.Begin("c", "Collect", model.Completed, "")
	i.Row = []string{"0", "1", "2"}
	for _, c := range []struct {
		payloads []string
		ok       bool
	}{{nil, true}, {[]string{"0", "9", "1"}, true}, {[]string{"0", "1", "2", "0"}, true}, {[]string{"1", "0"}, false}, {[]string{"0", "2"}, false}} {
		var events []model.Event
		for _, p := range c.payloads {
			events = append(events, model.Event{Kind: model.EventRaised, Payload: []byte(p)})
		}
		if err := l.Heard("c", events); (err == nil) != c.ok {
			t.Errorf("got %q: %v", c.payloads, err)
		}
	}
	l.Post("e", "first", true)
	l.Post("e", "second", true)
	l.Follow("e", "second", "first")
	for _, c := range []struct {
		ops []string
		ok  bool
	}{{[]string{"first", "second"}, true}, {[]string{"second", "first"}, false}} {
		if err := l.Applied("e", c.ops); (err == nil) != c.ok {
			t.Errorf("applied %q: %v", c.ops, err)
		}
	}
}

func TestACallKeepsItsKey(t *testing.T) {
	k := check.NewKeys()
	ran := func(execution byte, name, input, key string) bool {
		return k.Ran(model.ExecutionID{execution}, name, []byte(input), key) == nil
	}
	for range 2 {
		if !ran(1, "A", "1", "x") {
			t.Error("a call may not keep its key")
		}
	}
	if ran(1, "A", "1", "y") {
		t.Error("a call may have another key")
	}
	if !ran(2, "A", "1", "a") || !ran(1, "B", "1", "b") || !ran(1, "A", "2", "c") {
		t.Error("other calls have keys of their own")
	}
}

func TestOnlyWhatWasRepeatedTooLateMayComeTwice(t *testing.T) {
	l := check.NewLedger()
	l.Begin("a", "Collect", model.Completed, "").Raise("1", true)
	l.Post("@e@1", "op", true)
	twice := []model.Event{{Kind: model.EventRaised, Payload: []byte("1")}, {Kind: model.EventRaised, Payload: []byte("1")}}
	if l.Heard("a", twice) == nil || l.Applied("@e@1", []string{"op", "op"}) == nil {
		t.Error("something may come twice")
	}
	l.Repeated("a", "1")
	l.Repeated("@e@1", "op")
	if err := errors.Join(l.Heard("a", twice), l.Applied("@e@1", []string{"op", "op"})); err != nil {
		t.Error(err)
	}
}

func TestTimersAreNotEarly(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	if check.NotEarly(model.TimeOf(now), now) != nil || check.NotEarly(model.TimeOf(now.Add(1)), now) == nil {
		t.Error("the moment is not told from the one after it")
	}
}

func TestTimersAreNotLate(t *testing.T) {
	at := func(s int) time.Time { return epoch.Add(time.Duration(s) * time.Second) }
	for _, c := range []struct {
		due, calm, fired int
		ok               bool
	}{{10, 0, 12, true}, {10, 0, 13, false}, {10, 30, 32, true}, {10, 30, 33, false}} {
		if err := check.NotLate(model.TimeOf(at(c.due)), at(c.calm), at(c.fired), 2*time.Second); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestWhatWasPurgedIsNotThereAgain(t *testing.T) {
	l := check.NewLedger()
	i := l.Begin("a", "Warden", model.Terminated, "")
	i.Acked, i.Purged, i.Gone, i.Stopped = true, true, true, true
	there := &model.Instance{ID: "a", Status: model.Terminated, Completed: 1}
	if l.Saw("a", nil, epoch) != nil || l.Saw("a", there, epoch) == nil {
		t.Error("what is gone is not told from what is there again")
	}
	i.Restarted = true
	if err := l.Saw("a", there, epoch); err != nil {
		t.Errorf("it was started anew: %v", err)
	}
	if status, seen := i.Seen(); !seen || status != model.Terminated {
		t.Errorf("read last: %v, %v", status, seen)
	}
}

func TestChildrenShareTheFateOfTheirParent(t *testing.T) {
	l := check.NewLedger()
	i := l.Begin("a", "Warden", model.Terminated, "")
	i.Stopped = true
	running, ended := &model.Instance{Status: model.Running}, &model.Instance{Status: model.Terminated}
	if l.Child("a", "b", running) == nil || l.Child("a", "b", ended) != nil || l.Child("a", "b", nil) != nil {
		t.Error("a child of what was terminated may run, or may not have ended")
	}
	i.Forgotten = true
	if l.Child("a", "b", ended) == nil || l.Child("a", "b", nil) != nil {
		t.Error("a child of what was purged may be there, or may not be gone")
	}
}

func TestWhatHasJustComeToBeMayNotLeave(t *testing.T) {
	var c check.Causes
	c.Grown(3, 0)
	c.Grown(5, 100)
	c.Grown(5, 200)
	for _, k := range []struct {
		number  uint64
		durable int64
		ok      bool
	}{{3, 0, true}, {4, 99, false}, {5, 100, true}, {6, 1000, false}} {
		if err := c.Durable(k.number, substrate.Offset(k.durable)); (err == nil) != k.ok {
			t.Errorf("number %d, durable %d: %v", k.number, k.durable, err)
		}
	}
}

func TestPagesListEachInstanceOnce(t *testing.T) {
	a, b := &model.Instance{ID: "a"}, &model.Instance{ID: "b"}
	p := check.NewPages(true)
	if err := p.Page([]*model.Instance{a, b}); err != nil {
		t.Error(err)
	}
	if p.Complete([]string{"b"}) != nil || p.Complete([]string{"c"}) == nil {
		t.Error("what is listed is not told from what is missing")
	}
	if p.Page([]*model.Instance{b}) == nil {
		t.Error("an instance may be on two pages")
	}
	if p.Without([]string{"c"}) != nil || p.Without([]string{"a"}) == nil {
		t.Error("what is listed is not told from what is gone")
	}
	byTime := check.NewPages(false)
	if byTime.Page([]*model.Instance{a}) != nil || byTime.Page([]*model.Instance{{ID: "a", Created: 1}}) != nil || byTime.Page([]*model.Instance{a}) == nil {
		t.Error("one that was created anew is not another one, or the same is")
	}
}

func TestAcknowledgedCommandsAreNotUndone(t *testing.T) {
	l := check.NewLedger()
	i := l.Begin("a", "Nap", model.Completed, "")
	running := &model.Instance{ID: "a", Status: model.Running}
	i.Held = true
	if l.Saw("a", running, epoch) == nil || l.Saw("a", &model.Instance{ID: "a", Status: model.Suspended}, epoch) != nil {
		t.Error("a suspension may be undone, or may not be there")
	}
	i.Held, i.Stopped = false, true
	if l.Saw("a", running, epoch) == nil {
		t.Error("a termination may be undone")
	}
	i.Raise("1", true)
	i.Raise("2", false)
	raised := func(payload string) model.Event {
		return model.Event{Kind: model.EventRaised, ID: model.NoID, Payload: []byte(payload)}
	}
	for _, c := range []struct {
		events []model.Event
		ok     bool
	}{
		{nil, false},
		{[]model.Event{raised("1")}, true},
		{[]model.Event{raised("1"), raised("2"), raised("2")}, false},
	} {
		if err := l.Heard("a", c.events); (err == nil) != c.ok {
			t.Errorf("%v: %v", c.events, err)
		}
	}
}

func TestOnlyWhatHasReachedItsRetentionMayBeGone(t *testing.T) {
	l := check.NewLedger()
	i := l.Begin("a", "Nap", model.Completed, "")
	i.Acked, i.Since = true, epoch
	if l.Saw("a", nil, epoch.Add(time.Hour)) == nil {
		t.Error("something is gone although there is no retention")
	}
	l.Retention = time.Hour
	if l.Saw("a", nil, epoch.Add(time.Hour-1)) == nil || l.Saw("a", nil, epoch.Add(time.Hour)) != nil {
		t.Error("the retention is not told from less")
	}
}

func TestACopyHoldsWhatWasAcknowledgedBeforeIt(t *testing.T) {
	l := check.NewLedger()
	l.Begin("a", "Nap", model.Completed, "").Acked = true
	l.Post("e", "1", true)
	before := l.Clone()
	l.Begin("b", "Nap", model.Completed, "").Acked = true
	l.Post("e", "2", true)
	c := l.AsOf(before)
	if c.Saw("b", nil, epoch) != nil || c.Saw("a", nil, epoch) == nil {
		t.Error("what was acknowledged before the copy is not told from what was later")
	}
	if c.Applied("e", []string{"1"}) != nil || c.Applied("e", []string{"1", "2"}) != nil || c.Applied("e", nil) == nil {
		t.Error("posts before the copy are not told from later ones")
	}
}
