package durabletask_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

func ids(list []*wire.OrchestrationState) (out []string) {
	for _, s := range list {
		out = append(out, s.GetInstanceId())
	}
	return out
}

// query reads all pages and counts them.
func (r *rig) query(q *wire.InstanceQuery) (all []*wire.OrchestrationState, pages int) {
	r.t.Helper()
	for {
		p := must(r.QueryInstances(r.ctx, &wire.QueryInstancesRequest{Query: q}))(r.t)
		all = append(all, p.GetOrchestrationState()...)
		if pages++; p.GetContinuationToken().GetValue() == "" {
			return all, pages
		}
		q.ContinuationToken = p.GetContinuationToken()
	}
}

// ten starts a0..a4 and b0..b4, a minute apart, and ends those with an even number.
func ten(r *rig, w *worker) {
	for _, p := range []string{"a", "b"} {
		for i := range 5 {
			r.clock.Advance(time.Minute)
			id := fmt.Sprint(p, i)
			r.start(id, "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text("in") })
			step := w.step(id)
			switch i {
			case 0, 2:
				w.answer(step, end(0, "out"))
			case 4:
				w.answer(step, failing(0, &wire.TaskFailureDetails{ErrorMessage: "bad"}))
			default:
				w.answer(step)
			}
		}
	}
	for _, id := range []string{"a0", "a2", "b0", "b2"} {
		r.ended(id, completed)
	}
	r.ended("a4", failed)
	r.ended("b4", failed)
}

func TestQueriesFilterAndGoOnWhereTheyStopped(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	begin := r.clock.Wall()
	ten(r, w)
	r.signal("@e@1", "add", "")
	w.applied(w.batch("@e@1"), "1", "")
	minute := func(n int) *timestamppb.Timestamp { return timestamppb.New(begin.Add(time.Duration(n) * time.Minute)) }
	far := timestamppb.New(time.Date(1, 1, 1, 0, 0, 0, 0, time.UTC))
	for what, c := range map[string]struct {
		q    *wire.InstanceQuery
		want string
	}{
		"all":      {&wire.InstanceQuery{}, "a0 a1 a2 a3 a4 b0 b1 b2 b3 b4"},
		"pages":    {&wire.InstanceQuery{MaxInstanceCount: 3}, "a0 a1 a2 a3 a4 b0 b1 b2 b3 b4"},
		"status":   {&wire.InstanceQuery{RuntimeStatus: []wire.OrchestrationStatus{failed, terminated}}, "a4 b4"},
		"statuses": {&wire.InstanceQuery{RuntimeStatus: []wire.OrchestrationStatus{failed, running}, MaxInstanceCount: 1}, "a1 a3 a4 b1 b3 b4"},
		"from":     {&wire.InstanceQuery{CreatedTimeFrom: minute(9)}, "b3 b4"},
		"to":       {&wire.InstanceQuery{CreatedTimeTo: minute(3)}, "a0 a1"},
		"window":   {&wire.InstanceQuery{CreatedTimeFrom: minute(3), CreatedTimeTo: minute(5)}, "a2 a3"},
		"for ever": {&wire.InstanceQuery{CreatedTimeFrom: far, CreatedTimeTo: timestamppb.New(time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC))}, "a0 a1 a2 a3 a4 b0 b1 b2 b3 b4"},
		"before":   {&wire.InstanceQuery{CreatedTimeTo: far}, ""},
		"prefix":   {&wire.InstanceQuery{InstanceIdPrefix: text("b"), MaxInstanceCount: 2}, "b0 b1 b2 b3 b4"},
		"both":     {&wire.InstanceQuery{InstanceIdPrefix: text("b"), RuntimeStatus: []wire.OrchestrationStatus{completed}, CreatedTimeFrom: minute(8)}, "b2"},
		"hubs":     {&wire.InstanceQuery{TaskHubNames: []*wrapperspb.StringValue{text("other")}, InstanceIdPrefix: text("a0")}, "a0"},
		"none":     {&wire.InstanceQuery{InstanceIdPrefix: text("c")}, ""},
		"entity":   {&wire.InstanceQuery{InstanceIdPrefix: text("@")}, ""},
	} {
		limit := int(c.q.MaxInstanceCount)
		got, pages := r.query(c.q)
		if s := strings.Join(ids(got), " "); s != c.want {
			t.Errorf("%s: %s, want %s", what, s, c.want)
		}
		if limit > 0 && pages < (len(got)+limit-1)/limit {
			t.Errorf("%s: %d instances in %d pages", what, len(got), pages)
		}
		for _, s := range got {
			if s.GetInput() != nil || s.GetOutput() != nil || s.GetCreatedTimestamp() == nil || s.GetLastUpdatedTimestamp() == nil {
				t.Errorf("%s: %v", what, s)
			}
		}
	}
	with, _ := r.query(&wire.InstanceQuery{FetchInputsAndOutputs: true, InstanceIdPrefix: text("a0")})
	if with[0].GetInput().GetValue() != "in" || with[0].GetOutput().GetValue() != "out" {
		t.Errorf("%v", with)
	}
	for _, q := range []*wire.InstanceQuery{{ContinuationToken: text("forged")}, {RuntimeStatus: []wire.OrchestrationStatus{77}}, {InstanceIdPrefix: text(strings.Repeat("x", 300))}} {
		_, err := r.QueryInstances(r.ctx, &wire.QueryInstancesRequest{Query: q})
		wantCode(t, codes.InvalidArgument, err)
	}
	if got := must(r.QueryInstances(r.ctx, &wire.QueryInstancesRequest{}))(t); len(got.GetOrchestrationState()) != 10 {
		t.Errorf("%v", got)
	}
}

