package partition

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"pgregory.net/rapid"
)

func newOne(t *testing.T) *testPart {
	t.Helper()
	return newTestHub(Config{Partitions: 1}, t.Fatalf).parts[0]
}

func (p *testPart) checkpoint() { p.begin(); p.applied() }

func (p *testPart) startAll(n int) {
	for i := range n {
		p.apply(&Start{Request: engine.StartRequest{Instance: fmt.Sprintf("i%d", i), Name: "N", Input: make([]byte, 1000)}})
	}
}

func TestTouchingAnUnloadedKeyIsABug(t *testing.T) {
	p := newOne(t)
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, `key "a"/0 was not loaded`) {
			t.Errorf("recovered %s", r)
		}
	}()
	p.state.Check(&Command{Op: OpRaise, Instance: "a"}, p.hub.now, &Answer{})
}

func TestRecordsOfAnEpochAreDense(t *testing.T) {
	p := newOne(t)
	defer func() {
		if r := fmt.Sprint(recover()); !strings.Contains(r, "record 3 follows 1 in epoch 1") {
			t.Errorf("recovered %s", r)
		}
	}()
	p.state.Step(Input{Name: engine.Name{Epoch: 1, Number: 3}, Event: &Opened{Epoch: 1}}, &p.fx)
}

func TestEvictionDropsTheLeastRecentlyUsedFirst(t *testing.T) {
	p := newOne(t)
	p.startAll(4)
	total, dirty := p.state.Bytes()
	if total < 4000 || dirty != total {
		t.Errorf("%d bytes, %d of them dirty", total, dirty)
	}
	p.state.Evict(0)
	if n := p.state.Stats().Instances; n != 4 {
		t.Errorf("%d instances left of 4 that are not stored", n)
	}
	p.checkpoint()
	if _, dirty := p.state.Bytes(); dirty != 0 {
		t.Errorf("%d bytes are dirty after a checkpoint", dirty)
	}
	p.dispatch(10)
	if p.state.Evict(0); p.state.Stats().Instances != 4 {
		t.Error("instances were evicted whose steps are with a worker")
	}
	for id, item := range p.orchestrations {
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{Token: item.Token}})
		delete(p.orchestrations, id)
	}
	p.dispatch(10)
	p.checkpoint()
	p.state.Read("i0", engine.GetOptions{})
	total, _ = p.state.Bytes()
	p.state.Evict(total / 2)
	if after, _ := p.state.Bytes(); after > total/2 || after < total/4 {
		t.Errorf("%d bytes of %d are left, half of them should be", after, total)
	}
	if p.state.byID["i0"] == nil {
		t.Error("the instance that was read last was evicted first")
	}
	p.state.Evict(0)
	if left, _ := p.state.Bytes(); left != 0 {
		t.Errorf("%d bytes with nothing in memory", left)
	}
	p.check()
}

// Who evicts down to a share of the memory counts all that the state takes.
func TestEvictionMakesUpForWhatCannotBeEvicted(t *testing.T) {
	p := newOne(t)
	p.startAll(8)
	p.dispatch(10)
	for id, item := range p.orchestrations {
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{Token: item.Token}})
		delete(p.orchestrations, id)
	}
	p.dispatch(10)
	p.checkpoint()
	instances, _ := p.state.Bytes()
	for i := range 100 {
		p.state.timers.push(TimerRef{epochTime.Add(time.Hour), 999, int32(i)})
	}
	p.state.Evict(instances)
	if after, _ := p.state.Bytes(); after > instances || after < instances/2 {
		t.Errorf("%d bytes are left, at most %d should be", after, instances)
	}
}

func TestEndedInstancesLeaveMemoryOnceStored(t *testing.T) {
	p := newOne(t)
	p.startAll(3)
	p.dispatch(10)
	for _, id := range []string{"i0", "i1"} {
		item := p.orchestrations[id]
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
			Token: item.Token, Events: []model.Event{{Kind: model.ExecutionCompleted, Ext: &model.Ext{Status: model.Completed}}},
		}})
		delete(p.orchestrations, id)
	}
	p.dispatch(10)
	if p.state.EvictEnded(); len(p.state.byOrd) != 3 {
		t.Errorf("%d instances left of 3 that are not stored", len(p.state.byOrd))
	}
	p.checkpoint()
	if p.state.EvictEnded(); len(p.state.byOrd) != 1 || p.state.byID["i2"] == nil {
		t.Errorf("%d instances left: only the one that runs should be", len(p.state.byOrd))
	}
	p.check()
}

