package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// siftable makes the rows of a partition with instances, an entity and messages
// to another partition that wait.
func siftable(t *testing.T) (*rowStore, *State) {
	t.Helper()
	s := New(Config{Partition: 0, Partitions: 2})
	s.apply(&Opened{Epoch: 1})
	for i := range 12 {
		s.apply(&Start{Request: engine.StartRequest{Instance: idIn(0, i), Name: "N", Input: []byte("input"), Tags: map[string]string{"k": "v"}}})
	}
	for ord := uint64(1); ord <= 24; ord += 2 {
		events := []model.Event{{Kind: model.EventSent, ID: 0, Instance: idIn(1, int(ord)), Name: "hello"}}
		s.apply(&StepDone{Ord: ord, Consumed: 1, Result: &engine.OrchestrationResult{Events: events}})
	}
	store := &rowStore{}
	s.captureInto(store)
	return store, s
}

// apply applies an event with all that follows from it.
func (s *State) apply(ev Event) {
	s.absentAll(ev)
	s.Step(Input{Name: engine.Name{Epoch: 1, Number: s.last.Number + 1}, Time: 1000, Event: ev}, &Effects{})
	for {
		keys, more := s.FollowUp(nil)
		if !more {
			return
		}
		s.know(keys)
		s.Continue(&Effects{})
	}
}

// captureInto writes what has changed to a store.
func (s *State) captureInto(store *rowStore) {
	b := &rowBatch{}
	s.BeginCapture(b)
	s.CaptureSome(1 << 20)
	b.applyTo(store)
	s.CaptureApplied()
}

// idIn is an instance ID of a partition.
func idIn(p, i int) string {
	for n := 0; ; n++ {
		if id := fmt.Sprintf("i%d-%d", i, n); model.PartitionOf(id, 2) == p {
			return id
		}
	}
}

func (s *State) absentAll(ev Event) { s.know(ev.Keys(nil)) }

func (s *State) know(keys []Key) {
	for _, k := range s.Missing(nil, keys) {
		s.absent[k] = struct{}{}
	}
}

