package bench

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/model"
)

func TestHistoriesAreChecked(t *testing.T) {
	in := func(k model.Kind, ref int32) model.Event { return model.Event{Kind: k, ID: model.NoID, Ref: ref} }
	out := func(k model.Kind, id int32) model.Event { return model.Event{Kind: k, ID: id} }
	call := model.Event{Kind: model.EntityCalled, ID: 0, RequestID: "7"}
	answer := model.Event{Kind: model.EntityResponded, ID: model.NoID, RequestID: "7"}
	begin := []model.Event{in(model.OrchestratorStarted, 0), in(model.ExecutionStarted, 0)}
	for _, c := range []struct {
		name, because string
		events        []model.Event
	}{
		{"whole", "", []model.Event{out(model.TaskScheduled, 0), out(model.TimerCreated, 1), in(model.TaskCompleted, 0), in(model.TimerFired, 1), out(model.ExecutionCompleted, 2)}},
		{"answered twice", "TaskCompleted answers #0", []model.Event{out(model.TaskScheduled, 0), in(model.TaskCompleted, 0), in(model.TaskCompleted, 0), out(model.ExecutionCompleted, 1)}},
		{"never asked for", "answers #7", []model.Event{in(model.TaskCompleted, 7), out(model.ExecutionCompleted, 0)}},
		{"answered by the wrong kind", "TimerFired answers #0", []model.Event{out(model.TaskScheduled, 0), in(model.TimerFired, 0), out(model.ExecutionCompleted, 1)}},
		{"asked for twice", "ID 0 after 0", []model.Event{out(model.TaskScheduled, 0), out(model.TaskScheduled, 0), out(model.ExecutionCompleted, 1)}},
		{"never answered", "TaskScheduled #0 was never answered", []model.Event{out(model.TaskScheduled, 0), out(model.ExecutionCompleted, 1)}},
		{"timer cancelled", "", []model.Event{out(model.TimerCreated, 0), out(model.ExecutionCompleted, 1)}},
		{"call never answered", "never answered", []model.Event{call, out(model.ExecutionCompleted, 1)}},
		{"call answered", "", []model.Event{call, answer, out(model.ExecutionCompleted, 1)}},
		{"call answered twice", "EntityOperationCompleted answers request", []model.Event{call, answer, answer, out(model.ExecutionCompleted, 1)}},
		{"call answered by a lock", "EntityLockGranted answers request", []model.Event{call, {Kind: model.EntityLockGranted, ID: model.NoID, RequestID: "7"}, out(model.ExecutionCompleted, 1)}},
		{"without an end", "it ends with", []model.Event{out(model.TaskScheduled, 0)}},
		{"empty", "it does not begin", nil},
	} {
		err := checkHistory(append(begin[:2:2], c.events...))
		if c.because == "" && err != nil || c.because != "" && (err == nil || !strings.Contains(err.Error(), c.because)) {
			t.Errorf("%s: %v, want %q", c.name, err, c.because)
		}
	}
	if err := checkHistory([]model.Event{in(model.ExecutionStarted, 0), in(model.OrchestratorStarted, 0), out(model.ExecutionCompleted, 0)}); err == nil {
		t.Error("a history that begins with the wrong event passes")
	}
}

func TestBooksAreChecked(t *testing.T) {
	var b books
	for range bankAccounts {
		if err := b.add("a", BankAccount{Balance: bankOpening, In: bankOpening + 5, Out: 5}); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.check(); err != nil || b.in != bankAccounts*(bankOpening+5) {
		t.Errorf("%+v: %v", b, err)
	}
	for _, bad := range []BankAccount{{Balance: -1, Out: 1}, {Balance: 5, In: 6}, {Balance: 5, In: 5, Out: 1}} {
		if b.add("a", bad) == nil {
			t.Errorf("account %+v passes", bad)
		}
	}
	b.balance++
	if b.check() == nil {
		t.Error("money out of nothing passes")
	}
}

func TestCollisionsAreChecked(t *testing.T) {
	r := Range{First: collisionFirst + 1_400_000, Count: collisionLeaf}
	found := search(r)
	if !slices.Equal(found, []int64{100000001495293, 100000002164381}) {
		t.Fatalf("found %v", found)
	}
	for _, n := range found {
		if n < r.First || n >= r.First+r.Count || hashDecimal(n)&collisionMask != hashDecimal(collisionTarget)&collisionMask {
			t.Errorf("%d is no collision", n)
		}
	}
	if err := (searched{r, found}).check(); err != nil {
		t.Error(err)
	}
	for _, bad := range [][]int64{nil, found[1:], append(found[:1:1], found...)} {
		if (searched{r, bad}).check() == nil {
			t.Errorf("%v passes for %v", bad, found)
		}
	}
	var total int64
	r.Count = 5*collisionLeaf/2 + 1
	for _, p := range r.split(10) {
		total += p.Count
	}
	if total != r.Count {
		t.Errorf("the parts of a range of %d have %d", r.Count, total)
	}
}

func TestAuditFindsWhatIsWrong(t *testing.T) {
	w := Work{Dir: t.TempDir(), Run: "run", N: 40, Hello: true}
	var report strings.Builder
	if err := w.UntilKilled(t.Context(), &report); err != nil {
		t.Fatal(err)
	}
	ledger := func() *Ledger {
		l := &Ledger{}
		for line := range strings.Lines(report.String()) {
			l.Note(strings.TrimSuffix(line, "\n"))
		}
		l.Note("nonsense")
		l.Note("f half")
		return l
	}
	whole := ledger()
	if len(whole.Acknowledged) != w.N || len(whole.Finished) != w.N || whole.Unfinished() != 0 {
		t.Fatalf("%d acknowledged, %d finished", len(whole.Acknowledged), len(whole.Finished))
	}
	delete(whole.Finished, "run-3")
	after, err := w.Audit(t.Context(), whole, 0)
	if err != nil || after.Instances != w.N || after.Recovered != 1 || after.Total != bankAccounts*bankOpening || after.Moved == 0 {
		t.Fatalf("%+v, %v", after, err)
	}
	lost, changed := ledger(), ledger()
	lost.Note("a run-1000")
	changed.Note("f run-2 false")
	hub, err := netherite.Open(w.Dir, netherite.Serve(crashHandlers()...))
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []struct {
		because string
		ledger  *Ledger
		before  int64
	}{
		{"run-1000 was acknowledged and is lost", lost, 0},
		{"run-2 had finished with false", changed, 0},
		{"the accounts were paid", ledger(), 1},
	} {
		if _, err := w.audit(t.Context(), hub, c.ledger, c.before); err == nil || !strings.Contains(err.Error(), c.because) {
			t.Errorf("%v, want %q", err, c.because)
		}
	}
}
