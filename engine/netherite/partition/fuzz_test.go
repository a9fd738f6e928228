package partition

import (
	"errors"
	"reflect"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// FuzzReadChunk holds that any log is refused clearly or decodes to events that
// are the same when they are encoded again.
func FuzzReadChunk(f *testing.F) {
	f.Add(sampleLog())
	for _, ev := range sampleEvents() {
		f.Add(AppendChunk(nil, ChunkHeader{Partition: 1, First: engine.Name{Epoch: 1, Number: 1}, Time: 5}, AppendRecord(nil, ev, 5)))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		r := model.NewReader(log)
		for r.Len() > 0 {
			c, err := ReadChunk(r)
			if err != nil {
				checkRefusal(t, err)
				return
			}
			for {
				in, ok, err := c.Next()
				if err != nil {
					checkRefusal(t, err)
					return
				}
				if !ok {
					break
				}
				again, err := decodeRecord(model.NewReader(AppendRecord(nil, in.Event, c.Time)), c.Time)
				if err != nil || !reflect.DeepEqual(again, in.Event) {
					t.Fatalf("%+v becomes %+v, %v", in.Event, again, err)
				}
			}
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, engine.ErrNewerFormat) {
		t.Fatalf("error %v", err)
	}
}

// FuzzDecodeRows does the same for stored rows of every kind.
func FuzzDecodeRows(f *testing.F) {
	for _, row := range sampleRows(f) {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		if inst, err := decodeRow(3, row); err == nil {
			again, err := decodeRow(3, appendRow(nil, inst))
			if err != nil || !reflect.DeepEqual(again, inst) {
				t.Fatalf("%+v becomes %+v, %v", inst, again, err)
			}
		}
		if e, err := decodeEntry(row, 7); err == nil {
			if again, err := decodeEntry(appendEntry(nil, &e, 7), 7); err != nil || !reflect.DeepEqual(again, e) {
				t.Fatalf("%+v becomes %+v, %v", e, again, err)
			}
		}
		if v, err := decodeTask(row, 7); err == nil {
			if again, err := decodeTask(appendTask(nil, v, 7), 7); err != nil || !reflect.DeepEqual(again, v) {
				t.Fatalf("%+v becomes %+v, %v", v, again, err)
			}
		}
		if v, err := decodeWake(2, row, 7); err == nil {
			if again, err := decodeWake(2, appendWake(nil, v, 7), 7); err != nil || !reflect.DeepEqual(again, v) {
				t.Fatalf("%+v becomes %+v, %v", v, again, err)
			}
		}
		if v, err := decodeChild(2, row); err == nil {
			if again, err := decodeChild(2, appendChild(nil, v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Fatalf("%+v becomes %+v, %v", v, again, err)
			}
		}
		if v, err := decodeSession([16]byte{1}, row); err == nil {
			if again, err := decodeSession([16]byte{1}, appendSession(nil, v)); err != nil || !reflect.DeepEqual(again, v) {
				t.Fatalf("%+v becomes %+v, %v", v, again, err)
			}
		}
		s := New(Config{Partitions: 2})
		if err := s.decodeMeta(row); err != nil && !errors.Is(err, model.ErrMalformed) {
			checkRefusal(t, err)
		}
		if _, err := decodeChunk(nil, row); err != nil && !errors.Is(err, model.ErrMalformed) {
			t.Fatal(err)
		}
	})
}

// sampleRows are the values of a store in which everything occurs.
func sampleRows(f *testing.F) [][]byte {
	h := newTestHub(Config{Partitions: 2}, f.Fatalf)
	p := h.parts[1]
	p.apply(&Start{Client: Client{Session: [16]byte{1}, Seq: 1, Key: "k"}, Request: engine.StartRequest{
		Instance: "a", Name: "N", Version: "v", Input: []byte("x"), Tags: map[string]string{"k": "v"}, Trace: &model.Trace{Parent: "p"}}})
	p.apply(&Start{Request: engine.StartRequest{Instance: "c", Name: "N", At: h.now.Add(5)}})
	p.dispatch(10)
	item := p.orchestrations["a"]
	p.apply(&StepDone{Ord: item.Token.Instance, Handout: item.Token.Name.Number, Result: &engine.OrchestrationResult{
		Token: item.Token, SetStatus: true, CustomStatus: []byte("s"), Awaits: []string{"go"}, More: true,
		Events: []model.Event{
			{Kind: model.TaskScheduled, ID: 1, Name: "T"},
			{Kind: model.TimerCreated, ID: 2, FireAt: h.now.Add(9)},
			{Kind: model.ChildCreated, ID: 3, Name: "C", Instance: "d"},
			{Kind: model.EntityCalled, ID: 4, Instance: "@e@4", Name: "op", RequestID: "r"},
			{Kind: model.EntityLockRequested, ID: 5, RequestID: "S", Ext: &model.Ext{LockSet: []string{"@e@4", "@e@1"}}},
		},
	}})
	p.apply(&Command{Op: OpSuspend, Instance: "a"})
	p.apply(&Quarantined{Instance: Key{ID: "c"}, Reason: &model.Failure{Message: "m"}})
	p.begin()
	p.applied()
	return append(append([][]byte{}, p.store.main.values...), p.store.history.values...)
}