func TestInstanceThatIsForgottenIsNotCountedAnyMore(t *testing.T) {
	p := newOne(t)
	p.startAll(1)
	p.dispatch(10)
	item := p.orchestrations["i0"]
	p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
		Token: item.Token, Events: []model.Event{{Kind: model.ExecutionCompleted, Ext: &model.Ext{Status: model.Completed}}},
	}})
	delete(p.orchestrations, "i0")
	p.checkpoint()
	p.dispatch(10)
	if p.state.EvictEnded(); len(p.state.byOrd) != 0 {
		t.Fatal("the instance has ended and is not forgotten")
	}
	if total, _ := p.state.Bytes(); total != p.state.fixedBytes() {
		t.Errorf("no instance is in memory, and %d bytes of instances are counted", total-p.state.fixedBytes())
	}
	p.check()
}

func TestOrchestrationsThatHaveBegunGoFirstAndNewOnesGetTheirTurn(t *testing.T) {
	p := newOne(t)
	p.startAll(40)
	const rounds = 100
	for range rounds {
		var items engine.Items
		p.state.Dispatch(p.name.Epoch, p.hub.now, Wanted{Items: 4, Begin: 4}, &items)
		for _, i := range items.Orchestrations {
			p.apply(&StepDone{Ord: i.Token.Instance, Handout: i.Token.Name.Number, Result: &engine.OrchestrationResult{Token: i.Token}})
			p.apply(&Command{Op: OpRaise, Instance: i.Instance, Name: "again"})
		}
	}
	if begun, want := 40-len(p.state.fresh), 4+4*rounds/freshTurn; begun < want-2 || begun > want {
		t.Errorf("%d of 40 have begun, it was %d of the turns of %d steps", begun, want, 4*rounds)
	}
}

func TestNoneBeginsBeyondItsTurnUnlessItMay(t *testing.T) {
	p := newOne(t)
	p.startAll(40)
	dispatch := func(begin int) (begun int, more bool) {
		var items engine.Items
		more = p.state.Dispatch(p.name.Epoch, p.hub.now, Wanted{Items: 1 << 10, Begin: begin}, &items)
		return len(items.Orchestrations), more
	}
	if n, more := dispatch(0); n != 0 || more || p.state.Unbegun() != 40 {
		t.Errorf("%d begin although none may, more %t, %d wait", n, more, p.state.Unbegun())
	}
	if n, more := dispatch(7); n != 7 || more || p.state.Unbegun() != 33 || p.state.AtWork() != 7 {
		t.Errorf("%d begin where 7 may, more %t, %d wait, %d at work", n, more, p.state.Unbegun(), p.state.AtWork())
	}
	if n, more := dispatch(40); n != 33 || more || p.state.AtWork() != 40 {
		t.Errorf("%d begin of 33, more %t, %d at work", n, more, p.state.AtWork())
	}
	p.check()
}

func TestWhatDoesNotGetOnIsNotCountedAsAtWork(t *testing.T) {
	p := newOne(t)
	p.startAll(3)
	var items engine.Items
	p.state.Dispatch(p.name.Epoch, p.hub.now, Wanted{Items: 2, Begin: 2}, &items)
	p.state.Age()
	if n := p.state.AtWork(); n != 2 {
		t.Errorf("%d at work after one age, want 2", n)
	}
	i := items.Orchestrations[0]
	p.apply(&StepDone{Ord: i.Token.Instance, Handout: i.Token.Name.Number, Result: &engine.OrchestrationResult{Token: i.Token,
		Events: []model.Event{{Kind: model.TaskScheduled, Name: "A"}}}})
	p.state.Age()
	if n := p.state.AtWork(); n != 1 {
		t.Errorf("%d at work, want the one that has got on", n)
	}
	p.check()
	p.state.Age()
	p.state.Age()
	if n := p.state.AtWork(); n != 0 {
		t.Errorf("%d at work, although nothing has got on", n)
	}
	p.dispatch(1)
	if n := p.state.AtWork(); n != 2 {
		t.Errorf("%d at work, want the one that has just begun and the one whose activity has", n)
	}
	p.check()
}

