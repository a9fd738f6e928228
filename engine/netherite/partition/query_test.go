package partition

import (
	"math"
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// runQuery returns up to limit rows behind after, in order.
func runQuery(r Reader, partition int, q *engine.Query, after string, limit int, o *Overlay, stop func() bool) ([]Row, error) {
	var rows []Row
	f := NewResults(r, partition, q, after, o)
	for len(rows) < limit {
		if _, ok, err := f.Head(stop); err != nil || !ok {
			return rows, err
		}
		row, err := f.Take()
		if err != nil {
			return rows, err
		}
		if row != nil {
			rows = append(rows, *row)
		}
	}
	return rows, nil
}

// everything does not bound what comes behind after.
func everything(after string) Bound {
	return Bound{After: after, Rows: math.MaxInt, Bytes: math.MaxInt}
}

// counted counts the rows that are read one by one.
type counted struct {
	Reader
	gets int
}

func (c *counted) Get(main bool, key []byte) ([]byte, error) {
	c.gets++
	return c.Reader.Get(main, key)
}

// Whoever looks for what failed, under a prefix, does not want to wait until all
// that runs was looked at.
func TestRareStatusesAreFoundWithoutReadingTheOthers(t *testing.T) {
	p := newOne(t)
	p.startAll(50)
	p.apply(&Command{Op: OpTerminate, Instance: "i7"})
	p.checkpoint()
	q := &engine.Query{Statuses: []model.Status{model.Failed, model.Terminated}, IDPrefix: "i"}
	r := &counted{Reader: p.store.snapshot()}
	rows, err := runQuery(r, p.id, q, "", 100, p.state.Overlay(q, everything("")), func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Instance.ID != "i7" || r.gets > 1 {
		t.Errorf("%d rows, %d reads, want i7 and one read", len(rows), r.gets)
	}
}

func TestTagWithoutAValueIsFoundByItsNameAlone(t *testing.T) {
	p := newOne(t)
	p.startAll(1)
	for _, tag := range []string{"old", "new"} {
		p.dispatch(1)
		item := p.orchestrations["i0"]
		p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
			Token: item.Token, Events: []model.Event{{Kind: model.ExecutionCompleted, Ext: &model.Ext{Status: model.Failed, Tags: map[string]string{tag: ""}}}},
		}})
		delete(p.orchestrations, "i0")
		p.checkpoint()
		p.apply(&Command{Op: OpRewind, Instance: "i0"}) // so that it ends once more
	}
	if err := Check(p.store, p.config(), func(err error) { t.Error(err) }); err != nil {
		t.Fatal(err)
	}
	for tag, want := range map[string]int{"old": 0, "new": 1} {
		rows, err := runQuery(p.store, 0, &engine.Query{Tags: map[string]string{tag: ""}}, "", 10, &Overlay{}, func() bool { return false })
		if err != nil || len(rows) != want {
			t.Errorf("%d instances have the tag %s, want %d; %v", len(rows), tag, want, err)
		}
	}
}

// Those who ask may do with an answer what they like, while the partition goes on.
func TestNothingOfAnAnswerIsThePartitionsOwn(t *testing.T) {
	failure := model.Failure{Type: "T", Properties: map[string][]byte{"p": nil}, Cause: &model.Failure{Type: "Cause"}}
	inst := &instance{
		id: "i", tags: map[string]string{"a": "b"}, parent: &model.Parent{Instance: "up"}, failure: &failure, quarantine: &failure,
	}
	spoil := func(m *model.Instance) {
		m.Tags["a"], m.Parent.Instance = "mine", "mine"
		for _, f := range []*model.Failure{m.Failure, m.Waits.Quarantine} {
			f.Type, f.Cause.Type, f.Properties["q"] = "mine", "mine", nil
		}
	}
	whole := func(who string, m *model.Instance) {
		f := m.Failure
		if m.Tags["a"] != "b" || m.Parent.Instance != "up" || f.Type != "T" || f.Cause.Type != "Cause" || len(f.Properties) != 1 {
			t.Errorf("%s sees what another one has done with an answer: %+v, %+v", who, m, f)
		}
	}
	was := describe(inst, engine.GetOptions{Waits: true})
	spoil(Copy(was))
	whole("the next one who waits", was)
	spoil(was)
	whole("the partition", describe(inst, engine.GetOptions{Waits: true}))
}

func TestACopyOfAnAnswerHasListsOfItsOwn(t *testing.T) {
	m := &model.Instance{Entity: &model.EntityState{LockQueue: []string{"a"}}, Waits: &model.Waits{
		Tasks: make([]model.WaitTask, 1), Timers: make([]model.WaitTimer, 1), Children: make([]model.WaitChild, 1), Calls: make([]model.WaitCall, 1),
		Locks: []model.WaitLock{{LockSet: []string{"a"}}}, Events: []string{"a"}, Held: make([]model.WaitHeld, 1),
	}}
	c := Copy(m)
	if !reflect.DeepEqual(c, m) {
		t.Fatalf("%+v is no copy of %+v", c, m)
	}
	c.Entity.LockQueue[0], c.Waits.Locks[0].LockSet[0], c.Waits.Events[0] = "b", "b", "b"
	c.Waits.Tasks[0].ID, c.Waits.Timers[0].ID, c.Waits.Children[0].ID, c.Waits.Calls[0].ID, c.Waits.Held[0].Name = 1, 1, 1, 1, "b"
	w := m.Waits
	if m.Entity.LockQueue[0] != "a" || w.Locks[0].LockSet[0] != "a" || w.Events[0] != "a" || w.Held[0].Name != "" ||
		w.Tasks[0].ID+w.Timers[0].ID+w.Children[0].ID+w.Calls[0].ID != 0 {
		t.Errorf("what is done with the copy shows in %+v", w)
	}
}
