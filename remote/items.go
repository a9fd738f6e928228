package remote

import (
	"context"
	"fmt"
	"hash/maphash"
	"sync"
	"time"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// held are the items that the worker has.
type held struct {
	mu         sync.Mutex
	generation uint64          // of streams
	ctx        context.Context // of the stream, with what its calls say
	end        func()          // ends the stream
	count      uint64
	items      map[engine.Token]*item
	memory     map[string]*known // by instance
	seed       maphash.Seed
}

// maxMemory bounds what is remembered: of more orchestrations than that the worker
// has hardly one alive.
const maxMemory = 200_000

// remembered is what is known of an orchestration; nil if nothing is.
func (h *held) remembered(instance string) *known {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.memory[instance]
}

// remember notes what a step has come to, or forgets an orchestration that has
// ended or has another history now.
func (h *held) remember(i *item, r *engine.OrchestrationResult) {
	if i.known == nil {
		return
	}
	i.known.last, i.known.total = r.Token.Name, i.known.shown+len(r.Events)
	n := len(r.Events)
	ended := n > 0 && r.Events[n-1].Kind == model.ExecutionCompleted
	h.mu.Lock()
	defer h.mu.Unlock()
	if ended || r.Rewound != nil {
		delete(h.memory, i.instance)
		return
	}
	if len(h.memory) >= maxMemory {
		clear(h.memory)
	}
	h.memory[i.instance] = i.known
}

// item is one of them.
type item struct {
	kind       engine.ItemKind
	generation uint64
	completion string // the token of the protocol
	instance   string
	execution  string
	past       []*wire.HistoryEvent
	encoded    [][]byte // the past, in place of that
	fresh      [][]byte // what is new
	known      *known   // nil: the server says where the step goes on
	apart      bool     // the past is to be asked for
	operations []*wire.HistoryEvent
}

// begin begins a stream, whose calls have the context of it, and which end ends. What
// was had from the ones before is the server's again.
func (h *held) begin(ctx context.Context, end func()) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.generation++
	h.ctx, h.end = ctx, end
	return h.generation
}

// lose gives up what the worker has: the server offers it again.
func (c *connection) lose() {
	c.held.mu.Lock()
	var lost []engine.Token
	for t, i := range c.held.items { // order-free: each is told the same
		if i.kind == engine.ActivityKind {
			lost = append(lost, t)
		}
		delete(c.held.items, t)
	}
	c.held.generation++
	c.held.mu.Unlock()
	for _, t := range lost {
		c.worker.Cancel(t)
	}
}

// put notes an item and gives it its token.
func (h *held) put(i *item, t engine.Token, named bool) engine.Token {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.count++
	t.Instance = h.count
	if !named {
		t.Name = engine.Name{Epoch: i.generation, Number: h.count}
	}
	h.items[t] = i
	return t
}

func (h *held) find(t engine.Token) *item {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.items[t]
}

// remove takes an item, which must be there.
func (h *held) remove(t engine.Token) *item {
	h.mu.Lock()
	defer h.mu.Unlock()
	i := h.items[t]
	delete(h.items, t)
	return i
}

// current returns the context of an item's stream; nil if that has ended.
func (h *held) current(i *item) context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	if i.generation != h.generation {
		return nil
	}
	return h.ctx
}

// take hands a message of the stream to the worker.
func (c *connection) take(m *wire.WorkItem, generation uint64) (err error) {
	var items engine.Items
	switch q := m.GetRequest().(type) {
	case *wire.WorkItem_OrchestratorRequest:
		var i *engine.OrchestrationItem
		if i, err = c.step(m, q.OrchestratorRequest, generation); err == nil {
			items.Orchestrations = []*engine.OrchestrationItem{i}
		}
	case *wire.WorkItem_ActivityRequest:
		var i *engine.ActivityItem
		if i, err = c.activity(m, q.ActivityRequest, generation); err == nil {
			items.Activities = []*engine.ActivityItem{i}
		}
	case *wire.WorkItem_EntityRequestV2:
		var i *engine.EntityItem
		if i, err = c.batch(m, q.EntityRequestV2, generation); err == nil {
			items.Entities = []*engine.EntityItem{i}
		}
	case *wire.WorkItem_HealthPing:
		c.cancelled(m)
		return nil
	default:
		return fmt.Errorf("the server sent work of a kind that this program does not know")
	}
	if err != nil {
		return fmt.Errorf("the server sent what this program does not understand: %w", err)
	}
	c.offer(items)
	return nil
}

