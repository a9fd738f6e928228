//go:build unix

package chaos

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// kind is what a client asks for.
type kind uint8

const (
	kindSquares kind = iota
	kindTransfer
	kindAudit
	kindListen
	kindNap
	kindFamily
	kindRounds
	kindCancel
	kindSignal
	kindRead
	kindQuery
	kindPurge
	kinds
)

func (k kind) String() string {
	return [...]string{"squares", "transfer", "audit", "listen", "nap", "family", "rounds", "cancel", "signal", "read", "query", "purge"}[k]
}

// weights say how often a client asks for what.
var weights = [kinds]int{
	kindSquares: 15, kindTransfer: 20, kindAudit: 4, kindListen: 8, kindNap: 6, kindFamily: 5, kindRounds: 5, kindCancel: 5,
	kindSignal: 24, kindRead: 3, kindQuery: 1, kindPurge: 4,
}

// act draws one thing and does it.
func (c *client) act(ctx context.Context) {
	total := 0
	for _, w := range weights {
		total += w
	}
	k, n := kind(0), c.rng.IntN(total)
	for n >= weights[k] {
		n -= weights[k]
		k++
	}
	switch k {
	case kindSignal:
		c.signal(ctx)
	case kindRead:
		c.read(ctx)
	case kindQuery:
		c.query(ctx)
	case kindPurge:
		c.purge(ctx)
	default:
		c.orchestrate(ctx, k)
	}
}

// orchestrate starts an orchestration, sends it what it needs to end, and mostly
// waits for that.
func (c *client) orchestrate(ctx context.Context, k kind) {
	e := &entry{id: fmt.Sprintf("%s%d-%s", c.ledger.prefix, len(c.ledger.entries), k), kind: k, purge: refused}
	start, follow := c.plan(k, e)
	opts := []durable.StartOption{durable.ID(e.id), c.key()}
	switch c.rng.IntN(4) {
	case 0:
		opts = append(opts, durable.Fail)
	case 1:
		opts = append(opts, durable.Attach)
	}
	e.again = func(ctx context.Context, hub durable.Hub) (err error) {
		e.execution, err = start(ctx, hub, opts)
		return err
	}
	c.ledger.add(e)
	c.begin(ctx, e, c.givesUp())
	c.r.count(k, e.start)
	if e.start != acknowledged || follow != nil && !follow(ctx) || c.rng.IntN(3) == 0 {
		return
	}
	c.await(ctx, e)
}

// begin starts an entry's orchestration. It may be called again while the outcome
// is in doubt.
func (c *client) begin(ctx context.Context, e *entry, once bool) {
	o, _, err := c.ask(ctx, once, e.again)
	if o == answered {
		c.r.violate("start %s: %v", e.id, err)
	}
	if e.doubted = e.doubted || o == unknown; o == refused && e.doubted {
		o = unknown // of an attempt before
	}
	e.start = o
}

// starter starts an orchestration.
type starter func(context.Context, durable.Hub, []durable.StartOption) (model.ExecutionID, error)

// starts is how to start an orchestration with an input.
func starts[In, Out any](o *durable.OrchestrationOf[In, Out], in In) starter {
	return func(ctx context.Context, hub durable.Hub, opts []durable.StartOption) (model.ExecutionID, error) {
		r, err := o.Start(ctx, hub, in, opts...)
		if err != nil {
			return model.ExecutionID{}, err
		}
		return r.Execution(), nil
	}
}

// returns checks that an orchestration has completed with a result.
func returns[Out any](want Out) func(*model.Instance) (int64, error) {
	text, err := json.Marshal(want)
	return func(m *model.Instance) (int64, error) {
		if err == nil && (m.Status != model.Completed || !bytes.Equal(m.Output, text)) {
			return 0, fmt.Errorf("it ended as %s with %s, expected %s%s", m.Status, m.Output, text, failureOf(m))
		}
		return 0, err
	}
}

