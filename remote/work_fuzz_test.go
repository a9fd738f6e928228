package remote

import (
	"context"
	"hash/maphash"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

// perByte is by how much a message grows: an event can be two bytes of it and is
// several structures each time that it is read.
const perByte = 2_000

// still is a clock that stands still, on which whatever is put off is due at once.
type still struct{}

var _ worker.Clock = still{}

func (still) Wall() time.Time     { return time.Unix(1_700_000_000, 0) }
func (still) Mono() time.Duration { return 0 }
func (still) AfterFunc(_ time.Duration, f func()) func() {
	f()
	return func() {}
}

// keeper is a worker that keeps what it is offered.
type keeper struct {
	engine.Items
	cancelled []engine.Token
}

func (*keeper) Limits() engine.Limits                        { return engine.Limits{} }
func (*keeper) Handles(engine.ItemKind, string, string) bool { return true }
func (k *keeper) Offer(i engine.Items)                       { k.Items = i }
func (k *keeper) Cancel(t engine.Token)                      { k.cancelled = append(k.cancelled, t) }

// unconnected is a worker's side of a feed without a stream.
func unconnected() (*connection, *keeper) {
	k := &keeper{}
	c := &connection{feed: &feed{link: &link{clock: still{}, ctx: context.Background()}}, worker: k}
	c.held.items, c.held.memory, c.held.seed = map[engine.Token]*item{}, map[string]*known{}, maphash.MakeSeed()
	c.held.begin(context.Background(), func() {})
	return c, k
}

// pasts are the histories of what was offered, and why they cannot be read. Those that
// are to be asked for are left out.
func pasts(t *testing.T, c *connection, k *keeper) (all [][]model.Event, errs []error) {
	t.Helper()
	for _, o := range k.Orchestrations {
		if i := c.held.find(o.Token); i == nil {
			t.Fatalf("%v was offered and is not held", o.Token)
		} else if i.apart {
			continue
		}
		events, err := c.History(t.Context(), o)
		all, errs = append(all, events), append(errs, err)
	}
	return all, errs
}

// itemsOfWork are messages of a stream of each kind, with extras and without.
func itemsOfWork() (list []*wire.WorkItem) {
	const execution = "000102030405060708090a0b0c0d0e0f"
	id, _ := model.ParseExecutionID(execution)
	past := []model.Event{{Kind: model.OrchestratorStarted, ID: model.NoID, Time: 5}, {Kind: model.ExecutionStarted, ID: model.NoID, Name: "O", Version: "1"}, {Kind: model.TaskScheduled, Name: "A"}}
	fresh := []model.Event{{Kind: model.OrchestratorStarted, ID: model.NoID, Time: 7}, {Kind: model.TaskCompleted, ID: model.NoID, Payload: []byte("1")}}
	say := func(e []model.Event) []*wire.HistoryEvent { return translate.NewHistory("i", id).Say(e) }
	step := func() *wire.OrchestratorRequest {
		return &wire.OrchestratorRequest{InstanceId: "i", ExecutionId: wrapperspb.String(execution), PastEvents: say(past), NewEvents: say(fresh)}
	}
	activity := func() *wire.ActivityRequest {
		return &wire.ActivityRequest{
			Name: "A", Version: wrapperspb.String("1"), Input: wrapperspb.String("2"), TaskId: 3,
			OrchestrationInstance: &wire.OrchestrationInstance{InstanceId: "i", ExecutionId: wrapperspb.String(execution)},
		}
	}
	batch := func() *wire.EntityRequest {
		return translate.EntityRequest(&engine.EntityItem{Instance: "@e@1", Execution: id, State: []byte("1"), Operations: []model.Event{
			{Kind: model.EntityCalled, ID: model.NoID, Name: "op", RequestID: "r"}, {Kind: model.EntitySignaled, ID: model.NoID, Name: "op", RequestID: "s"},
		}})
	}
	name := &extra.Name{Epoch: 1, Number: 2}
	steps, activities, batches := []*wire.OrchestratorRequest{step(), step(), step()}, []*wire.ActivityRequest{activity(), activity(), activity()}, []*wire.EntityRequest{batch(), batch()}
	extra.Put(steps[1], &extra.Item{Name: name, Last: name, Past: 3, More: true, Orchestration: "O", Version: "1"})
	steps[2].RequiresHistoryStreaming = true
	extra.Put(activities[1], &extra.Item{Name: name, Call: 4, Attempt: 5, Timeout: 6})
	activities[2].Tags, activities[2].ParentTraceContext = map[string]string{"a": "b"}, &wire.TraceContext{TraceParent: "p"}
	extra.Put(batches[1], &extra.Item{Name: name, Last: name, Now: 8, LockedBy: "i"})
	for _, q := range steps {
		list = append(list, &wire.WorkItem{Request: &wire.WorkItem_OrchestratorRequest{OrchestratorRequest: q}})
	}
	for _, q := range activities {
		list = append(list, &wire.WorkItem{Request: &wire.WorkItem_ActivityRequest{ActivityRequest: q}})
	}
	for _, q := range batches {
		list = append(list, &wire.WorkItem{Request: &wire.WorkItem_EntityRequestV2{EntityRequestV2: q}})
	}
	ping := &wire.WorkItem{Request: &wire.WorkItem_HealthPing{HealthPing: &wire.HealthPing{}}}
	extra.Put(ping, &extra.Cancelled{})
	list = append(list, ping)
	for _, m := range list {
		m.CompletionToken = "t"
	}
	return list
}

// FuzzWorkItem holds that what is read of a message as it comes is what the message
// says: the worker is offered the same, with the same history, as if the message had been
// decoded first. What cannot be decoded is refused, unless it is in the past, which may
// never be read, or in what no worker of this project needs. Then the next step comes,
// after a result of the worker's, so that it is known how the history begins.
func FuzzWorkItem(f *testing.F) {
	for _, m := range itemsOfWork() {
		b, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, uint8(5)) // one event is added, and there is one more
		f.Add(b, uint8(6)) // two are added
		f.Add(b[:len(b)-1], uint8(0))
	}
	f.Fuzz(func(t *testing.T, b []byte, changes uint8) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			raw, got := unconnected()
			rawErr := raw.takeRaw(b, 1)
			histories, bad := pasts(t, raw, got)
			m := &wire.WorkItem{}
			if err := proto.Unmarshal(b, m); err != nil {
				return
			}
			whole, want := unconnected()
			if err := whole.take(m, 1); (err == nil) != (rawErr == nil) {
				t.Fatalf("as it comes: %v, decoded: %v\n%v", rawErr, err, m)
			}
			if d := cmp.Diff(want.Items, got.Items, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("(-decoded, +as it comes):\n%s", d)
			}
			wanted, wantedBad := pasts(t, whole, want)
			for n := range bad {
				if (bad[n] == nil) != (wantedBad[n] == nil) {
					t.Fatalf("its history, as it comes: %v, decoded: %v\n%v", bad[n], wantedBad[n], m)
				}
			}
			if d := cmp.Diff(wanted, histories, cmpopts.EquateEmpty()); d != "" {
				t.Fatalf("histories (-decoded, +as it comes):\n%s", d)
			}
			raw.goesOn(t, got, int(changes%4), int(changes/4%4))
		})
	})
}