// offer hands items to the worker, unless it takes nothing more.
func (c *connection) offer(items engine.Items) {
	c.offers.Lock()
	defer c.offers.Unlock()
	if !c.drains {
		c.worker.Offer(items)
		return
	}
	for _, i := range items.Orchestrations {
		c.decline(declined{engine.OrchestrationKind, i.Token})
	}
	for _, i := range items.Activities {
		c.decline(declined{engine.ActivityKind, i.Token})
	}
	for _, i := range items.Entities {
		c.decline(declined{engine.EntityKind, i.Token})
	}
}

// cancelled tells the worker of an activity whose result nobody wants any more.
func (c *connection) cancelled(m *wire.WorkItem) {
	if m.GetCompletionToken() == "" || !extra.Get(m, &extra.Cancelled{}) {
		return
	}
	c.held.mu.Lock()
	var found []engine.Token
	for t, i := range c.held.items { // order-free: one of them at most
		if i.completion == m.GetCompletionToken() {
			found = append(found, t)
		}
	}
	c.held.mu.Unlock()
	for _, t := range found {
		c.worker.Cancel(t)
	}
}

func nameOf(n *extra.Name) engine.Name {
	return engine.Name{Epoch: n.GetEpoch(), Number: n.GetNumber()}
}

// step reads a step. Its past is read when the worker asks for it: mostly it does
// not, as it has the orchestration alive.
func (c *connection) step(m *wire.WorkItem, q *wire.OrchestratorRequest, generation uint64) (*engine.OrchestrationItem, error) {
	i := &engine.OrchestrationItem{Instance: q.GetInstanceId(), PastEvents: int64(len(q.GetPastEvents()))}
	var err error
	if i.Execution, err = model.ParseExecutionID(q.GetExecutionId().GetValue()); err != nil {
		return nil, err
	}
	var x extra.Item
	named := extra.Get(q, &x)
	if named {
		addItem(i, &x)
	} else if i.Name, i.Version, err = began(q); err != nil {
		return nil, err
	}
	if i.NewEvents, err = translate.ToEvents(q.GetNewEvents()); err != nil {
		return nil, err
	}
	if len(i.NewEvents) == 0 || i.NewEvents[0].Kind != model.OrchestratorStarted {
		return nil, fmt.Errorf("a step of instance %q does not begin with its time", i.Instance)
	}
	i.Now, i.NewEvents = i.NewEvents[0].Time, i.NewEvents[1:]
	i.Token = c.held.put(&item{
		kind: engine.OrchestrationKind, generation: generation, completion: m.GetCompletionToken(), instance: i.Instance,
		execution: q.GetExecutionId().GetValue(), past: q.GetPastEvents(), apart: q.GetRequiresHistoryStreaming(),
	}, engine.Token{Task: model.NoID, Name: nameOf(x.GetName())}, named)
	return i, nil
}

// addItem adds to a step what the protocol has no words for.
func addItem(i *engine.OrchestrationItem, x *extra.Item) {
	i.Last, i.Name, i.Version = nameOf(x.GetLast()), x.GetOrchestration(), x.GetVersion()
	i.PastEvents, i.More = x.GetPast(), x.GetMore()
}

