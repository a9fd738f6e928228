package partition

import (
	"bytes"
	"fmt"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"pgregory.net/rapid"
)

// TestRandomScriptsKeepEveryPromise lets clients, workers, the transport, the
// clock, checkpoints, evictions and crashes act in any order on several
// partitions. The hub itself checks after every event that replay, reload and
// live state agree; here come the promises that span partitions and time.
func TestRandomScriptsKeepEveryPromise(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := newChaos(rt)
		for range rapid.IntRange(20, 160).Draw(rt, "events") {
			c.act()
			c.checkLocks()
		}
		c.quiesce()
		c.checkEnd()
	})
}

// chaos draws what happens next.
type chaos struct {
	*rapid.T
	h        *testHub
	requests []sent
	actions  []int // what steps ask for, by the numbers in action
}

// sent is a client request that may be sent again.
type sent struct {
	p  *testPart
	ev Event
	at int // its place in the log, -1 if it is not there
}

func newChaos(rt *rapid.T) *chaos {
	c := &chaos{T: rt}
	c.h = newTestHub(Config{
		Partitions:     c.num("partitions", 1, 3),
		MaxBatch:       c.num("batch", 1, 4),
		MaxEntityBatch: c.num("entity batch", 1, 4),
	}, func(format string, args ...any) {
		rt.Fatalf(format+"\n%s", append(args, c.h.story())...)
	})
	c.actions = pick(c, "focus", [][]int{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, // everything
		{6, 7, 8, 9, 9, 10, 10},            // entities and their locks
		{0, 2, 3, 4, 4, 5},                 // children, tasks and timers
	})
	return c
}

func (c *chaos) num(what string, low, high int) int { return rapid.IntRange(low, high).Draw(c.T, what) }
func (c *chaos) one(what string, of int) bool       { return c.num(what, 1, of) == 1 }
func pick[T any](c *chaos, what string, list []T) T { return list[c.num(what, 0, len(list)-1)] }

var (
	someOrchestrations = []string{"a", "b", "c", "d", "e", "f"}
	someEntities       = []string{"@e@1", "@e@2", "@e@4", "@f@1"}
)

func (c *chaos) orchestration() string { return pick(c, "orchestration", someOrchestrations) }
func (c *chaos) entity() string        { return pick(c, "entity", someEntities) }
func (c *chaos) part() *testPart       { return pick(c, "partition", c.h.parts) }

// act lets one thing happen.
func (c *chaos) act() {
	p := c.part()
	switch c.num("what", 0, 24) {
	case 0, 1, 2:
		c.request()
	case 3:
		c.requestAgain()
	case 4, 5, 6, 7, 8:
		p.dispatch(c.num("max", 1, 5))
		c.work(p)
	case 9, 10, 11:
		c.work(p)
	case 12, 13:
		p.send()
		c.deliver(c.num("frames", 1, 4))
	case 14:
		c.disturb()
	case 15:
		p.acknowledge()
	case 16, 17:
		c.h.now = c.h.now.Add(time.Duration(c.num("seconds", -2, 10)) * time.Second)
		if c.one("poison", 6) {
			p.poisonTimer()
		}
		p.fire(c.num("timers", 1, 10))
	case 18:
		if !p.begin() {
			p.applied()
		}
	case 19:
		if p.capture != nil {
			p.state.CaptureSome(c.num("some", 1, 3))
		}
	case 20:
		p.begin()
		p.applied()
		p.state.Evict(0)
	case 21:
		p.state.EvictEnded()
		p.state.Evict(int64(c.num("bytes", 0, 5000)))
	case 22:
		c.checkQuery(p)
	case 23:
		c.checkHistories(p)
		c.checkClone(p)
	case 24:
		if c.one("crash", 4) {
			c.crash(c.num("lose", 0, 8))
		}
	}
}

func (c *chaos) crash(lose int) {
	c.h.crash(lose, c.one("history ahead", 2))
	for i := range c.requests {
		if c.requests[i].at >= len(c.h.log)-len(c.h.parts) { // each partition has logged that it was opened
			c.requests[i].at = -1
		}
	}
}

