package durabletask_test

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// counting counts what the pages of a hub's queries have.
type counting struct {
	durabletask.Hub
	pages, instances, bytes atomic.Int64
}

func (c *counting) Engine() engine.Client { return countingClient{c.Hub.Engine(), c} }

type countingClient struct {
	engine.Client
	c *counting
}

func (e countingClient) Query(ctx context.Context, q engine.Query) (engine.Page, error) {
	page, err := e.Client.Query(ctx, q)
	e.c.pages.Add(1)
	e.c.instances.Add(int64(len(page.Instances)))
	for _, i := range page.Instances {
		e.c.bytes.Add(int64(len(i.Input) + len(i.Output)))
		if i.Entity != nil {
			e.c.bytes.Add(int64(len(i.Entity.State)))
		}
	}
	return page, err
}

// openCounting opens a rig with instances whose inputs are half of a message.
func openCounting(t *testing.T, n int) (*rig, *counting, int) {
	t.Helper()
	r := open(t)
	c := &counting{Hub: r.hub}
	r.hubs.swap(durabletask.Single(c))
	large := strings.Repeat("a", 1_870_000)
	for i := range n {
		r.start(fmt.Sprintf("y%02d", i), "Tour", func(q *wire.CreateInstanceRequest) { q.Input = text(large) })
	}
	return r, c, len(large)
}

// Pages of instances with large payloads are read once each, and have as many as fit.
func TestAPageWithPayloadsIsReadOnce(t *testing.T) {
	const n = 12
	r, c, large := openCounting(t, n)
	all, pages := r.query(&wire.InstanceQuery{FetchInputsAndOutputs: true, MaxInstanceCount: 1000})
	if len(all) != n || pages != n/2 {
		t.Errorf("%d instances in %d pages, want %d in %d", len(all), pages, n, n/2)
	}
	if got := c.pages.Load(); got != int64(pages) {
		t.Errorf("%d pages were asked of the hub, %d were answered", got, pages)
	}
	if got := c.bytes.Load(); got != int64(n*large) {
		t.Errorf("%d bytes were read for %d instances of %d", got, n, large)
	}
}

// So are those that clients of this project ask for.
func TestAWholePageWithPayloadsIsReadOnce(t *testing.T) {
	const n = 6
	r, c, large := openCounting(t, n)
	for listed, token := 0, ""; ; {
		q := &wire.QueryInstancesRequest{}
		extra.Put(q, &extra.Request{Query: fmt.Appendf(nil, `{"PageSize":1000,"Payloads":true,"Token":%q}`, token)})
		var answer extra.Answer
		if !extra.Get(must(r.QueryInstances(r.ctx, q))(t), &answer) {
			t.Fatal("no page")
		}
		var page engine.Page
		if err := json.Unmarshal(answer.GetPage(), &page); err != nil {
			t.Fatal(err)
		}
		listed += len(page.Instances)
		if token = page.Token; token == "" {
			if listed != n {
				t.Errorf("%d instances, want %d", listed, n)
			}
			break
		}
	}
	if got := c.bytes.Load(); got != int64(n*large) {
		t.Errorf("%d bytes were read for %d instances of %d", got, n, large)
	}
}

// A page of entities without their states reads none.
func TestAPageOfEntitiesWithoutStatesIsNotShortForThem(t *testing.T) {
	r := open(t)
	c := &counting{Hub: r.hub}
	r.hubs.swap(durabletask.Single(c))
	w := r.work(everything())
	large := strings.Repeat("a", 1_870_000)
	const n = 5
	for i := range n {
		id := fmt.Sprint("@e@", i)
		r.signal(id, "set", "1")
		w.applied(w.batch(id), large, "")
		must(r.GetEntity(r.ctx, &wire.GetEntityRequest{InstanceId: id}))(t)
	}
	for _, c2 := range []struct {
		state        bool
		pages, bytes int
	}{{false, 1, 0}, {true, 3, n * len(large)}} {
		c.bytes.Store(0)
		q := &wire.EntityQuery{IncludeState: c2.state, PageSize: wrapperspb.Int32(1000)}
		listed, pages := 0, 0
		for more := true; more; pages++ {
			p := must(r.QueryEntities(r.ctx, &wire.QueryEntitiesRequest{Query: q}))(t)
			listed += len(p.GetEntities())
			q.ContinuationToken = p.GetContinuationToken()
			more = q.GetContinuationToken() != nil
		}
		if listed != n || pages != c2.pages || c.bytes.Load() != int64(c2.bytes) {
			t.Errorf("with states %t: %d entities in %d pages, for which %d bytes were read", c2.state, listed, pages, c.bytes.Load())
		}
	}
}