// sifted loses the rows that f names, and sifts the rest.
func sifted(t *testing.T, store *rowStore, last engine.Name, f func(main bool, key []byte) bool) *Sifted {
	t.Helper()
	lost := map[bool][][]byte{}
	for _, main := range []bool{true, false} {
		p := store.space(main)
		for _, key := range slices.Clone(p.keys) {
			if f(main, key) {
				lost[main] = append(lost[main], key)
				p.deleteRange(key, append(bytes.Clone(key), 0))
			}
		}
	}
	b := &rowBatch{}
	out, err := Sifting{
		Rows: store.snapshot(), To: b, Config: Config{Partition: 0, Partitions: 2}, Last: last,
		Lost: func(main bool, low, high []byte) bool {
			return slices.ContainsFunc(lost[main], func(key []byte) bool { return bytes.Compare(low, key) <= 0 && bytes.Compare(key, high) < 0 })
		},
	}.Run()
	if err != nil {
		t.Fatal(err)
	}
	b.applyTo(store)
	if err := Check(store, Config{Partition: 0, Partitions: 2}, func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	return out
}

func TestSiftingWholeRowsChangesNothing(t *testing.T) {
	store, s := siftable(t)
	before := store.snapshot()
	out := sifted(t, store, s.last, func(bool, []byte) bool { return false })
	if !out.Harmless() || len(out.Messages) > 0 || out.Last != s.last {
		t.Errorf("%+v", out)
	}
	if !slices.EqualFunc(before.main.keys, store.main.keys, bytes.Equal) || !slices.EqualFunc(before.main.values, store.main.values, bytes.Equal) {
		t.Error("rows have changed")
	}
}

func TestSiftingBuildsIndexesAnew(t *testing.T) {
	store, s := siftable(t)
	before := store.snapshot()
	out := sifted(t, store, s.last, func(main bool, key []byte) bool { return main && slices.Contains(indexTables, key[2]) })
	if !out.Harmless() || !slices.EqualFunc(before.main.keys, store.main.keys, bytes.Equal) {
		t.Errorf("%+v", out)
	}
}

// An instance of which nothing but its history is left is counted all the same.
func TestSiftingNamesInstancesOfWhichOnlyAHistoryIsLeft(t *testing.T) {
	store, s := siftable(t)
	histories := map[uint64]bool{}
	for _, key := range store.history.keys {
		histories[binary.BigEndian.Uint64(key[2:])] = true
	}
	out := sifted(t, store, s.last, func(main bool, key []byte) bool {
		return main && (key[2] == tableInstance || slices.Contains(indexTables, key[2]))
	})
	if len(histories) == 0 || len(out.Instances) != len(histories) || out.Harmless() || len(store.history.keys) > 0 {
		t.Fatalf("%d histories: %+v", len(histories), out)
	}
	for _, i := range out.Instances {
		if !histories[i.Ord] || i.Kept || !strings.Contains(i.Reason, `only a history is left, of a "N"`) {
			t.Errorf("%+v", i)
		}
	}
}

// The store notes which histories it deletes, and the deletion takes effect later: a
// repair finds rows of instances that nobody knows any more, and no loss.
func TestSiftingDeletesHistoriesWhoseDeletionWasOnlyNoted(t *testing.T) {
	store, s := siftable(t)
	before := store.snapshot().history
	for i := range 12 {
		s.apply(&Command{Op: OpTerminate, Instance: idIn(0, i)})
		s.apply(&Command{Op: OpPurge, Instance: idIn(0, i)})
	}
	s.captureInto(store)
	if len(before.keys) == 0 || len(store.history.keys) > 0 {
		t.Fatalf("%d rows of histories, %d after the purge", len(before.keys), len(store.history.keys))
	}
	store.history = before
	out := sifted(t, store, s.last, func(bool, []byte) bool { return false })
	if len(store.history.keys) > 0 || !out.Harmless() || len(out.Instances) > 0 {
		t.Errorf("%d rows of histories are left: %+v", len(store.history.keys), out)
	}
}

// A receiver must not take a message for one that had the number before.
func TestSiftingKeepsTheNumbersOfLostMessages(t *testing.T) {
	store, s := siftable(t)
	first, next := s.OutboxRange(1)
	if next-first != 12 {
		t.Fatalf("%d to %d", first, next)
	}
	lost := []uint64{first, first + 4, next - 1}
	out := sifted(t, store, s.last, func(main bool, key []byte) bool {
		return main && slices.ContainsFunc(lost, func(seq uint64) bool { return bytes.Equal(key, outboxKey(nil, 0, 1, seq)) })
	})
	want := []SiftedMessage{{1, lost[0]}, {1, lost[1]}, {1, lost[2]}}
	if !slices.Equal(out.Messages, want) || !out.Harmless() {
		t.Errorf("%+v", out)
	}
	m, err := FetchMeta(store, Config{Partition: 0, Partitions: 2})
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range m.state.outbox[1].entries {
		seq := first + uint64(i)
		if blank := e.Event.Name == "netherite.lost"; blank != slices.Contains(lost, seq) || model.PartitionOf(e.To, 2) != 1 {
			t.Errorf("message %d is %+v", seq, e)
		}
	}
	if f, n := m.state.OutboxRange(1); f != first || n != next {
		t.Errorf("%d to %d", f, n)
	}
}

func TestSiftingSaysUponWhatNothingMayBeReplayed(t *testing.T) {
	store, s := siftable(t)
	out := sifted(t, store, s.last, func(main bool, key []byte) bool {
		return main && (bytes.Equal(key, instanceKey(nil, 0, 3)) || key[2] != 'i' && bytes.Contains(key, []byte(idIn(0, 1))) || bytes.Equal(key, instanceKey(nil, 0, 7)))
	})
	for ord := uint64(1); ord <= 24; ord += 2 {
		if got := out.Unsound(Key{Ord: ord}); got != (ord == 3 || ord == 7) {
			t.Errorf("instance %d: %t", ord, got)
		}
	}
	if !out.Unsound(Key{ID: idIn(0, 3)}) || out.Unsound(Key{ID: idIn(0, 4)}) {
		t.Error("by ID")
	}
	out2 := []SiftedInstance{{Ord: 3, ID: "", Kept: false}, {Ord: 7, ID: idIn(0, 3), Kept: true}}
	same := func(a, b SiftedInstance) bool { return a.Ord == b.Ord && a.ID == b.ID && a.Kept == b.Kept }
	if !slices.EqualFunc(out.Instances, out2, same) || !out.Unnamed {
		t.Errorf("%+v", out.Instances)
	}
}

// Whatever rows are lost, the rest can be loaded, and nobody is missed without a word.
func TestSiftingMakesAnyRestBelongTogether(t *testing.T) {
	for seed := range uint64(300) {
		rng := rand.New(rand.NewPCG(seed, 9))
		store, s := siftable(t)
		share := rng.Float64()
		last := s.last
		out := sifted(t, store, last, func(bool, []byte) bool { return rng.Float64() < share })
		ords, err := Ordinals(store, 0)
		if err != nil {
			t.Fatal(err)
		}
		nameless := 0
		for _, i := range out.Instances {
			if !i.Kept {
				nameless++
			}
		}
		if len(ords)+nameless > 12 || len(ords)+nameless < 12 && !out.Unnamed {
			t.Errorf("seed %d: %d instances of 12 are left, %d are reported without a name (unnamed: %t)", seed, len(ords), nameless, out.Unnamed)
		}
		m, err := FetchMeta(store, Config{Partition: 0, Partitions: 2})
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if m.state.last != out.Last {
			t.Errorf("seed %d: %v, want %v", seed, m.state.last, out.Last)
		}
	}
}

// holding makes the rows of a partition with instances that are set aside and hold
// messages: an orchestration, an entity, and one that could not begin.
func holding(t *testing.T) (*rowStore, *State) {
	t.Helper()
	s := New(Config{Partition: 0, Partitions: 2})
	seq := uint64(0)
	in := func(ev Event) {
		s.absentAll(ev)
		s.Step(Input{Name: engine.Name{Epoch: 1, Number: s.last.Number + 1}, Time: 1000, Event: ev}, &Effects{})
	}
	message := func(to string, ev model.Event, poison bool) {
		seq++
		r := &Received{Origin: 1, First: seq, Messages: []*model.Message{{To: to, From: idIn(1, 0), Event: ev}}}
		if poison {
			in(&Quarantined{Instance: Key{ID: to}, Reason: testReason, Origin: 1, Through: seq, Input: r})
			return
		}
		in(r)
	}
	raised := model.Event{Kind: model.EventRaised, ID: model.NoID, Name: "e"}
	signal := model.Event{Kind: model.EntitySignaled, ID: model.NoID, Instance: heldEntity(), Name: "op"}
	in(&Opened{Epoch: 1})
	in(&Start{Request: engine.StartRequest{Instance: idIn(0, 0), Name: "N"}})
	message(idIn(0, 0), raised, true)
	message(idIn(0, 0), raised, false)
	message(heldEntity(), signal, true)
	message(heldEntity(), signal, false)
	begin := model.Event{Kind: model.ExecutionStarted, ID: model.NoID, Name: "C", Instance: idIn(0, 1), Ext: &model.Ext{
		Execution: model.ExecutionID{7}, Parent: &model.Parent{Instance: idIn(1, 0), ID: 1},
	}}
	in(&Start{Request: engine.StartRequest{Instance: idIn(0, 2), Name: "N"}})
	message(idIn(0, 1), begin, true)
	// The next execution's history comes behind the one that could not begin, and must
	// not be taken for its own.
	again := []model.Event{{Kind: model.ExecutionCompleted, ID: 0, Payload: []byte("i"), Ext: &model.Ext{Status: model.ContinuedAsNew}}}
	for _, events := range [][]model.Event{again, nil} {
		in(&StepDone{Ord: s.byID[idIn(0, 2)].ord, Consumed: 1, Result: &engine.OrchestrationResult{Events: events}})
	}
	if s.byID[idIn(0, 2)].hist != s.byID[idIn(0, 1)].ord+1 {
		t.Fatal("it does not")
	}
	store, b := &rowStore{}, &rowBatch{}
	s.BeginCapture(b)
	s.CaptureSome(1 << 20)
	b.applyTo(store)
	s.CaptureApplied()
	return store, s
}

func heldEntity() string {
	for i := 0; ; i++ {
		if id := fmt.Sprintf("@e@%d", i); model.PartitionOf(id, 2) == 0 {
			return id
		}
	}
}

// Whatever rows are lost of instances that are set aside, the rest can be loaded and
// tried again, and applies what is left of what they hold.
func TestSiftedInstancesApplyWhatIsLeftOfWhatTheyHold(t *testing.T) {
	whole, _ := holding(t)
	keys := slices.Clone(whole.main.keys)
	for i := -1; i < len(keys); i++ {
		store, s := holding(t)
		out := sifted(t, store, s.last, func(main bool, key []byte) bool { return main && i >= 0 && bytes.Equal(key, keys[i]) })
		if i < 0 && !out.Harmless() {
			t.Errorf("nothing was lost: %+v", out)
		}
		m, err := FetchMeta(store, Config{Partition: 0, Partitions: 2})
		if err != nil {
			t.Fatal(err)
		}
		after := New(Config{Partition: 0, Partitions: 2})
		after.InstallMeta(m)
		for _, id := range []string{idIn(0, 0), heldEntity(), idIn(0, 1)} {
			lost, row := "", []byte(nil)
			if i >= 0 {
				lost = fmt.Sprintf("row %x was lost: ", keys[i])
			}
			l, err := Fetch(store, 0, Key{ID: id})
			if err != nil || l.inst == nil {
				t.Fatalf("%s%s: %v", lost, id, err)
			}
			after.Install(l)
			inst := l.inst
			if row = instanceKey(nil, 0, inst.ord); inst.quarantine == nil {
				t.Errorf("%s%s is not set aside", lost, id)
			}
			if inst.events != 0 {
				t.Errorf("%s%s has %d events", lost, id, inst.events)
			}
			mine := i >= 0 && bytes.HasPrefix(keys[i], row)
			named := slices.ContainsFunc(out.Instances, func(x SiftedInstance) bool { return x.ID == id })
			if mine != named {
				t.Errorf("%s%s: reported: %t", lost, id, named)
			}
			want := map[string]int{idIn(0, 0): 2, heldEntity(): 2, idIn(0, 1): 1}[id]
			if mine {
				want = len(inst.held)
			}
			if len(inst.held) != want {
				t.Errorf("%s%s holds %d messages", lost, id, len(inst.held))
			}
			inbox := len(inst.inbox)
			retry := &Command{Op: OpRewind, Instance: id}
			if v := after.Check(retry, 2000, &Answer{}); v != Admit {
				t.Fatalf("%s%s: the retry is not admitted: %v", lost, id, v)
			}
			after.Step(Input{Name: engine.Name{Epoch: 1, Number: after.last.Number + 1}, Time: 2000, Event: retry}, &Effects{})
			if inst = after.byID[id]; inst == nil {
				if want > 0 {
					t.Errorf("%s%s is gone", lost, id)
				}
				continue
			}
			if inst.quarantine != nil || inst.holds || len(inst.inbox) != inbox+want || inst.hist == 0 && !inst.isEntity() {
				t.Errorf("%s%s after the retry: inbox %d, history %d, %v", lost, id, len(inst.inbox), inst.hist, inst.quarantine)
			}
		}
	}
}
