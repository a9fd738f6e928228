package partition

import (
	"bytes"
	"errors"
	"math"
	"testing"
	"unsafe"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// growth is that of lists of events, the largest of what is decoded.
var growth = fuzztest.PerElement(unsafe.Sizeof(model.Event{})+unsafe.Sizeof(model.Ext{}), 2)

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	if !errors.Is(err, engine.ErrDamaged) && !errors.Is(err, model.ErrMalformed) && !errors.Is(err, engine.ErrNewerFormat) {
		t.Fatalf("error %v", err)
	}
}

// FuzzReadChunk holds that any log is refused clearly or is the one encoding of
// the events that it decodes to.
func FuzzReadChunk(f *testing.F) {
	f.Add(sampleLog())
	for _, ev := range sampleEvents() {
		f.Add(AppendChunk(nil, ChunkHeader{Partition: 1, First: engine.Name{Epoch: 1, Number: 1}, Time: 5}, AppendRecord(nil, ev, 5)))
	}
	f.Fuzz(func(t *testing.T, log []byte) {
		fuzztest.Bounded(t, len(log), growth, func() {
			var again []byte
			r := model.NewReader(log)
			for r.Len() > 0 {
				records, h, err := chunkAgain(r)
				if err != nil {
					checkRefusal(t, err)
					return
				}
				if again = AppendChunk(again, h, records); !bytes.Equal(again, log[:r.Offset()]) {
					t.Fatalf("%x decodes to what encodes as %x", log[:r.Offset()], again)
				}
			}
		})
	})
}

// chunkAgain reads a chunk and encodes its records again.
func chunkAgain(r *model.Reader) (records []byte, h ChunkHeader, err error) {
	c, err := ReadChunk(r)
	if err != nil {
		return nil, h, err
	}
	h = c.ChunkHeader
	for {
		in, ok, err := c.Next()
		if err != nil || !ok {
			return records, h, err
		}
		records = AppendRecord(records, in.Event, c.Time)
	}
}

// rowKinds are the kinds of rows; each decodes a row and encodes it again.
var rowKinds = map[string]func(row []byte) (again []byte, err error){
	"instance": func(row []byte) ([]byte, error) {
		inst, err := decodeRow(3, row)
		if err != nil {
			return nil, err
		}
		return appendRow(nil, inst), nil
	},
	"entry": func(row []byte) ([]byte, error) {
		e, err := decodeEntry(row, 7)
		return appendEntry(nil, &e, 7), err
	},
	"held": func(row []byte) ([]byte, error) {
		h, err := decodeHeld(row, 7)
		return appendHeld(nil, &h, 7), err
	},
	"task": func(row []byte) ([]byte, error) {
		v, err := decodeTask(row, 7)
		if err != nil {
			return nil, err
		}
		return appendTask(nil, v, 7), nil
	},
	"wake": func(row []byte) ([]byte, error) {
		v, err := decodeWake(2, row, 7)
		if err != nil {
			return nil, err
		}
		return appendWake(nil, v, 7), nil
	},
	"child": func(row []byte) ([]byte, error) {
		v, err := decodeChild(2, row)
		if err != nil {
			return nil, err
		}
		return appendChild(nil, v), nil
	},
	"outbox": func(row []byte) ([]byte, error) {
		m, err := decodeOutbox(row)
		return appendOutbox(nil, &m), err
	},
	"session": func(row []byte) ([]byte, error) {
		v, err := decodeSession([16]byte{1}, row)
		if err != nil {
			return nil, err
		}
		return appendSession(nil, v), nil
	},
	"key": func(row []byte) ([]byte, error) {
		v, err := decodeRequestKey("k", row)
		if err != nil {
			return nil, err
		}
		return appendRequestKey(nil, v), nil
	},
	"meta": func(row []byte) ([]byte, error) {
		s := New(Config{Partitions: 2})
		err := s.decodeMeta(row)
		again := s.appendMeta(nil)
		if err == nil && row[0] == rowVersion1 {
			again[0] = rowVersion1 // version 2 is about other rows
		}
		return again, err
	},
	"history": func(row []byte) ([]byte, error) {
		events, err := decodeChunk(nil, row)
		if err != nil {
			return nil, err
		}
		s, inst := New(Config{Partitions: 2}), &instance{}
		for i := range events {
			s.record(inst, &events[i])
		}
		return inst.tail.buf, nil
	},
}

