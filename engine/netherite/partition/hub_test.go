package partition

import (
	"bytes"
	"fmt"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// epochTime is when every test begins.
const epochTime = model.Time(1_800_000_000_000_000_000)

// testHub runs partitions as the real host does, but one event at a time: with a
// log shared by all, stores, checkpoints, crashes, and a transport that does
// what it is told. After every event it checks what must always hold.
type testHub struct {
	cfg     Config
	parts   []*testPart
	log     []logged // of all partitions, in the order of their commits
	net     []frame  // under way
	now     model.Time
	failed  func(format string, args ...any)
	note    func(format string, args ...any) // what happens, for scripts
	tracked func(p *testPart, in Input)      // sees every event before Step; may be nil
}

// logged is a record in the log, as bytes.
type logged struct {
	part  int
	chunk []byte
}

// frame is a run of messages on its way.
type frame struct {
	from, to int
	first    uint64
	messages []*model.Message
}

func (f frame) String() string {
	return fmt.Sprintf("p%d -> p%d: %d to %d", f.from, f.to, f.first, f.first+uint64(len(f.messages))-1)
}

// testPart is one partition with its surroundings.
type testPart struct {
	hub     *testHub
	id      int
	state   *State
	store   *rowStore
	capture *rowBatch // captured, not applied
	stamp   int       // how many records of the log the store contains
	pending int       // the same of the capture
	name    engine.Name
	fx      Effects
	ans     Answer
	replica *State // replays every record and never forgets an instance

	orchestrations map[string]*engine.OrchestrationItem
	entities       map[string]*engine.EntityItem
	activities     map[engine.Token]*engine.ActivityItem
	acked          []uint64 // by destination, not logged yet
	seq            uint64   // of client requests
}

func newTestHub(cfg Config, failed func(string, ...any)) *testHub {
	h := &testHub{cfg: cfg, now: epochTime, failed: failed, note: func(string, ...any) {}}
	for id := range cfg.Partitions {
		p := &testPart{hub: h, id: id, store: &rowStore{}}
		h.parts = append(h.parts, p)
	}
	for _, p := range h.parts {
		p.open(1)
	}
	return h
}

func (h *testHub) part(instance string) *testPart {
	return h.parts[model.PartitionOf(instance, h.cfg.Partitions)]
}

func (p *testPart) config() Config {
	cfg := p.hub.cfg
	cfg.Partition = p.id
	return cfg
}

// open recovers the partition from its store and the log, and begins an epoch.
func (p *testPart) open(epoch uint64) {
	p.state = New(p.config())
	p.capture, p.fx = nil, Effects{}
	p.orchestrations = map[string]*engine.OrchestrationItem{}
	p.entities = map[string]*engine.EntityItem{}
	p.activities = map[engine.Token]*engine.ActivityItem{}
	p.acked = make([]uint64, p.hub.cfg.Partitions)
	meta, err := FetchMeta(p.store, p.config())
	p.must(err)
	p.state.InstallMeta(meta)
	p.replica = New(p.config())
	for i, rec := range p.hub.log {
		if rec.part != p.id {
			continue
		}
		replay(p, p.replica, rec.chunk, &rowStore{})
		if i >= p.stamp {
			replay(p, p.state, rec.chunk, p.store)
		}
	}
	p.name = p.state.Last()
	p.check()
	p.state.ResumeLoaded()
	ords, more, err := ScanActive(p.store, p.id, 0, 1<<20)
	p.must(err)
	if more {
		p.hub.failed("p%d: more active instances than there are", p.id)
	}
	for _, ord := range ords {
		p.load(p.state, p.store, []Key{{Ord: ord}})
		p.state.Resume(ord, [3]bool{})
	}
	p.state.ForgetAbsent()
	p.name = engine.Name{Epoch: epoch}
	p.apply(&Opened{Epoch: epoch})
}

func (p *testPart) must(err error) {
	if err != nil {
		p.hub.failed("p%d: %v", p.id, err)
	}
}

// load brings keys into memory.
func (p *testPart) load(s *State, r Reader, keys []Key) {
	for _, k := range s.Missing(nil, keys) {
		l, err := Fetch(r, p.id, k)
		p.must(err)
		s.Install(l)
	}
}

// replay steps a state through the records of a chunk.
func replay(p *testPart, s *State, chunk []byte, r Reader) {
	c, err := ReadChunk(model.NewReader(chunk))
	p.must(err)
	var fx Effects
	for {
		in, ok, err := c.Next()
		p.must(err)
		if !ok {
			s.ForgetAbsent()
			return
		}
		p.step(s, r, in, &fx)
	}
}

// step applies an event with all that follows from it.
func (p *testPart) step(s *State, r Reader, in Input, fx *Effects) {
	p.load(s, r, in.Event.Keys(nil))
	s.Step(in, fx)
	for {
		keys, more := s.FollowUp(nil)
		if !more {
			return
		}
		p.load(s, r, keys)
		s.Continue(fx)
	}
}

// apply takes an event as the host does, and checks that an event that is not
// logged changes nothing and that replay comes to the same state.
func (p *testPart) apply(ev Event) Verdict {
	h := p.hub
	p.load(p.state, p.store, ev.Keys(nil))
	p.ans = Answer{}
	before := p.state.encodeDurable()
	v := p.state.Check(ev, h.now, &p.ans)
	if !bytes.Equal(before, p.state.encodeDurable()) {
		h.failed("p%d: Check of %T changed the durable state", p.id, ev)
	}
	if v != Admit {
		p.state.ForgetAbsent()
		return v
	}
	p.name.Number++
	in := Input{Name: p.name, Time: h.now, Event: ev}
	if h.tracked != nil {
		h.tracked(p, in)
	}
	chunk := AppendChunk(nil, ChunkHeader{Partition: p.id, First: in.Name, Time: h.now}, AppendRecord(nil, ev, h.now))
	p.step(p.state, p.store, in, &p.fx)
	h.log = append(h.log, logged{p.id, chunk})
	replay(p, p.replica, chunk, &rowStore{})
	p.check()
	p.state.ForgetAbsent()
	return v
}

// check compares the live state with its replay, whichever instances are in
// memory, and its bookkeeping with what it says.
func (p *testPart) check() {
	h, live, want := p.hub, p.state, p.replica
	if got, want := live.encodeSingletons(), want.encodeSingletons(); !bytes.Equal(got, want) {
		h.failed("p%d: singletons differ from their replay:\n live   %x\n replay %x", p.id, got, want)
	}
	for _, ord := range sortedOrds(want) {
		k := Key{Ord: ord}
		got := live.EncodeInstance(k)
		if inst, loaded := live.lookup(k); inst == nil && !loaded {
			l, err := Fetch(p.store, p.id, k)
			p.must(err)
			other := New(p.config())
			other.Install(l)
			got = other.EncodeInstance(k)
		}
		if !bytes.Equal(got, want.EncodeInstance(k)) {
			h.failed("p%d: instance %s differs from its replay:\n%s\n%s", p.id, want.byOrd[ord].id,
				showInstance(live, ord), showInstance(want, ord))
		}
	}
	for ord, inst := range live.byOrd {
		if want.byOrd[ord] == nil {
			h.failed("p%d: instance %s does not exist in replay", p.id, inst.id)
		}
	}
	checkState(h, live)
	checkState(h, want)
}

func sortedOrds(s *State) []uint64 {
	ords := make([]uint64, 0, len(s.byOrd))
	for ord := range s.byOrd { // sorted: below
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	return ords
}

// encodeDurable returns the canonical encoding of the whole durable part that is in
// memory. The replay checker compares it piece by piece.
func (s *State) encodeDurable() []byte {
	b := s.EncodeShared(nil)
	for _, k := range s.Instances() {
		b = model.AppendUvarint(b, k.Ord)
		b = model.AppendBytes(b, s.EncodeInstance(k))
	}
	return b
}

// encodeSingletons is encodeDurable without the instances.
func (s *State) encodeSingletons() []byte {
	byOrd := s.byOrd
	s.byOrd = nil
	defer func() { s.byOrd = byOrd }()
	return s.encodeDurable()
}

// crash loses the last records of the log, and all memory. With ahead, the
// history of a checkpoint under way is stored already, and only that.
func (h *testHub) crash(lose int, ahead bool) {
	for _, p := range h.parts {
		lose = min(lose, len(h.log)-p.stamp)
		if p.capture == nil || !ahead {
			continue
		}
		for !p.state.CaptureSome(3) {
		}
		for _, set := range p.capture.ahead {
			set(p.store)
		}
		lose = min(lose, len(h.log)-p.pending) // it was held until the log was durable up to there
	}
	h.log = h.log[:len(h.log)-lose]
	h.net = nil
	epoch := h.parts[0].name.Epoch + 1
	for _, p := range h.parts {
		p.open(epoch)
	}
}

// begin starts a checkpoint, capture goes on with it, applied ends it.
func (p *testPart) begin() bool {
	b := &rowBatch{}
	if p.capture != nil || !p.state.BeginCapture(b) {
		return false
	}
	p.capture, p.pending = b, len(p.hub.log)
	return true
}

func (p *testPart) applied() {
	if p.capture == nil {
		return
	}
	for !p.state.CaptureSome(3) {
	}
	p.capture.applyTo(p.store)
	p.capture, p.stamp = nil, p.pending
	p.state.CaptureApplied()
	p.check()
}

// dispatch hands out what is ready.
func (p *testPart) dispatch(max int) engine.Items {
	var it engine.Items
	for p.state.Dispatch(p.name.Epoch, p.hub.now, Wanted{Items: max, Begin: max}, &it) {
	}
	p.state.DispatchAfterCommit(&it)
	for _, i := range it.Orchestrations {
		p.orchestrations[i.Instance] = i
	}
	for _, i := range it.Entities {
		p.entities[i.Instance] = i
	}
	for _, i := range it.Activities {
		if p.activities[i.Token] != nil {
			p.hub.failed("p%d: activity %s/%d is handed out twice", p.id, i.Instance, i.Task)
		}
		p.activities[i.Token] = i
	}
	return it
}

// send puts everything unsent on its way, in one frame for each run.
func (p *testPart) send() {
	h, before := p.hub, len(p.hub.net)
	for {
		out, ok := p.state.Unsent()
		if !ok {
			return
		}
		p.state.MarkSent()
		if n := len(h.net); n > before {
			if f := &h.net[n-1]; f.from == p.id && f.to == out.Dest && f.first+uint64(len(f.messages)) == out.Seq {
				f.messages = append(f.messages, out.Message)
				continue
			}
		}
		h.net = append(h.net, frame{p.id, out.Dest, out.Seq, []*model.Message{out.Message}})
	}
}

// receive delivers a frame; a gap makes the origin send again.
func (h *testHub) receive(f frame) Verdict {
	p := h.parts[f.to]
	v := p.apply(&Received{Origin: f.from, First: f.first, Messages: slices.Clone(f.messages)})
	if v == Gap {
		h.parts[f.from].state.Resend(f.to, p.state.Seen(f.from)+1)
	}
	h.parts[f.from].acked[f.to] = max(h.parts[f.from].acked[f.to], p.state.Seen(f.from))
	return v
}

// poisonFirst takes the first message of the first frame, which cannot be applied
// if it is the next one.
func (h *testHub) poisonFirst() {
	f := &h.net[0]
	p, m := h.parts[f.to], f.messages[0]
	if f.first != p.state.Seen(f.from)+1 {
		h.receive(frame{f.from, f.to, f.first, f.messages[:1]})
	} else {
		p.apply(&Quarantined{
			Instance: Key{ID: m.To}, Reason: testReason, Origin: f.from, Through: f.first,
			Input: &Received{Origin: f.from, First: f.first, Messages: []*model.Message{m}},
		})
		h.parts[f.from].acked[f.to] = max(h.parts[f.from].acked[f.to], f.first)
	}
	if f.first, f.messages = f.first+1, f.messages[1:]; len(f.messages) == 0 {
		h.net = h.net[1:]
	}
}

// poisonTimer fires a timer that is due as one that cannot be.
func (p *testPart) poisonTimer() bool {
	due := p.state.DueTimers(p.hub.now, 1, nil)
	if len(due) == 0 {
		return false
	}
	p.load(p.state, p.store, []Key{{Ord: due[0].Ord}})
	if ev := (&TimersFired{Timers: due}); p.state.Check(ev, p.hub.now, &p.ans) == Admit {
		p.apply(&Quarantined{Instance: Key{Ord: due[0].Ord}, Reason: testReason, Input: ev})
	}
	return true
}

// acknowledge logs what has been acknowledged.
func (p *testPart) acknowledge() (n int) {
	for dest, through := range p.acked {
		if p.apply(&Acked{Dest: dest, Through: through}) == Admit {
			n++
		}
	}
	return n
}

// fire fires what is due.
func (p *testPart) fire(max int) (refs []TimerRef) {
	s := p.state
	for s.Horizon() <= p.hub.now {
		found, horizon, err := FetchTimers(p.store, p.id, s.Horizon(), p.hub.now.Add(time.Minute), 3)
		p.must(err)
		s.InstallTimers(found, horizon, false)
	}
	refs = s.DueTimers(p.hub.now, max, nil)
	for _, r := range refs {
		if r.FireAt > p.hub.now {
			p.hub.failed("p%d: timer %d of %d fires early", p.id, r.ID, r.Ord)
		}
	}
	ev := &TimersFired{Timers: refs}
	if len(refs) == 0 || p.apply(ev) != Admit {
		return nil
	}
	return ev.Timers
}

// history reads an instance's history as the host does.
func (p *testPart) history(k Key) ([]model.Event, engine.Name) {
	p.load(p.state, p.store, []Key{k})
	ref, ok := p.state.HistoryOf(k)
	p.state.ForgetAbsent()
	if !ok {
		return nil, engine.Name{}
	}
	events, err := FetchHistory(p.store.snapshot(), p.id, ref)
	p.must(err)
	return events, engine.Name{}
}