func TestIDsAreListedInTheOrderInWhichTheyEnded(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	begin := r.clock.Wall()
	held := map[string]*wire.WorkItem{}
	for i := range 9 {
		id := fmt.Sprint("x", i)
		r.start(id, "Tour")
		held[id] = w.step(id)
	}
	r.start("live", "Tour")
	for _, i := range []int{5, 1, 8, 0, 3, 7, 2, 6, 4} {
		if i%2 == 1 {
			r.clock.Advance(time.Minute)
		}
		id := fmt.Sprint("x", i)
		w.answer(held[id], end(0, ""))
		r.ended(id, completed)
	}
	want := []string{"x5", "x0", "x1", "x8", "x3", "x2", "x4", "x6", "x7"} // by minute, and then by ID
	at := map[string]int{"x5": 1, "x1": 2, "x8": 2, "x0": 2, "x3": 3, "x7": 4, "x2": 4, "x6": 4, "x4": 4}
	slices.SortFunc(want, func(a, b string) int { return (at[a]-at[b])*100 + strings.Compare(a, b) })
	for _, size := range []int32{0, 1, 2, 4, 1000, -1} {
		var got []string
		for key := (*wrapperspb.StringValue)(nil); ; {
			p := must(r.ListInstanceIds(r.ctx, &wire.ListInstanceIdsRequest{PageSize: size, LastInstanceKey: key}))(t)
			if size > 0 && len(p.GetInstanceIds()) > int(size) {
				t.Errorf("a page of %d IDs, want %d", len(p.GetInstanceIds()), size)
			}
			got = append(got, p.GetInstanceIds()...)
			if key = p.GetLastInstanceKey(); key == nil {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %v, want %v", size, got, want)
		}
	}
	window := must(r.ListInstanceIds(r.ctx, &wire.ListInstanceIdsRequest{
		CompletedTimeFrom: timestamppb.New(begin.Add(2 * time.Minute)), CompletedTimeTo: timestamppb.New(begin.Add(4 * time.Minute)),
	}))(t)
	if got := strings.Join(window.GetInstanceIds(), " "); got != "x0 x1 x8 x3" {
		t.Errorf("window: %s", got)
	}
	for _, s := range []wire.OrchestrationStatus{running, failed} {
		if p := must(r.ListInstanceIds(r.ctx, &wire.ListInstanceIdsRequest{RuntimeStatus: []wire.OrchestrationStatus{s}}))(t); len(p.GetInstanceIds()) > 0 {
			t.Errorf("%s: %v", s, p)
		}
	}
	for _, key := range []string{"x", "!", strings.Repeat("A", 1<<20)} {
		_, err := r.ListInstanceIds(r.ctx, &wire.ListInstanceIdsRequest{LastInstanceKey: text(key)})
		wantCode(t, codes.InvalidArgument, err)
	}
}

func TestPurgeForgetsWhatHasEnded(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	begin := r.clock.Wall()
	ten(r, w)
	purge := func(q *wire.PurgeInstancesRequest) int32 {
		t.Helper()
		return must(r.PurgeInstances(r.ctx, q))(t).GetDeletedInstanceCount()
	}
	one := func(id string) *wire.PurgeInstancesRequest {
		return &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: id}, IsOrchestration: true}
	}
	for id, want := range map[string]int32{"a1": 0, "none": 0, "a0": 1} {
		if n := purge(one(id)); n != want {
			t.Errorf("purge of %s: %d", id, n)
		}
	}
	if n := purge(&wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceBatch{InstanceBatch: &wire.InstanceBatch{InstanceIds: []string{"a2", "a1", "none", "a4"}}}}); n != 2 {
		t.Errorf("batch: %d", n)
	}
	filter := func(f *wire.PurgeInstanceFilter) *wire.PurgeInstancesRequest {
		return &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_PurgeInstanceFilter{PurgeInstanceFilter: f}}
	}
	if n := purge(filter(&wire.PurgeInstanceFilter{RuntimeStatus: []wire.OrchestrationStatus{running}})); n != 0 {
		t.Errorf("living ones: %d", n)
	}
	if n := purge(filter(&wire.PurgeInstanceFilter{CreatedTimeTo: timestamppb.New(begin.Add(7 * time.Minute)), RuntimeStatus: []wire.OrchestrationStatus{completed}})); n != 1 {
		t.Errorf("window: %d", n) // b0
	}
	if n := purge(filter(&wire.PurgeInstanceFilter{Timeout: durationpb.New(-time.Hour)})); n != 2 {
		t.Errorf("rest: %d", n) // b2, b4
	}
	left, _ := r.query(&wire.InstanceQuery{})
	if got := strings.Join(ids(left), " "); got != "a1 a3 b1 b3" {
		t.Errorf("left: %s", got)
	}
	// With children.
	r.start("p", "Tour")
	w.answer(w.step("p"), child(0, "c", "Child"))
	w.answer(w.step("c"), end(0, ""))
	w.answer(w.step("p"), end(1, ""))
	r.ended("p", completed)
	recursive := one("p")
	recursive.Recursive = true
	if n := purge(recursive); n < 1 {
		t.Errorf("recursive: %d", n)
	}
	for deadline := time.Now().Add(patience); ; { // the child follows by itself
		if s := must(r.GetInstance(r.ctx, &wire.GetInstanceRequest{InstanceId: "c"}))(t); !s.GetExists() {
			break
		} else if time.Now().After(deadline) {
			t.Fatalf("%v", s)
		}
	}
	for _, q := range []*wire.PurgeInstancesRequest{
		{}, one(""), one("a/b"), one(strings.Repeat("x", 300)),
		{Request: &wire.PurgeInstancesRequest_InstanceBatch{InstanceBatch: &wire.InstanceBatch{InstanceIds: make([]string, 501)}}},
		filter(&wire.PurgeInstanceFilter{RuntimeStatus: []wire.OrchestrationStatus{99}}),
	} {
		_, err := r.PurgeInstances(r.ctx, q)
		wantCode(t, codes.InvalidArgument, err)
	}
}