// FuzzDecodeRows holds that a row of any kind is refused clearly or is the one
// encoding of what it decodes to.
func FuzzDecodeRows(f *testing.F) {
	for _, row := range append(sampleRows(f.Fatalf).main.values, sampleRows(f.Fatalf).history.values...) {
		f.Add(row)
	}
	f.Fuzz(func(t *testing.T, row []byte) {
		for kind, again := range rowKinds { // order-free: each on its own
			fuzztest.Bounded(t, len(row), growth, func() {
				out, err := again(bytes.Clone(row))
				if err != nil {
					checkRefusal(t, err)
				} else if !bytes.Equal(out, row) {
					t.Fatalf("%s %x decodes to what encodes as %x", kind, row, out)
				}
			})
		}
	})
}

// FuzzStoredState holds that a partition reads any store, or refuses it clearly:
// all that recovery and queries read, from a store in which rows have been added,
// cut, overwritten, or have lost a piece of their key. Each five bytes of the edits
// change a row: which of the spaces and rows, what is done to it, and where.
func FuzzStoredState(f *testing.F) {
	f.Add([]byte{})
	for op := range byte(5) {
		f.Add([]byte{0, 1, op, 3, 0xff, 1, 0, op, 9, 1, 0, 7, op, 12, 0x80})
	}
	sample := sampleRows(f.Fatalf)
	f.Fuzz(func(t *testing.T, edits []byte) {
		edits = edits[:min(len(edits), 200)]
		store := sample.snapshot()
		for ; len(edits) >= 5; edits = edits[5:] {
			editRow(store.space(edits[0]%2 == 0), edits[1:5])
		}
		fuzztest.Bounded(t, 0, 0, func() { readAllOf(t, store) })
	})
}

// editRow changes a row of a space.
func editRow(p *space, edit []byte) {
	if len(p.keys) == 0 {
		return
	}
	i := int(edit[0]) % len(p.keys)
	key, value := bytes.Clone(p.keys[i]), bytes.Clone(p.values[i])
	p.deleteRange(key, append(bytes.Clone(key), 0))
	where := int(edit[2])
	switch edit[1] % 5 {
	case 0: // it is gone
		return
	case 1:
		key = key[:min(len(key), max(3, where%(len(key)+1)))]
	case 2:
		key = append(key, edit[3])
	case 3:
		value = value[:where%(len(value)+1)]
	case 4:
		if len(value) > 0 {
			value[where%len(value)] ^= edit[3]
		}
	}
	p.set(key, value)
}

// readAllOf reads what recovery and queries read.
func readAllOf(t *testing.T, r Reader) {
	t.Helper()
	cfg := Config{Partition: 1, Partitions: 2}
	meta, err := FetchMeta(r, cfg)
	if err != nil {
		checkRefusal(t, err)
		return
	}
	s := New(cfg)
	s.InstallMeta(meta)
	refs, _, err := FetchTimers(r, 1, 0, model.Time(1<<62), 1000)
	if err != nil {
		checkRefusal(t, err)
		refs = nil
	}
	keys := []Key{{ID: "a"}, {ID: "c"}, {ID: "d"}, {ID: "@e@4"}}
	for _, ref := range refs {
		keys = append(keys, Key{Ord: ref.Ord})
	}
	ords, _, err := ScanActive(r, 1, 0, 1000)
	if err != nil {
		checkRefusal(t, err)
	}
	for _, ord := range ords {
		keys = append(keys, Key{Ord: ord})
	}
	for _, k := range keys {
		loaded, err := Fetch(r, 1, k)
		if err != nil {
			checkRefusal(t, err)
			continue
		}
		s.Install(loaded)
		if loaded.inst == nil || s.byOrd[loaded.inst.ord] == nil {
			continue
		}
		h, _ := s.HistoryOf(Key{Ord: loaded.inst.ord})
		if _, err := FetchHistory(r, 1, h); err != nil {
			checkRefusal(t, err)
		}
	}
	for _, q := range []engine.Query{{}, {Entities: true}, {Names: []string{"N"}}, {Tags: map[string]string{"k": "v"}}, {Statuses: []model.Status{model.Running}, GetOptions: engine.GetOptions{Waits: true}}} {
		if _, err := runQuery(r, 1, &q, "", math.MaxInt, s.Overlay(&q, everything("")), func() bool { return false }); err != nil {
			checkRefusal(t, err)
		}
	}
}

// sampleRows is a store in which everything occurs.
func sampleRows(fatalf func(string, ...any)) *rowStore {
	h := newTestHub(Config{Partitions: 2}, fatalf)
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
	p.apply(&QuarantinedV1{Instance: Key{ID: "c"}, Reason: &model.Failure{Message: "m"}})
	p.apply(&Quarantined{Instance: Key{ID: "a"}, Reason: &model.Failure{Message: "m"}})
	p.apply(&Command{Op: OpRaise, Instance: "a", Name: "held", Payload: []byte("h")})
	p.begin()
	p.applied()
	return p.store
}