func failureOf(m *model.Instance) string {
	if m.Failure == nil {
		return ""
	}
	return ": " + m.Failure.Error()
}

// plan is how an orchestration of a kind is started, and what it is sent then.
// What it must come to is noted in its entry.
func (c *client) plan(k kind, e *entry) (start starter, follow func(context.Context) bool) {
	n := c.rng.Int64N(1000)
	switch k {
	case kindSquares:
		e.check = returns(chaos.SumOfSquares(n))
		return starts(chaos.Squares, n), nil
	case kindFamily:
		e.check = returns(chaos.SumOfSquares(n))
		return starts(chaos.Family, n), nil
	case kindRounds:
		left := 1 + c.rng.IntN(4)
		e.check = returns(left)
		return starts(chaos.Rounds, chaos.Round{Left: left}), nil
	case kindTransfer:
		t := c.transfer()
		e.check = transferred(t)
		return starts(bench.TransferMoney, t), nil
	case kindAudit:
		keys := make([]string, 0, auditWidth)
		for _, i := range c.rng.Perm(accountsOpened)[:auditWidth] {
			keys = append(keys, accountKey(i))
		}
		e.check = returns("")
		return starts(bench.AuditAccounts, keys), nil
	case kindNap:
		until := time.Now().Add(between(c.rng, -50*time.Millisecond, 1500*time.Millisecond)).UTC()
		e.check = c.r.woke(until)
		return starts(chaos.Nap, until), nil
	case kindListen:
		count := 1 + c.rng.IntN(4)
		want := make([]int64, count)
		for i := range want {
			want[i] = int64(i)
		}
		e.check = returns(want)
		return starts(chaos.Listen, count), func(ctx context.Context) bool { return c.tell(ctx, e.id, count) }
	}
	e.check = func(m *model.Instance) (int64, error) {
		if m.Status != model.Terminated || string(m.Output) != `"enough"` {
			return 0, fmt.Errorf("it ended as %s with %s, expected to be terminated", m.Status, m.Output)
		}
		return 0, nil
	}
	return starts(chaos.Listen, 1), func(ctx context.Context) bool { return c.terminate(ctx, e.id) }
}

// tell sends the events that Listen waits for, one in four times while it is
// suspended.
func (c *client) tell(ctx context.Context, id string, count int) bool {
	held := c.rng.IntN(4) == 0
	if held {
		// Once: an attempt that arrives late would suspend it again.
		c.ask(ctx, true, func(ctx context.Context, hub durable.Hub) error { return hub.Engine().Suspend(ctx, id, "hold") })
	}
	for n := range count {
		key := c.key()
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
			return chaos.Told.Raise(ctx, hub, id, int64(n), key)
		})
		if o == answered {
			c.r.violate("raise an event for %s: %v", id, err)
		}
		if o != acknowledged {
			return false
		}
	}
	if held {
		o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error { return hub.Engine().Resume(ctx, id, "go") })
		if o == answered && !errors.Is(err, engine.ErrEnded) {
			c.r.violate("resume %s: %v", id, err)
		}
	}
	return true
}

// terminate ends an orchestration.
func (c *client) terminate(ctx context.Context, id string) bool {
	o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
		return chaos.Listen.Attach(hub, id).Terminate(ctx, "enough", false)
	})
	if o == answered {
		c.r.violate("terminate %s: %v", id, err)
	}
	return o == acknowledged
}

// await waits for the end of an orchestration and checks what it came to.
func (c *client) await(ctx context.Context, e *entry) {
	var m *model.Instance
	o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) (err error) {
		m, err = hub.Engine().Wait(ctx, e.id, engine.UntilEnded, engine.GetOptions{Payloads: true, Execution: e.execution})
		return err
	})
	if o == answered {
		c.r.violate("wait for %s: %v", e.id, err)
	}
	if o != acknowledged {
		return
	}
	e.told, e.output = true, string(m.Output)
	if _, err := c.ledger.ended(m); err != nil {
		c.r.violate("%v", err)
	}
}

