package partition

import (
	"bytes"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// sampleEvents has an event of every kind, with all of its recorded fields.
func sampleEvents() []Event {
	out := []model.Event{
		{Kind: model.TaskScheduled, ID: 1, Time: epochTime, Name: "T", Payload: []byte("x"), Ext: &model.Ext{Call: 1}},
		{Kind: model.TimerCreated, ID: 2, Time: epochTime, FireAt: epochTime.Add(time.Hour)},
	}
	failure := &model.Failure{Type: "Oops", Message: "m"}
	trace := &model.Trace{Parent: "00-1-2-01"}
	client := Client{Session: [16]byte{1, 2}, Seq: 77, Floor: 70, Key: "k"}
	return []Event{
		&Opened{Epoch: 3},
		&Start{Client: client, Request: engine.StartRequest{Instance: "a", Name: "N", Version: "v", Input: []byte{}, At: epochTime.Add(time.Second), Tags: map[string]string{"k": "v"}, Trace: trace}},
		&Start{Request: engine.StartRequest{Instance: "a", Name: "N"}},
		&Command{Client: client, Op: OpSignal, Instance: "@e@1", Name: "op", Payload: []byte("p"), At: epochTime, Trace: trace},
		&Command{Client: Client{Key: "k"}, Op: OpPurge, Instance: "a", Recursive: true},
		&StepDone{Ord: 7, Consumed: 3, Result: &engine.OrchestrationResult{
			Now: epochTime, Events: out, SetStatus: true, CustomStatus: []byte("s"), More: true,
			CancelTimers: []int32{2, 3}, CancelTasks: []int32{1}, Terminate: []engine.TerminateRequest{{Instance: "b", Output: []byte("o"), Recursive: true}},
			Awaits: []string{"go"}, Rewound: out,
		}},
		&StepDone{Ord: 7, Result: &engine.OrchestrationResult{Now: epochTime, SetStatus: true}},
		&EntityDone{Ord: 9, Result: &engine.EntityResult{Now: epochTime, Results: []engine.OperationResult{{Output: []byte("o")}, {Failure: failure}, {}}, State: []byte{}, Events: out[:1]}},
		&EntityDone{Ord: 9, Result: &engine.EntityResult{Now: epochTime, Results: []engine.OperationResult{{}}}},
		&TaskDone{Ord: 7, Task: 1, Result: []byte("r")},
		&TaskDone{Ord: 7, Task: 1, Failure: failure},
		&Received{Origin: 2, First: 5, Messages: []*model.Message{{To: "a", From: "b", ToExecution: model.ExecutionID{1}, Event: out[0]}, {To: "@e@1", Event: out[1]}}},
		&Acked{Dest: 2, Through: 9},
		&TimersFired{Timers: []TimerRef{{epochTime, 7, 2}, {epochTime.Add(1), 7, wakeBase}}},
		&Purged{Ords: []uint64{1, 2, 300}},
		&Cleaned{Empty: []uint64{4}, Orphans: []Orphan{{9, "S#1"}}},
		&QuarantinedV1{Instance: Key{ID: "a"}, Reason: failure, Origin: 1, Through: 4},
		&QuarantinedV1{Instance: Key{Ord: 4}, Reason: failure},
		&Quarantined{Instance: Key{Ord: 4}, Reason: failure},
		&Quarantined{Instance: Key{ID: "a"}, Reason: failure, Origin: 1, Through: 4, Input: &Received{Origin: 1, First: 4, Messages: []*model.Message{{To: "a", From: "b", Event: out[0]}}}},
		&Quarantined{Instance: Key{Ord: 4}, Reason: failure, Input: &TaskDone{Ord: 4, Task: 1, Result: []byte("r")}},
		&Quarantined{Instance: Key{Ord: 4}, Reason: failure, Input: &TimersFired{Timers: []TimerRef{{epochTime, 4, 2}}}},
	}
}

func TestRecordsDecodeToWhatWasEncoded(t *testing.T) {
	var records []byte
	for _, ev := range sampleEvents() {
		records = AppendRecord(records, ev, epochTime)
	}
	first := engine.Name{Epoch: 3, Number: 11}
	chunk := AppendChunk(nil, ChunkHeader{Partition: 5, First: first, Time: epochTime}, records)
	for name, r := range map[string]*model.Reader{"copying": model.NewReader(chunk), "owned": model.NewOwnedReader(chunk)} {
		c, err := ReadChunk(r)
		if err != nil {
			t.Fatal(err)
		}
		if c.Partition != 5 || c.Time != epochTime {
			t.Errorf("%s: header %+v", name, c.ChunkHeader)
		}
		for i, want := range sampleEvents() {
			in, ok, err := c.Next()
			if err != nil || !ok {
				t.Fatalf("%s: record %d: %t, %v", name, i, ok, err)
			}
			if !reflect.DeepEqual(in.Event, want) {
				t.Errorf("%s: record %d:\n got %+v\nwant %+v", name, i, in.Event, want)
			}
			if at := (engine.Name{Epoch: 3, Number: 11 + uint64(i)}); in.Name != at || in.Time != epochTime {
				t.Errorf("%s: record %d is named %v at %v", name, i, in.Name, in.Time)
			}
		}
		if _, ok, err := c.Next(); ok || err != nil {
			t.Errorf("%s: after the last record: %t, %v", name, ok, err)
		}
		if r.Len() != 0 {
			t.Errorf("%s: %d bytes left", name, r.Len())
		}
	}
}

// readAll reads a log of chunks to its end.
func readAll(log []byte) (n int, err error) {
	r := model.NewReader(log)
	for r.Len() > 0 {
		c, err := ReadChunk(r)
		if err != nil {
			return n, err
		}
		for {
			_, ok, err := c.Next()
			if err != nil {
				return n, err
			}
			if !ok {
				break
			}
			n++
		}
	}
	return n, nil
}

func sampleLog() (log []byte) {
	for i, ev := range sampleEvents() {
		h := ChunkHeader{Partition: i % 3, First: engine.Name{Epoch: 1, Number: uint64(i)}, Time: epochTime}
		log = AppendChunk(log, h, AppendRecord(nil, ev, epochTime))
	}
	return log
}

func TestTruncatedLogIsAnErrorAtItsEnd(t *testing.T) {
	log := sampleLog()
	want := len(sampleEvents())
	for n := range log {
		got, err := readAll(log[:n])
		if err == nil && got >= want {
			t.Fatalf("cut at %d of %d: all %d records read", n, len(log), got)
		}
		if err != nil && !errors.Is(err, model.ErrMalformed) {
			t.Fatalf("cut at %d: error %v", n, err)
		}
	}
}

func TestCorruptedLogNeverPanics(t *testing.T) {
	log := sampleLog()
	for i := range log {
		for _, flip := range []byte{0x01, 0x80, 0xff} {
			bad := bytes.Clone(log)
			bad[i] ^= flip
			if _, err := readAll(bad); err != nil && !errors.Is(err, model.ErrMalformed) && !errors.Is(err, engine.ErrNewerFormat) {
				t.Fatalf("byte %d ^ %#x: error %v", i, flip, err)
			}
		}
	}
}

func TestNewerStepVersionIsRefusedByName(t *testing.T) {
	b := model.AppendUvarint(nil, Version+1)
	_, err := ReadChunk(model.NewReader(append(b, sampleLog()[1:]...)))
	if !errors.Is(err, engine.ErrNewerFormat) || !strings.Contains(err.Error(), "step version 3") {
		t.Errorf("error %v", err)
	}
}

func TestUnknownRecordsAreNamed(t *testing.T) {
	op := AppendRecord(nil, &Command{Op: 99, Instance: "a"}, epochTime)
	id := append(model.AppendVarint(model.AppendUvarint([]byte{byte(KindTaskDone)}, 7), 1<<40), 0, 0)
	tests := map[string]struct {
		record []byte
		want   string
	}{
		"kind":      {[]byte{99}, "unknown record kind 99"},
		"command":   {op, "unknown command 99"},
		"number":    {id, "beyond 32 bits"},
		"cut":       {[]byte{byte(KindAcked), 1}, "end of input"},
		"partition": {model.AppendUvarint(model.AppendUvarint([]byte{byte(KindAcked)}, 1<<40), 1), "partition"},
	}
	for name, tt := range tests {
		c, err := ReadChunk(model.NewReader(AppendChunk(nil, ChunkHeader{Partition: 4, First: engine.Name{Epoch: 2, Number: 9}}, tt.record)))
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = c.Next()
		if !errors.Is(err, model.ErrMalformed) || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "record 9 of epoch 2, partition 4") {
			t.Errorf("%s: error %v", name, err)
		}
	}
}