// began finds the name of an orchestration in its history.
func began(q *wire.OrchestratorRequest) (name, version string, err error) {
	for _, list := range [][]*wire.HistoryEvent{q.GetPastEvents(), q.GetNewEvents()} {
		for _, e := range list {
			if s := e.GetExecutionStarted(); s != nil {
				return s.GetName(), s.GetVersion().GetValue(), nil
			}
		}
	}
	return "", "", fmt.Errorf("a step of instance %q does not say how it began", q.GetInstanceId())
}

func (c *connection) activity(m *wire.WorkItem, q *wire.ActivityRequest, generation uint64) (*engine.ActivityItem, error) {
	o := q.GetOrchestrationInstance()
	i := &engine.ActivityItem{
		Instance: o.GetInstanceId(), Task: q.GetTaskId(), Name: q.GetName(), Version: q.GetVersion().GetValue(),
		Input: translate.Bytes(q.GetInput()), Tags: q.GetTags(), Trace: translate.ToTrace(q.GetParentTraceContext()), Attempt: 1,
	}
	var err error
	if i.Execution, err = model.ParseExecutionID(o.GetExecutionId().GetValue()); err != nil {
		return nil, err
	}
	var x extra.Item
	named := extra.Get(q, &x)
	if named {
		i.Call, i.Attempt, i.Timeout = x.GetCall(), x.GetAttempt(), time.Duration(x.GetTimeout())
	}
	i.Token = c.held.put(&item{kind: engine.ActivityKind, generation: generation, completion: m.GetCompletionToken(), instance: i.Instance},
		engine.Token{Task: i.Task, Name: nameOf(x.GetName())}, named)
	return i, nil
}

func (c *connection) batch(m *wire.WorkItem, q *wire.EntityRequest, generation uint64) (*engine.EntityItem, error) {
	i := &engine.EntityItem{Instance: q.GetInstanceId(), State: translate.Bytes(q.GetEntityState())}
	var err error
	if i.Execution, err = model.ParseExecutionID(q.GetExecutionId()); err != nil {
		return nil, err
	}
	if i.Operations, err = translate.ToEvents(q.GetOperationRequests()); err != nil {
		return nil, err
	}
	var x extra.Item
	named := extra.Get(q, &x)
	if named {
		i.Last, i.Now, i.LockedBy = nameOf(x.GetLast()), model.Time(x.GetNow()), x.GetLockedBy()
	} else {
		i.Now = model.TimeOf(c.clock.Wall())
	}
	i.Token = c.held.put(&item{
		kind: engine.EntityKind, generation: generation, completion: m.GetCompletionToken(), instance: i.Instance, operations: q.GetOperationRequests(),
	}, engine.Token{Task: model.NoID, Name: nameOf(x.GetName())}, named)
	return i, nil
}

func decoded(list [][]byte) ([]model.Event, error) {
	events := make([]model.Event, len(list))
	for n, b := range list {
		var err error
		if events[n], err = translate.DecodeEvent(b); err != nil {
			return nil, fmt.Errorf("event %d of a history: %w", n, err)
		}
	}
	return events, nil
}

// History implements engine.Connection.
func (c *connection) History(ctx context.Context, o *engine.OrchestrationItem) ([]model.Event, error) {
	i := c.held.find(o.Token)
	switch {
	case i == nil:
		return nil, engine.ErrStale
	case !i.apart && i.encoded != nil:
		return decoded(i.encoded)
	case !i.apart:
		return translate.ToEvents(i.past)
	}
	q := &wire.StreamInstanceHistoryRequest{InstanceId: i.instance, ExecutionId: optional(i.execution), ForWorkItemProcessing: true}
	if !c.standard {
		extra.Put(q, &extra.Request{Whole: true})
	}
	var events []model.Event
	err := c.call(ctx, fmt.Sprintf("read history of %q", i.instance), limited, func(ctx context.Context, _ bool) (err error) {
		if c.held.current(i) == nil {
			return engine.ErrStale
		}
		events, err = client{c.link}.stream(ctx, q)
		return err
	})
	return events, err
}