// signal sends the next number to the client's entity.
func (c *client) signal(ctx context.Context) {
	s := chaos.Mark{N: int64(len(c.ledger.signals))}
	if c.rng.IntN(8) == 0 {
		s.Pad = strings.Repeat("x", c.rng.IntN(16<<10))
	}
	key := c.key()
	o, _, err := c.ask(ctx, c.givesUp(), func(ctx context.Context, hub durable.Hub) error {
		return chaos.MarkAdd.Post(ctx, hub, chaos.Marked.Key(c.ledger.prefix), s, key)
	})
	if o == answered {
		c.r.violate("signal %d to %s: %v", s.N, c.ledger.prefix, err)
	}
	c.ledger.signals = append(c.ledger.signals, o)
	c.r.count(kindSignal, o)
}

// marks reads the client's entity.
func (c *client) marks(ctx context.Context) (m chaos.Marks, o outcome) {
	o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) (err error) {
		m, _, err = chaos.Marked.Read(ctx, hub, chaos.Marked.Key(c.ledger.prefix))
		return err
	})
	if o == answered {
		c.r.violate("read entity %s: %v", c.ledger.prefix, err)
	}
	return m, o
}

// read checks that the client's entity has what was acknowledged.
func (c *client) read(ctx context.Context) {
	m, o := c.marks(ctx)
	c.r.count(kindRead, o)
	if o != acknowledged {
		return
	}
	if err := c.ledger.marked(&m); err != nil {
		c.r.violate("%v", err)
	}
}

// list reads all orchestrations of the ledger, page by page.
func (c *client) list(ctx context.Context, payloads bool) (list map[string]*model.Instance, o outcome) {
	o, _, err := c.ask(ctx, false, func(ctx context.Context, hub durable.Hub) error {
		list = map[string]*model.Instance{}
		q := engine.Query{IDPrefix: c.ledger.prefix, PageSize: 100, GetOptions: engine.GetOptions{Payloads: payloads}}
		for m, err := range durable.Query(ctx, hub, q) {
			if err != nil {
				return err
			}
			if list[m.ID] != nil {
				c.r.violate("%s is listed twice", m.ID)
			}
			list[m.ID] = m
		}
		return nil
	})
	if o == answered {
		c.r.violate("list %s: %v", c.ledger.prefix, err)
	}
	return list, o
}

// query checks that a list has what was acknowledged.
func (c *client) query(ctx context.Context) {
	list, o := c.list(ctx, false)
	c.r.count(kindQuery, o)
	if o != acknowledged {
		return
	}
	for _, e := range c.ledger.entries { // outputs were not read
		if m := list[e.id]; m != nil && e.told {
			m.Output = []byte(e.output)
		}
	}
	if err := c.ledger.compare(list); err != nil {
		c.r.violate("%v", err)
	}
}

// purge forgets an orchestration that has ended.
func (c *client) purge(ctx context.Context) {
	var ended []*entry
	for _, e := range c.ledger.entries {
		if e.told && e.purge == refused && e.kind != kindTransfer { // the books need those
			ended = append(ended, e)
		}
	}
	if len(ended) == 0 {
		return
	}
	e := ended[c.rng.IntN(len(ended))]
	deleted := 0
	o, doubt, err := c.ask(ctx, c.givesUp(), func(ctx context.Context, hub durable.Hub) (err error) {
		deleted, err = hub.Engine().Purge(ctx, e.id, true)
		return err
	})
	switch {
	case o == answered && errors.Is(err, engine.ErrNotFound) && doubt:
		o = acknowledged // by the attempt before
	case o == answered:
		c.r.violate("purge %s: %v", e.id, err)
	case o == acknowledged && deleted == 0:
		c.r.violate("purge %s: it has not ended, and the client was told so", e.id)
	}
	c.r.count(kindPurge, o)
	e.purge = o
}