func TestSkippedTerminationsAreNamed(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	r.start("done", "Tour")
	w.answer(w.step("done"), end(0, ""))
	r.ended("done", completed)
	r.start("locker", "Tour")
	w.answer(w.step("locker"), lock(0, guid(1), "@e@1"))
	w.answer(w.step("locker"))
	r.start("live", "Tour")
	w.answer(w.step("live"))
	r.start("new", "Tour")
	got := must(r.SkipGracefulOrchestrationTerminations(r.ctx, &wire.SkipGracefulOrchestrationTerminationsRequest{
		InstanceBatch: &wire.InstanceBatch{InstanceIds: []string{"done", "locker", "live", "new", "none", "@e@1", "a/b"}}, Reason: text("why"),
	}))(t).GetUnterminatedInstanceIds()
	if want := []string{"done", "locker", "none", "@e@1", "a/b"}; !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	for _, id := range []string{"live", "new"} {
		r.ended(id, terminated)
	}
	_, err := r.SkipGracefulOrchestrationTerminations(r.ctx, &wire.SkipGracefulOrchestrationTerminationsRequest{InstanceBatch: &wire.InstanceBatch{InstanceIds: make([]string, 501)}})
	wantCode(t, codes.InvalidArgument, err)
}

func TestEntitiesAreQueriedAndCleaned(t *testing.T) {
	r := openVirtual(t)
	w := r.work(everything())
	begin := r.clock.Wall()
	for i := range 5 {
		r.clock.Advance(time.Minute)
		id := fmt.Sprint("@counter@", i)
		r.signal(id, "add", "")
		w.applied(w.batch(id), fmt.Sprint(i), "")
		if _, err := r.hub.Engine().Get(r.ctx, id, engine.GetOptions{Fresh: true}); err != nil { // it is applied, at this minute
			t.Fatal(err)
		}
	}
	r.signal("@other@1", "add", "")
	held := w.batch("@other@1") // it has no state yet
	read := func(q *wire.EntityQuery) string {
		t.Helper()
		var out []string
		for {
			p := must(r.QueryEntities(r.ctx, &wire.QueryEntitiesRequest{Query: q}))(t)
			for _, e := range p.GetEntities() {
				out = append(out, e.GetInstanceId()+"="+e.GetSerializedState().GetValue())
			}
			if q.ContinuationToken = p.GetContinuationToken(); q.ContinuationToken == nil {
				return strings.Join(out, " ")
			}
		}
	}
	minute := func(n int) *timestamppb.Timestamp { return timestamppb.New(begin.Add(time.Duration(n) * time.Minute)) }
	for what, c := range map[string]struct {
		q    *wire.EntityQuery
		want string
	}{
		"all":       {&wire.EntityQuery{IncludeState: true}, "@counter@0=0 @counter@1=1 @counter@2=2 @counter@3=3 @counter@4=4"},
		"pages":     {&wire.EntityQuery{PageSize: wrapperspb.Int32(2)}, "@counter@0= @counter@1= @counter@2= @counter@3= @counter@4="},
		"transient": {&wire.EntityQuery{InstanceIdStartsWith: text("@other@"), IncludeTransient: true}, "@other@1="},
		"stateless": {&wire.EntityQuery{InstanceIdStartsWith: text("@other@")}, ""},
		"window":    {&wire.EntityQuery{LastModifiedFrom: minute(2), LastModifiedTo: minute(4), InstanceIdStartsWith: text("@counter@")}, "@counter@1= @counter@2="},
	} {
		if got := read(c.q); got != c.want {
			t.Errorf("%s: %s, want %s", what, got, c.want)
		}
	}
	w.applied(held, "1", "")
	r.signal("@counter@0", "delete", "")
	b := w.batch("@counter@0")
	r.must(r.CompleteEntityTask(r.ctx, &wire.EntityBatchResult{CompletionToken: b.GetCompletionToken(), Results: []*wire.OperationResult{succeeded("")}}))
	if e := r.entity("@counter@0"); e.GetExists() {
		t.Errorf("%v", e)
	}
	if c := must(r.CleanEntityStorage(r.ctx, &wire.CleanEntityStorageRequest{RemoveEmptyEntities: true, ReleaseOrphanedLocks: true}))(t); c.GetOrphanedLocksReleased() != 0 {
		t.Errorf("%v", c)
	}
	_, err := r.CleanEntityStorage(r.ctx, &wire.CleanEntityStorageRequest{ContinuationToken: text("forged")})
	wantCode(t, codes.InvalidArgument, err)
	if got := must(r.QueryEntities(r.ctx, &wire.QueryEntitiesRequest{}))(t); len(got.GetEntities()) != 5 {
		t.Errorf("%v", got)
	}
}