func TestStateGrowsAndShrinksWithItsInstances(t *testing.T) {
	p := newOne(t)
	empty, _ := p.state.Bytes()
	signal := func(n int) {
		p.apply(&Command{Op: OpSignal, Instance: "@e@1", Name: "op", Payload: make([]byte, n)})
	}
	batch := func(state []byte) {
		p.dispatch(1)
		item := p.entities["@e@1"]
		p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.EntityResult{
			Token: item.Token, Results: make([]engine.OperationResult, len(item.Operations)), State: state}})
	}
	signal(1 << 20)
	if n, _ := p.state.Bytes(); n < 1<<20 {
		t.Errorf("%d bytes with an operation of 1 MiB", n)
	}
	batch(make([]byte, 2<<20))
	if n, dirty := p.state.Bytes(); n < 2<<20 || n > 5<<19 || dirty != n {
		t.Errorf("%d bytes, %d dirty, with a state of 2 MiB", n, dirty)
	}
	signal(1)
	batch(nil)
	if n, _ := p.state.Bytes(); n != empty {
		t.Errorf("%d bytes when the entity is gone, %d before", n, empty)
	}
}

func TestTimerHeapIsTidiedWithoutLosingATimer(t *testing.T) {
	p := newOne(t)
	p.apply(&Start{Request: engine.StartRequest{Instance: "a", Name: "N"}})
	s, inst := p.state, p.state.byID["a"]
	const near, far, unsaved = 10, 20, 30
	s.horizon = epochTime.Add(time.Hour)
	for id, at := range map[int32]time.Duration{near: time.Minute, far: 2 * time.Hour} {
		inst.timers.add(id, &timer{id: id, fireAt: epochTime.Add(at), stored: true})
		s.timers.push(TimerRef{epochTime.Add(at), inst.ord, id})
	}
	inst.timers.add(unsaved, &timer{id: unsaved, fireAt: epochTime.Add(3 * time.Hour)})
	s.timers.push(TimerRef{epochTime.Add(3 * time.Hour), inst.ord, unsaved})
	s.timers.push(TimerRef{epochTime.Add(time.Minute), 999, 1})   // of an instance that is not in memory
	s.timers.push(TimerRef{epochTime.Add(2 * time.Hour), 999, 1}) // will be fetched
	for i := range heapTidy {
		s.timers.push(TimerRef{epochTime.Add(time.Duration(i)), inst.ord, 1}) // cancelled
	}
	s.tidyTimers()
	var ids []int32
	for len(s.timers) > 0 {
		ids = append(ids, s.timers.pop().ID)
	}
	if want := []int32{near, 1, unsaved}; !slices.Equal(ids, want) {
		t.Errorf("timers %v are left, want %v", ids, want)
	}
}

// An event that waited while the partition was rebuilt is checked at a time of its
// own, and the wall clock may have been set back.
func TestTimersThatAreNotDueAnyMoreWaitUntilTheyAre(t *testing.T) {
	p := newOne(t)
	p.apply(&Start{Request: engine.StartRequest{Instance: "a", Name: "N"}})
	s, inst := p.state, p.state.byID["a"]
	soon, later := TimerRef{epochTime.Add(time.Minute), inst.ord, 1}, TimerRef{epochTime.Add(time.Hour), inst.ord, 2}
	for _, r := range []TimerRef{soon, later} {
		s.addTimer(inst, &timer{id: r.ID, fireAt: r.FireAt})
	}
	ev := &TimersFired{Timers: s.DueTimers(later.FireAt, 10, nil)}
	if v := s.Check(ev, soon.FireAt, &p.ans); v != Admit || !slices.Equal(ev.Timers, []TimerRef{soon}) {
		t.Errorf("verdict %v, timers %v fire at %v", v, ev.Timers, soon.FireAt)
	}
	if s.NextTimer() != later.FireAt {
		t.Errorf("the next timer is at %v, want %v", s.NextTimer(), later.FireAt)
	}
}

func TestTimerHeapIsAnOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var h timerHeap
		var want []TimerRef
		for _, n := range rapid.SliceOfN(rapid.IntRange(0, 50), 0, 100).Draw(t, "timers") {
			r := TimerRef{model.Time(n % 5), uint64(n % 7), int32(n)}
			h.push(r)
			want = append(want, r)
		}
		slices.SortFunc(want, compareTimers)
		for i, r := range want {
			if got := h.pop(); got != r {
				t.Fatalf("timer %d is %v, want %v", i, got, r)
			}
		}
	})
}

func TestTableBehavesLikeASortedMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var tab table[*int]
		want := map[int32]*int{}
		for range rapid.IntRange(0, 200).Draw(t, "operations") {
			id := int32(rapid.IntRange(-3, 60).Draw(t, "id"))
			if rapid.Bool().Draw(t, "add") {
				want[id] = new(int)
				tab.add(id, want[id])
			} else if got := tab.remove(id); got != want[id] {
				t.Fatalf("remove %d: %p, want %p", id, got, want[id])
			} else {
				delete(want, id)
			}
			if tab.live != len(want) || tab.get(id) != want[id] {
				t.Fatalf("%d live, want %d", tab.live, len(want))
			}
		}
		last, n := int32(-100), 0
		tab.all(func(id int32, v *int) bool {
			if id <= last || v != want[id] {
				t.Fatalf("%d after %d", id, last)
			}
			last, n = id, n+1
			return true
		})
		if n != len(want) {
			t.Fatalf("%d elements, want %d", n, len(want))
		}
	})
}

func TestReadersOfAnEntityKnowWhenItsInboxWasApplied(t *testing.T) {
	p := newOne(t)
	s := p.state
	p.load(s, p.store, []Key{{ID: "@e@1"}})
	if mark := s.Unapplied("@e@1"); mark != 0 || !s.Applied("@e@1", 7) {
		t.Errorf("an absent entity has mark %d", mark)
	}
	p.apply(&Command{Op: OpSignal, Instance: "@e@1", Name: "op"})
	p.apply(&Command{Op: OpSignal, Instance: "@e@1", Name: "op"})
	mark := s.Unapplied("@e@1")
	for n := range 3 {
		if got, want := s.Applied("@e@1", mark), n == 2; got != want {
			t.Errorf("after %d of 2 operations: applied is %t", n, got)
		}
		p.apply(&Command{Op: OpSignal, Instance: "@e@1", Name: "op"})
		p.dispatch(1)
		item := p.entities["@e@1"]
		p.apply(&EntityDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.EntityResult{
			Token: item.Token, Results: make([]engine.OperationResult, 1), State: []byte("s")}})
	}
}

func TestSessionsAndKeysAreBoundedInNumber(t *testing.T) {
	s := New(Config{Partitions: 1})
	s.now = epochTime
	for i := range MaxSessions + 10 {
		c := Client{Session: [16]byte{byte(i), byte(i >> 8), byte(i >> 16)}, Seq: 1, Floor: 1}
		s.resolve(&c, OpRaise, "a", model.ExecutionID{})
		s.now++
	}
	if n := len(s.clients.sessions); n != MaxSessions {
		t.Errorf("%d sessions, at most %d", n, MaxSessions)
	}
	if s.clients.sessions[[16]byte{}] != nil {
		t.Error("the oldest session is still there")
	}
	for i := range MaxKeys + 10 {
		s.resolve(&Client{Key: fmt.Sprint(i)}, OpRaise, "a", model.ExecutionID{})
	}
	if n := len(s.clients.keys); n != MaxKeys || len(s.clients.keyOrder) != MaxKeys {
		t.Errorf("%d keys, at most %d", n, MaxKeys)
	}
	if s.clients.keys[keyFor(OpRaise, "a", "9")] != nil || s.clients.keys[keyFor(OpRaise, "a", "10")] == nil {
		t.Error("not the oldest keys were dropped")
	}
}

func TestStepBeyondTheLimitsFailsItsInstance(t *testing.T) {
	many := make([]model.Event, MaxStepEvents+1)
	for i := range many {
		many[i] = model.Event{Kind: model.EventSent, ID: int32(i), Name: "e"}
	}
	half := make([]byte, MaxStepBytes/2+1)
	large := []model.Event{{Kind: model.EventSent, Name: "e", Payload: half}, {Kind: model.ExecutionCompleted, Ext: &model.Ext{CarryOver: []model.Event{{Payload: half}}}}}
	for name, events := range map[string][]model.Event{"too many": many, "too large": large} {
		f := checkResult(&engine.OrchestrationResult{Events: events}, nil)
		if f == nil || f.Type != model.FailureStepTooLarge || !f.NonRetriable {
			t.Errorf("%s: %+v", name, f)
		}
	}
	if f := checkResult(&engine.OrchestrationResult{Events: many[1:]}, nil); f != nil {
		t.Errorf("a step of %d events: %v", MaxStepEvents, f)
	}
}