// goesOn holds that a step is taken for one that goes on where the last has ended, of
// which there is no word in the protocol, if its history is longer by as many events as
// that one's result had, and only then.
func (c *connection) goesOn(t *testing.T, k *keeper, changes, longer int) {
	t.Helper()
	for _, first := range k.Orchestrations {
		i := c.held.remove(first.Token)
		c.held.remember(i, &engine.OrchestrationResult{Token: first.Token, Events: make([]model.Event, changes)})
		if i.known == nil {
			return // the server says it
		}
		if err := c.takeRaw(nextStep(i, longer), 1); err != nil {
			t.Fatalf("taken once, and then: %v", err)
		}
		if again := k.Orchestrations[0]; (again.Last == first.Token.Name) != (changes == longer) {
			t.Fatalf("a history of %d events is longer by %d, and goes on where one has added %d: %v", again.PastEvents, longer, changes, again.Last)
		}
	}
}

// nextStep is a step, as it comes, whose history is that of another with what was new to
// it, and so many events more.
func nextStep(i *item, longer int) (b []byte) {
	field := func(b []byte, number protowire.Number, v []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(b, number, protowire.BytesType), v)
	}
	b = field(b, 1, []byte(i.instance))
	b = field(b, 2, field(nil, 1, []byte(i.execution)))
	for _, e := range slices.Concat(i.encoded, i.fresh, slices.Repeat(i.fresh[:1], longer)) {
		b = field(b, 3, e)
	}
	for _, e := range i.fresh {
		b = field(b, 4, e)
	}
	return field(nil, fieldStep, b)
}