// A signal that is sent again, because its acknowledgement was lost, is one.
func TestASignalWithAnIDTakesEffectOnce(t *testing.T) {
	r := open(t)
	for range 3 {
		r.must(r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add", RequestId: guid(1)}))
	}
	w := r.work(everything())
	b := w.batch("@e@1")
	if n := len(b.GetEntityRequestV2().GetOperationRequests()); n != 1 {
		t.Errorf("%d operations", n)
	}
	w.applied(b, "1", "")
	_, err := r.SignalEntity(r.ctx, &wire.SignalEntityRequest{InstanceId: "@e@1", Name: "add", RequestId: strings.Repeat("r", 1<<20)})
	wantCode(t, codes.InvalidArgument, err)
}

func TestWaitsEndWhenTheirTimeComes(t *testing.T) {
	r := open(t)
	r.start("x", "Tour")
	w := r.work(everything())
	started := make(chan *wire.GetInstanceResponse, 1)
	go func() {
		s, _ := r.WaitForInstanceStart(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"})
		started <- s
	}()
	w.answer(w.step("x"))
	if s := <-started; s.GetOrchestrationState().GetOrchestrationStatus() != running {
		t.Errorf("%v", s)
	}
	for _, id := range []string{"none", "@e@1"} {
		for _, f := range []func() (*wire.GetInstanceResponse, error){
			func() (*wire.GetInstanceResponse, error) {
				return r.GetInstance(r.ctx, &wire.GetInstanceRequest{InstanceId: id})
			},
			func() (*wire.GetInstanceResponse, error) {
				return r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: id})
			},
		} {
			if s := must(f())(t); s.GetExists() || s.GetOrchestrationState() != nil {
				t.Errorf("%v", s)
			}
		}
	}
}

