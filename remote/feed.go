package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

// feed is a hub as its workers see it, behind a server.
type feed struct {
	*link
	standard bool // only what the protocol has words for

	mu   sync.Mutex
	conn *connection
}

var (
	_ engine.Feed    = (*feed)(nil)
	_ engine.Drainer = (*connection)(nil)
)

const (
	// connectTime is how long Connect waits to hear that the server gives this
	// worker no work, as it may not allow it to.
	connectTime = 5 * time.Second
	// silence is after how long a stream without a sign of life is given up. The
	// server gives one every 30 s.
	silence = 90 * time.Second
	// steady is how long a stream has to have lived for the next to be tried at once.
	steady = 5 * time.Second
)

// connection is a worker's side of the feed: a stream of items, which is made
// again whenever it breaks, and calls with their results.
type connection struct {
	*feed
	worker  engine.Worker
	request *wire.GetWorkItemsRequest
	out     *outbox

	ctx    context.Context // ends with the connection
	cancel context.CancelFunc
	ended  chan struct{} // closed when no stream is read any more

	held held
	name string // of the stream, for the server
	leaving

	broken atomic.Pointer[error] // why there is no stream now
	life   atomic.Uint64         // messages received
}

// Connect implements engine.Feed. It fails if the server refuses the worker; if the
// server is away it tries on in the background.
func (f *feed) Connect(w engine.Worker) (engine.Connection, error) {
	name := rand.Text()
	c := &connection{feed: f, worker: w, name: name, request: requestOf(w, name, f.standard), ended: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(f.ctx)
	c.out = newOutbox(c)
	c.held.items, c.held.memory, c.held.seed = map[engine.Token]*item{}, map[string]*known{}, maphash.MakeSeed()
	first := make(chan error, 1)
	go c.run(first)
	stop := f.clock.AfterFunc(connectTime, func() { tell(first, nil) })
	defer stop()
	if err := <-first; err != nil && !f.passing(err) {
		c.Close()
		return nil, f.explain(err)
	}
	f.mu.Lock()
	f.conn = c
	f.mu.Unlock()
	return c, nil
}

func (f *feed) health() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn == nil {
		return nil
	}
	if err := f.conn.broken.Load(); err != nil {
		return fmt.Errorf("no work from the server at %s: %w", f.address, *err)
	}
	return nil
}

// requestOf says what a worker has code for, and how much it takes.
func requestOf(w engine.Worker, name string, standard bool) *wire.GetWorkItemsRequest {
	limits := w.Limits()
	q := &wire.GetWorkItemsRequest{
		MaxConcurrentOrchestrationWorkItems: int32(limits.Orchestrations), MaxConcurrentActivityWorkItems: int32(limits.Activities),
		MaxConcurrentEntityWorkItems: int32(limits.Entities),
	}
	if !standard {
		q.Capabilities = []wire.WorkerCapability{wire.WorkerCapability_WORKER_CAPABILITY_HISTORY_STREAMING}
		traces, ok := w.(interface{ Traces() bool })
		extra.Put(q, &extra.Worker{Revision: 1, Live: int32(min(limits.Live, 1<<30)), Traces: ok && traces.Traces(), Stream: name})
	}
	if served, ok := w.(interface{ Serves() []worker.Served }); ok {
		q.WorkItemFilters = filtersOf(served.Serves())
	}
	return q
}

// filtersOf says names and versions of code. Code without a version is for every
// version.
func filtersOf(list []worker.Served) *wire.WorkItemFilters {
	type key struct {
		kind engine.ItemKind
		name string
	}
	versions, any := map[key][]string{}, map[key]bool{}
	var order []key
	for _, s := range list {
		k := key{s.Kind, s.Name}
		if _, seen := versions[k]; !seen {
			order = append(order, k)
		}
		versions[k] = append(versions[k], s.Version)
		any[k] = any[k] || s.Version == ""
	}
	f := &wire.WorkItemFilters{}
	for _, k := range order {
		of := versions[k]
		if any[k] {
			of = nil
		}
		switch k.kind {
		case engine.OrchestrationKind:
			f.Orchestrations = append(f.Orchestrations, &wire.OrchestrationFilter{Name: k.name, Versions: of})
		case engine.ActivityKind:
			f.Activities = append(f.Activities, &wire.ActivityFilter{Name: k.name, Versions: of})
		case engine.EntityKind:
			f.Entities = append(f.Entities, &wire.EntityFilter{Name: strings.ToLower(k.name)})
		}
	}
	return f
}

// run keeps a stream until the connection is closed. It tells how the first one
// began.
func (c *connection) run(first chan<- error) {
	defer close(c.ended)
	p := c.pauses()
	for {
		began := c.clock.Mono()
		err := c.stream(first)
		c.lose()
		if c.ctx.Err() != nil || c.draining() {
			return
		}
		if c.clock.Mono()-began > steady {
			p.n = 0
		}
		why := c.explain(err)
		if c.broken.Swap(&why) == nil || p.n%16 == 15 {
			c.log.Warn("no work comes from the server, this worker connects again", "server", c.address, "error", why)
		}
		tell(first, err)
		c.pause(c.ctx, p.next())
		if c.draining() { // and has lost what it had
			return
		}
	}
}

// tell tells how the first stream began, unless that was told before.
func tell(first chan<- error, err error) {
	select {
	case first <- err:
	default:
	}
}

// stream opens a stream and hands its items over until it breaks.
func (c *connection) stream(first chan<- error) error {
	ctx, cancel := context.WithCancel(c.ctx)
	defer cancel()
	out, err := c.outgoing(ctx)
	if err != nil {
		return err
	}
	s, err := c.workItems(out, c.request)
	if err != nil {
		return err
	}
	defer c.watch(cancel)()
	if header, err := s.Header(); err != nil {
		return err
	} else if header == nil { // it has ended already
		return s.RecvMsg(&wire.WorkItem{})
	}
	if c.broken.Swap(nil) != nil {
		c.log.Info("work comes from the server again", "server", c.address)
	}
	generation := c.held.begin(out, cancel)
	tell(first, nil)
	if c.draining() { // the server did not know this stream when it was told
		c.leave()
	}
	return c.receive(s, generation)
}

// receive hands over what a stream has.
func (c *connection) receive(s grpc.ClientStream, generation uint64) error {
	for {
		var m workItem
		err := s.RecvMsg(&m)
		if errors.Is(err, io.EOF) {
			return errors.New("the server has ended the stream: it is about to stop")
		} else if err != nil {
			return err
		}
		c.life.Add(1)
		if err := c.takeRaw(m.b, generation); err != nil {
			return err
		}
	}
}

// watch gives a stream up that is silent for too long.
func (c *connection) watch(giveUp func()) (stop func()) {
	var mu sync.Mutex
	var cancel func()
	ended, seen := false, c.life.Load()
	var look func()
	arm := func() { cancel = c.clock.AfterFunc(silence, look) }
	look = func() {
		mu.Lock()
		defer mu.Unlock()
		if ended {
			return
		}
		if now := c.life.Load(); now != seen {
			seen = now
			arm()
			return
		}
		giveUp()
	}
	mu.Lock()
	defer mu.Unlock()
	arm()
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		cancel()
	}
}
