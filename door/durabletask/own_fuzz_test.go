package durabletask

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
)

// FuzzExtraOfARequest holds that what a client of this project asks for beyond the
// protocol is within its bounds or refused, and that a query is read again as it was.
// The input is whatever a message has that the protocol does not know.
func FuzzExtraOfARequest(f *testing.F) {
	id := model.ExecutionID{1}
	query, err := json.Marshal(engine.Query{
		Names: []string{"n"}, Statuses: []model.Status{model.Running, model.Failed}, Tags: map[string]string{"a": "b"}, IDPrefix: "i", CreatedFrom: 1, UpdatedTo: 9,
		PageSize: 3, MaxBytes: 4, Token: "t", GetOptions: engine.GetOptions{Payloads: true, Execution: id},
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, x := range []*extra.Request{
		{}, {Key: "k", IfExists: 2}, {IfExists: 1 << 20}, {Whole: true, Waits: true, Fresh: true, Execution: id[:]}, {Execution: id[:3]}, {Query: query}, {Query: []byte("{}")}, {Query: []byte("[")},
	} {
		f.Add(extra.Append(nil, x))
		f.Add(extra.Append([]byte{8, 1}, x))
	}
	f.Fuzz(func(t *testing.T, unknown []byte) {
		fuzztest.Bounded(t, len(unknown), perElement, func() {
			m := &wire.QueryInstancesRequest{}
			m.ProtoReflect().SetUnknown(unknown)
			x := own(m)
			var start engine.StartRequest
			if readStart(&start, x); x != nil && (start.Key != x.GetKey() || uint32(start.IfExists) > x.GetIfExists()) || x == nil && start.IfExists != 0 {
				t.Fatalf("%v is read as %+v", x, start)
			}
			read, err := options(engine.GetOptions{Payloads: true}, x)
			if n := len(x.GetExecution()); (err == nil) != (n == 0 || n == len(read.Execution)) || err == nil && !read.Payloads {
				t.Fatalf("%v is read as %+v, %v", x, read, err)
			}
			queryAgain(t, x)
		})
	})
}

// perElement is by how much a list in JSON grows, an element of which takes two bytes.
const perElement = 100

func queryAgain(t *testing.T, x *extra.Request) {
	t.Helper()
	q, err := readQuery(x)
	if err != nil {
		return
	}
	text, err := json.Marshal(q)
	if err != nil {
		t.Fatal(err)
	}
	again, err := readQuery(&extra.Request{Query: text})
	if d := cmp.Diff(q, again, cmpopts.EquateEmpty()); err != nil || d != "" {
		t.Fatalf("%s is read as something else (%v):\n%s", text, err, d)
	}
}

// FuzzExtraOfAWorker does so for what a worker of this project says: at its beginning,
// of a step, and of an item that it gives back.
func FuzzExtraOfAWorker(f *testing.F) {
	for _, x := range []proto.Message{
		&extra.Worker{Revision: 1, Live: 5, Traces: true}, &extra.Worker{Revision: -1, Live: -5}, &extra.Worker{Revision: 1, Live: -1 << 31},
		&extra.Step{More: true, KeepStatus: true, CancelTimers: []int32{1, -1}, CancelTasks: []int32{2}, Awaits: []string{"n"}},
		&extra.Worker{Revision: 1, Stream: "s"}, &extra.Worker{Revision: 1, Stream: strings.Repeat("s", maxStream+1)}, &extra.Leave{}, &extra.Leave{Stream: "s"},
		&extra.Abandon{After: 5e9}, &extra.Abandon{After: -1}, &extra.Abandon{After: 1<<63 - 1},
	} {
		f.Add(extra.Append(nil, x))
	}
	f.Fuzz(func(t *testing.T, unknown []byte) {
		fuzztest.Bounded(t, len(unknown), perElement, func() {
			asks := &wire.GetWorkItemsRequest{}
			asks.ProtoReflect().SetUnknown(unknown)
			w := &session{}
			if w.readExtra(asks); w.limits.Live < 0 || w.limits.Live > 0 && !w.extras || len(w.stream) > maxStream {
				t.Fatalf("limits %+v, extras %v, stream %q", w.limits, w.extras, w.stream)
			}
			back := &wire.AbandonActivityTaskRequest{}
			back.ProtoReflect().SetUnknown(unknown)
			if d := delayOf(back); d < 0 || d > maxAbandon {
				t.Fatalf("put off for %v", d)
			}
			again := &wire.AbandonActivityTaskRequest{}
			extra.Put(again, &extra.Leave{Stream: leaving(back)})
			if leaving(again) != leaving(back) {
				t.Fatalf("stream %q leaves, or %q", leaving(back), leaving(again))
			}
			stepAgain(t, unknown)
		})
	})
}

func stepAgain(t *testing.T, unknown []byte) {
	t.Helper()
	q := &wire.OrchestratorResponse{}
	q.ProtoReflect().SetUnknown(unknown)
	read := func(q *wire.OrchestratorResponse) *engine.OrchestrationResult {
		r := &engine.OrchestrationResult{SetStatus: true, CustomStatus: []byte("1")}
		readStep(r, q)
		return r
	}
	r := read(q)
	if r.SetStatus != (r.CustomStatus != nil) {
		t.Fatalf("%+v", r)
	}
	said := &wire.OrchestratorResponse{}
	extra.Put(said, &extra.Step{More: r.More, KeepStatus: !r.SetStatus, CancelTimers: r.CancelTimers, CancelTasks: r.CancelTasks, Awaits: r.Awaits})
	if d := cmp.Diff(r, read(said), cmpopts.EquateEmpty()); d != "" {
		t.Fatalf("said again it is read as something else:\n%s", d)
	}
}