// What no client takes is refused in words, and can be read without payloads.
func TestAnswersStayBelowWhatClientsTake(t *testing.T) {
	r := open(t)
	w := r.work(everything())
	large := strings.Repeat("a", 1_990_000)
	r.start("x", "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text(large) })
	q := r.response(w.step("x"), end(0, large))
	q.CustomStatus = text("s")
	r.must(r.CompleteOrchestratorTask(r.ctx, q))
	must(r.WaitForInstanceCompletion(r.ctx, &wire.GetInstanceRequest{InstanceId: "x"}))(t)
	_, err := r.GetInstance(r.ctx, &wire.GetInstanceRequest{InstanceId: "x", GetInputsAndOutputs: true})
	wantCode(t, codes.ResourceExhausted, err)
	for i := range 5 {
		r.start(fmt.Sprint("y", i), "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text(large) })
	}
	all, pages := r.query(&wire.InstanceQuery{InstanceIdPrefix: text("y"), FetchInputsAndOutputs: true})
	if len(all) != 5 || pages < 5 {
		t.Errorf("%d instances in %d pages", len(all), pages)
	}
	_, err = r.QueryInstances(r.ctx, &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{InstanceIdPrefix: text("x"), FetchInputsAndOutputs: true}})
	wantCode(t, codes.ResourceExhausted, err)
	if got, _ := r.query(&wire.InstanceQuery{}); len(got) != 6 {
		t.Errorf("%d instances", len(got))
	}
	events, chunks, err := r.history(&wire.StreamInstanceHistoryRequest{InstanceId: "x"})
	if err != nil || len(events) != 3 || chunks != 3 {
		t.Errorf("%d events in %d chunks, %v", len(events), chunks, err)
	}
	if proto.Size(events[1]) < 1_990_000 {
		t.Error("the input is not in it")
	}
}

func TestOneHubIsServedUnderWhateverName(t *testing.T) {
	r := open(t)
	for _, key := range []string{"taskhub", "durable-taskhub"} {
		ctx := metadata.AppendToOutgoingContext(r.ctx, key, "any")
		r.must(r.Hello(ctx, &emptypb.Empty{}))
		r.must(r.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: key, Name: "Tour"}))
		_, err := r.CreateTaskHub(ctx, &wire.CreateTaskHubRequest{})
		wantCode(t, codes.FailedPrecondition, err)
		_, err = r.DeleteTaskHub(ctx, &wire.DeleteTaskHubRequest{})
		wantCode(t, codes.FailedPrecondition, err)
	}
	if got, _ := r.query(&wire.InstanceQuery{}); len(got) != 2 {
		t.Errorf("%v", got)
	}
}
