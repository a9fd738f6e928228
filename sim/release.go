package sim

import (
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
	"github.com/netherite-go/netherite/substrate"
)

// releases checks, for one opening of the log, that nothing leaves before what it
// depends on is durable: answers never do, messages and work items as the release
// level has it, and activities with AfterCommit never.
type releases struct {
	fresh    []string                    // names of the requests that the batch in progress has admitted
	requests map[string]substrate.Offset // where the records of requests end
	parts    []causes                    // by partition; nil until the first batch
	lacking  bool                        // the log could not be written to for lack of space
	lacks    int                         // how often that was so
}

// causes are of what leaves one partition.
type causes struct {
	epoch   uint64
	records check.Causes // activities bear the number of the record that scheduled them
	steps   check.Causes // numbered by hand-outs
	sent    []check.Causes
}

// before precedes a batch. What is there before the first one has been recovered:
// it is durable.
func (r *releases) before(p *process) {
	if r.parts != nil {
		return
	}
	r.requests = map[string]substrate.Offset{}
	r.parts = make([]causes, p.w.plan.partitions)
	for id := range r.parts {
		r.parts[id].sent = make([]check.Causes, len(r.parts))
		r.note(p, id, 0)
	}
}

// admitted notes a request in the batch in progress.
func (r *releases) admitted(ev partition.Event) {
	switch e := ev.(type) {
	case *partition.Start:
		r.fresh = append(r.fresh, e.Client.Key)
	case *partition.Command:
		if e.Client.Key != "" {
			r.fresh = append(r.fresh, e.Client.Key)
		} else if int(e.Op) < len(requestNames) {
			r.fresh = append(r.fresh, requestNames[e.Op]+" "+e.Instance)
		}
	}
}

// requestNames is what clients call the commands that have no key.
var requestNames = [...]string{
	partition.OpSuspend: "suspend", partition.OpResume: "resume", partition.OpTerminate: "terminate",
	partition.OpRewind: "rewind", partition.OpPurge: "purge",
}

// appended follows a batch.
func (r *releases) appended(p *process, id int) {
	at := p.eng.Appended(id)
	for _, name := range r.fresh {
		r.requests[name] = at
	}
	r.fresh = r.fresh[:0]
	r.note(p, id, at)
}

// note notes what a partition has come to, all of which depends on no more of the
// log than ends there.
func (r *releases) note(p *process, id int, at substrate.Offset) {
	c, last := &r.parts[id], p.eng.Last(id)
	if c.epoch != last.Epoch {
		c.epoch, c.records, c.steps = last.Epoch, check.Causes{}, check.Causes{}
	}
	c.records.Grown(last.Number, at)
	c.steps.Grown(p.eng.HandOuts(id), at)
	for to := range c.sent {
		c.sent[to].Grown(p.eng.Emitted(id, to), at)
	}
}

// question is what an answer has to wait for.
type question struct {
	log   *wal // of the node that was asked; nil: nothing is known
	least substrate.Offset
	lacks int
}

// asked is called when a client asks about an instance, or about all of them: the
// answer depends on all that their partitions have appended before.
func (p *process) asked(instance string) (q question) {
	if p.log == nil || p.eng.Failed() || p.log.releases.lacking {
		return q
	}
	q.log, q.lacks = p.log, p.log.releases.lacks
	if instance != "" {
		q.least = p.eng.Appended(model.PartitionOf(instance, p.w.plan.partitions))
		return q
	}
	for id := range p.w.plan.partitions {
		if p.w.isDamaged(id) {
			continue // it may be left out
		}
		q.least = max(q.least, p.eng.Appended(id))
	}
	return q
}

// answered is called when a client has got an answer, of whatever kind, to a
// request that goes by these names. On a full disk what has not changed since the
// last durable record may be told.
func (p *process) answered(q question, names ...string) {
	if q.log == nil || q.log != p.log || p.superseded {
		return
	}
	r := &p.log.releases
	if q.least > p.durable && r.lacks == q.lacks {
		p.w.fail("answer before durable: %s was asked when the log had been appended up to %d, of which %d is durable", names[0], q.least, p.durable)
	}
	for _, name := range names {
		if at := r.requests[name]; at > p.durable {
			p.w.fail("answer before durable: %s ends in the log at %d, of which %d is durable", name, at, p.durable)
		}
	}
}

// leaves checks frames that leave a partition.
func (p *process) leaves(frames []netherite.Frame) {
	if p.w.plan.release == netherite.ReleaseNode || p.log.releases.parts == nil {
		return
	}
	for i := range frames {
		f := &frames[i]
		if f.Kind != netherite.FrameMessages {
			continue // acknowledgements may overtake their cause: what follows from them cannot
		}
		last := f.First + uint64(len(f.Messages)) - 1
		if err := p.log.releases.parts[f.From].sent[f.To].Durable(last, p.durable); err != nil {
			p.w.fail("message before durable: number %d from partition %d to %d: %w", last, f.From, f.To, err)
		}
	}
}

// offers is a worker as the engine sees it: what it is offered is checked.
type offers struct {
	engine.Worker
	p *process
}

// Offer implements engine.Worker.
func (o *offers) Offer(items engine.Items) {
	conservative := o.p.w.plan.release == netherite.ReleaseConservative
	for _, i := range items.Activities {
		if conservative || i.Name == patient {
			o.p.handed(i.Token, false)
		}
	}
	if conservative {
		for _, i := range items.Orchestrations {
			o.p.handed(i.Token, true)
		}
		for _, i := range items.Entities {
			o.p.handed(i.Token, true)
		}
	}
	o.Worker.Offer(items)
}

// handed checks that an item may leave its partition. One from an earlier epoch
// has been recovered.
func (p *process) handed(t engine.Token, step bool) {
	c, what := &p.log.releases.parts[t.Partition], "activity"
	if t.Name.Epoch != c.epoch {
		return
	}
	numbers := &c.records
	if step {
		what, numbers = "step", &c.steps
	}
	if err := numbers.Durable(t.Name.Number, p.durable); err != nil {
		p.w.fail("%s before durable: hand-out %d of partition %d: %w", what, t.Name.Number, t.Partition, err)
	}
}