// request sends a client request.
func (c *chaos) request() {
	id := c.orchestration()
	var ev Event
	switch op := c.num("request", 0, 14); op {
	case 0, 1, 2, 3:
		r := engine.StartRequest{Instance: id, Name: "O", Input: []byte("in"), IfExists: engine.Reuse(c.num("policy", 0, 3))}
		if c.one("later", 4) {
			r.At = c.h.now.Add(5 * time.Second)
		}
		if c.one("tagged", 3) {
			r.Tags = map[string]string{"k": pick(c, "tag", []string{"v", "w"})}
		}
		ev = &Start{Request: r}
	case 4, 5:
		ev = &Command{Op: OpRaise, Instance: id, Name: "go"}
	case 6, 7:
		ev = &Command{Op: OpSignal, Instance: c.entity(), Name: "op", At: c.maybeLater()}
	case 8:
		ev = &Command{Op: OpSuspend, Instance: id}
	case 9, 10:
		ev = &Command{Op: OpResume, Instance: id}
	case 11:
		ev = &Command{Op: OpTerminate, Instance: id, Recursive: c.one("recursive", 2)}
	case 12:
		if c.one("entity", 3) {
			id = c.entity()
		}
		ev = &Command{Op: OpRewind, Instance: id}
	case 13:
		ev = &Command{Op: OpPurge, Instance: id, Recursive: c.one("recursive", 2)}
	case 14:
		ev = c.maintenance(id)
	}
	c.submit(id, ev)
}

func (c *chaos) maybeLater() model.Time {
	if c.one("later", 4) {
		return c.h.now.Add(time.Duration(c.num("seconds", 0, 9)) * time.Second)
	}
	return 0
}

// maintenance is what the shell does by itself.
func (c *chaos) maintenance(id string) Event {
	p := c.part()
	if c.one("quarantine", 3) {
		if c.one("entity", 2) {
			id = c.entity()
		}
		p = c.h.part(id)
		if c.one("old", 4) {
			p.apply(&QuarantinedV1{Instance: Key{ID: id}, Reason: testReason})
		} else {
			p.apply(&Quarantined{Instance: Key{ID: id}, Reason: testReason})
		}
		return nil
	}
	ev := &Purged{}
	for range c.num("ordinals", 1, 4) {
		ev.Ords = append(ev.Ords, uint64(c.num("ordinal", 1, int(p.state.nextOrd))))
	}
	p.apply(ev)
	return nil
}

func (c *chaos) submit(id string, ev Event) {
	p := c.h.part(id)
	var client *Client
	switch e := ev.(type) {
	case nil:
		return
	case *Start:
		client = &e.Client
	case *Command:
		p, client = c.h.part(e.Instance), &e.Client
	default:
		p.apply(ev)
		return
	}
	p.seq++
	*client = Client{Session: [16]byte{byte(c.num("session", 1, 2))}, Seq: p.seq, Floor: max(1, p.seq-min(p.seq, 40))}
	if c.one("keyed", 5) {
		client.Key = "key"
	}
	s := sent{p, ev, -1}
	if p.apply(ev) == Admit {
		s.at = len(c.h.log) - 1
	}
	c.requests = append(c.requests, s)
}

// requestAgain repeats a request: one that has taken effect must not do so again.
func (c *chaos) requestAgain() {
	if len(c.requests) == 0 {
		return
	}
	s := &c.requests[c.num("which", 0, len(c.requests)-1)]
	switch e := s.ev.(type) {
	case *Start:
		e.Retry = true
	case *Command:
		e.Retry = true
	}
	if s.p.apply(s.ev) == Admit {
		if s.at >= 0 {
			c.h.failed("p%d: a request took effect twice: %+v", s.p.id, s.ev)
		}
		s.at = len(c.h.log) - 1
	}
}

// deliver lets frames arrive.
func (c *chaos) deliver(n int) {
	for ; n > 0 && len(c.h.net) > 0; n-- {
		f := c.h.net[0]
		c.h.net = c.h.net[1:]
		c.h.receive(f)
	}
}

// disturb loses, doubles, delays or reorders a frame.
func (c *chaos) disturb() {
	net := c.h.net
	if len(net) == 0 {
		return
	}
	i, j := c.num("frame", 0, len(net)-1), c.num("other", 0, len(net)-1)
	switch c.num("how", 0, 4) {
	case 3, 4:
		c.h.poisonFirst()
	case 0:
		f := net[i]
		c.h.net = slices.Delete(net, i, i+1)
		from, seen := c.h.parts[f.from], c.h.parts[f.to].state.Seen(f.from)
		from.acked[f.to] = max(from.acked[f.to], seen) // as on a reconnection
		from.state.Resend(f.to, seen+1)
	case 1:
		c.h.net = slices.Insert(net, i, net[j])
	case 2:
		net[i], net[j] = net[j], net[i]
	}
}