func TestDamagedStoreIsNamed(t *testing.T) {
	fill := func() *testPart {
		h := newTestHub(Config{Partitions: 2}, t.Fatalf)
		p := h.parts[model.PartitionOf("a", 2)]
		p.apply(&Start{Request: engine.StartRequest{Instance: "a", Name: "N"}})
		p.dispatch(1)
		item := p.orchestrations["a"]
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
			Token: item.Token, Events: []model.Event{{Kind: model.EventSent, ID: 1, Instance: "d", Name: "e"}, {Kind: model.TaskScheduled, ID: 2, Name: "T"}}}})
		p.checkpoint()
		return p
	}
	ord := uint64(1)
	load := func(p *testPart) error { _, err := Fetch(p.store, p.id, Key{ID: "a"}); return err }
	meta := func(p *testPart) error { _, err := FetchMeta(p.store, p.config()); return err }
	past := func(p *testPart) error {
		p.state.Evict(0)
		p.load(p.state, p.store, []Key{{ID: "a"}})
		ref, _ := p.state.HistoryOf(Key{ID: "a"})
		_, err := FetchHistory(p.store, p.id, ref)
		return err
	}
	tests := map[string]struct {
		harm func(p *testPart)
		read func(p *testPart) error
		is   error
		want string
	}{
		"ID without a row": {func(p *testPart) {
			p.store.main.deleteRange(instanceKey(nil, p.id, ord), instanceKey(nil, p.id, ord+1))
		}, load, engine.ErrDamaged, "which is not there"},
		"short ID row":    {func(p *testPart) { p.store.main.set(idKey(nil, p.id, "a"), []byte{1}) }, load, engine.ErrDamaged, "has 1 bytes"},
		"cut row":         {func(p *testPart) { p.store.main.set(instanceKey(nil, p.id, ord), []byte{rowVersion1, 0, 1}) }, load, engine.ErrDamaged, "instance row 1"},
		"newer row":       {func(p *testPart) { p.store.main.set(instanceKey(nil, p.id, ord), []byte{rowVersion + 1}) }, load, engine.ErrNewerFormat, "version 3"},
		"task of nobody":  {func(p *testPart) { p.store.main.deleteRange(instanceKey(nil, p.id, ord), subKey(nil, p.id, ord, 0, 0)) }, load, engine.ErrDamaged, "element without an instance"},
		"unknown element": {func(p *testPart) { p.store.main.set(subKey(nil, p.id, ord, 'z', 1), []byte{rowVersion1}) }, load, engine.ErrDamaged, "unknown element"},
		"hole in outbox": {func(p *testPart) {
			p.store.main.deleteRange(outboxKey(nil, p.id, 1-p.id, 0), outboxKey(nil, p.id, 1-p.id, 9))
		}, meta, engine.ErrDamaged, "ends at 1, expected 2"},
		"other partitions":  {func(p *testPart) { p.hub.cfg.Partitions = 3 }, meta, engine.ErrDamaged, "made for 2 partitions, opened with 3"},
		"newer singletons":  {func(p *testPart) { p.store.main.set(tableKeyOf(nil, p.id, tableMeta), []byte{9}) }, meta, engine.ErrNewerFormat, "a row has version 9, this program reads up to 2"},
		"history is gone":   {func(p *testPart) { p.store.history = space{} }, past, engine.ErrDamaged, "history has 0 stored events"},
		"newer history":     {func(p *testPart) { p.store.history.values[0][0]++ }, past, engine.ErrNewerFormat, "a chunk of history has version 2, this program reads up to 1"},
		"malformed history": {func(p *testPart) { p.store.history.values[0] = []byte{chunkVersion, 0, 3} }, past, engine.ErrDamaged, "read history"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			p := fill()
			tt.harm(p)
			if err := tt.read(p); !errors.Is(err, tt.is) || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %v with %q", err, tt.is, tt.want)
			}
		})
	}
}

func TestInstanceThatWasBusyKeepsNoRoomForMessages(t *testing.T) {
	s := New(Config{Partitions: 1})
	inst := s.newInstance("@E@k", model.ExecutionID{1})
	for range 1_000 {
		s.enqueueEntry(inst, entry{})
	}
	s.consume(inst, 999)
	s.consume(inst, 1)
	if n := cap(inst.inbox); n > spareEntries {
		t.Errorf("room for %d messages in an empty inbox", n)
	}
	for range growingInbox + 2 {
		s.enqueueEntry(inst, entry{})
	}
	if inst.shrink(); cap(inst.inbox) > spareEntries {
		t.Errorf("room for %d messages in an inbox of %d that waits", cap(inst.inbox), len(inst.inbox))
	}
	s.consume(inst, len(inst.inbox))
	if inst.shrink(); cap(inst.inbox) != 0 {
		t.Errorf("room for %d messages in the inbox of an idle instance", cap(inst.inbox))
	}
}