// checkLocks holds that whoever was granted a section has all its locks.
func (c *chaos) checkLocks() {
	for _, p := range c.h.parts {
		for _, inst := range p.replica.byOrd { // order-free: a conjunction
			for _, sec := range inst.sections {
				for _, e := range sec.lockSet {
					if !sec.granted {
						continue
					}
					ent := c.h.part(e).replica.byID[e]
					if ent == nil || ent.entity.section != sec.key {
						c.h.failed("%s was granted %s and does not hold %s", inst.id, sec.id, e)
					}
				}
			}
		}
	}
}

// checkHistories compares what is read, from chunks and memory, with what the
// replay has in one piece, and looks at what was answered.
func (c *chaos) checkHistories(p *testPart) {
	for _, ord := range sortedOrds(p.replica) {
		inst := p.replica.byOrd[ord]
		want, err := decodeHistory(inst)
		p.must(err)
		got, _ := p.history(Key{Ord: ord})
		if fmt.Sprint(showEvents(got)) != fmt.Sprint(showEvents(want)) {
			c.h.failed("history of %s:\n got %s\nwant %s", inst.id, showEvents(got), showEvents(want))
		}
		if err := checkHistory(got); err != nil {
			c.h.failed("history of %s: %v: %s", inst.id, err, showEvents(got))
		}
	}
}

func decodeHistory(inst *instance) ([]model.Event, error) {
	if len(inst.tail.buf) == 0 {
		return nil, nil
	}
	return decodeChunk(nil, inst.tail.buf)
}

// checkClone holds that a copy made through the encoding is the same.
func (c *chaos) checkClone(p *testPart) {
	clone, err := p.state.Clone()
	p.must(err)
	if !bytes.Equal(clone.encodeDurable(), p.state.encodeDurable()) {
		c.h.failed("p%d: a clone differs", p.id)
	}
	for ord, inst := range clone.byOrd { // order-free: a conjunction
		if inst.size != p.state.byOrd[ord].size {
			c.h.failed("p%d: %s takes %d bytes, its clone %d", p.id, inst.id, p.state.byOrd[ord].size, inst.size)
		}
	}
}

// checkQuery compares an indexed query with a look at every instance.
func (c *chaos) checkQuery(p *testPart) {
	q := &engine.Query{Entities: c.one("entities", 4)}
	if c.one("by name", 3) {
		q.Names = []string{"O", "C"}[:c.num("names", 1, 2)]
	}
	if c.one("by status", 3) {
		q.Statuses = []model.Status{model.Status(c.num("status", 0, 7)), model.Pending}
	}
	if c.one("by tag", 3) {
		q.Tags = map[string]string{"k": "v"}
	}
	if c.one("by prefix", 3) {
		q.IDPrefix = pick(c, "prefix", []string{"a", "@e", "z"})
	}
	if c.one("by time", 3) {
		q.CreatedFrom, q.CreatedTo = epochTime.Add(5*time.Second), epochTime.Add(15*time.Second)
	}
	var want []Row
	for _, ord := range sortedOrds(p.replica) {
		if inst := p.replica.byOrd[ord]; matches(inst, q) {
			want = append(want, rowOf(orderOf(p.id, inst, q), inst, q))
		}
	}
	slices.SortFunc(want, func(a, b Row) int { return compareText(a.Order, b.Order) })
	var got []Row
	for page, after := c.num("page", 1, 3), ""; ; after = got[len(got)-1].Order {
		rows, err := runQuery(p.store.snapshot(), p.id, q, after, page, p.state.Overlay(q, Bound{After: after, Rows: page, Bytes: math.MaxInt}), func() bool { return false })
		p.must(err)
		if len(rows) == 0 {
			break
		}
		got = append(got, rows...)
	}
	if len(got) != len(want) {
		c.h.failed("p%d: %+v finds %d instances, there are %d", p.id, q, len(got), len(want))
	}
	for i := range got {
		if g, w := got[i], want[i]; g.Order != w.Order || g.Ord != w.Ord || g.Instance.Status != w.Instance.Status || g.Instance.LastUpdated != w.Instance.LastUpdated {
			c.h.failed("p%d: %+v: row %d is %+v, want %+v", p.id, q, i, g, w)
		}
	}
}

func compareText(a, b string) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
