package sim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// spectator watches the instances of one process for a while, and reads some of them.
type spectator struct {
	c       *client
	p       *process
	o       engine.WatchOptions
	watch   engine.Watch
	seen    *check.Watched
	patient bool     // it waits for what it is told; else it takes that after each batch
	latest  []string // of which it was told last
}

// spectate watches for a few seconds, or until the process is gone.
func (c *client) spectate() {
	w := c.w
	w.park(func() bool { return w.serving() != nil })
	s := &spectator{c: c, p: w.serving(), o: w.anyWatch(), seen: check.NewWatched(), patient: w.often.IntN(2) == 0}
	var err error
	if s.watch, err = s.p.eng.Engine().Watch(s.o); err != nil {
		if !errors.Is(err, engine.ErrClosed) {
			w.fail("watch: it cannot begin: %w", err)
		}
		return
	}
	if !s.patient {
		s.p.spectators = append(s.p.spectators, s)
	}
	ids := w.underWay(&s.o)
	for until := w.now + time.Duration(w.often.IntN(4000))*time.Millisecond; w.now < until && w.failure == nil && !s.p.dead; {
		for _, id := range ids {
			s.read(id)
		}
		s.wait(time.Duration(w.often.IntN(500)) * time.Millisecond)
		ids = s.latest
	}
	s.end()
}

// anyWatch draws what is watched.
func (w *world) anyWatch() (o engine.WatchOptions) {
	switch w.often.IntN(8) {
	case 0:
		o.Entities = true
	case 1:
		o.Buffer = 1 + w.often.IntN(3)
	case 2:
		o.Names = []string{"Transfer", "Nap"}
	case 3:
		o.Statuses = []model.Status{model.Completed, model.Terminated}
	case 4:
		o.IDPrefix = "captive-"
	case 5:
		if ids := w.underWay(&o); len(ids) > 0 {
			o.Instance = ids[0]
		}
	}
	return o
}

// underWay lists a few instances of which a watch tells, and which may change soon.
func (w *world) underWay(o *engine.WatchOptions) (ids []string) {
	if o.Entities {
		return []string{accounts.Key(fmt.Sprint(w.often.IntN(w.plan.accounts))).InstanceID()}
	}
	for _, id := range slices.Sorted(maps.Keys(w.ledger.Instances)) {
		i := w.ledger.Instances[id]
		if status, _ := i.Seen(); !status.Ended() && o.Matches(&engine.Change{Instance: id, Name: i.Kind, Gone: true}) {
			ids = append(ids, id)
		}
	}
	w.often.Shuffle(len(ids), func(a, b int) { ids[a], ids[b] = ids[b], ids[a] })
	return ids[:min(len(ids), 3)]
}

// wait takes what is told within a time.
func (s *spectator) wait(d time.Duration) {
	w := s.c.w
	if !s.patient {
		w.sleep(d)
		return
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	defer w.after(d, cancel)()
	changes, lost, err := s.watch.Next(ctx)
	if err != nil && ctx.Err() == nil && !(s.p.dead && errors.Is(err, engine.ErrClosed)) {
		w.fail("watch: it has ended with %w", err)
	}
	s.told(changes, lost)
	if err != nil { // which of several things that have happened Next tells of is by chance
		s.take()
	}
}

// over is a context that has ended.
var over = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// take takes the changes that have been told and not taken yet.
func (s *spectator) take() []engine.Change {
	changes, lost, _ := s.watch.Next(over)
	s.told(changes, lost)
	return changes
}

// told judges what is told.
func (s *spectator) told(changes []engine.Change, lost bool) {
	w := s.c.w
	for i := range changes {
		c := &changes[i]
		v := check.View{Status: c.Status, Execution: c.Execution, LastUpdated: c.LastUpdated, Gone: c.Gone}
		w.note("told", digest(c.Instance), uint64(c.LastUpdated))
		if !s.o.Matches(c) {
			w.fail("watch: it tells of %q, %v, of which nobody wanted to hear: %+v", c.Instance, v, s.o)
		}
		if err := s.seen.Told(c.Instance, v); err != nil {
			w.fail("%w", err)
		}
		w.ledger.Told(c.Instance, v)
		s.latest = append(s.latest[max(0, len(s.latest)-2):len(s.latest):len(s.latest)], c.Instance)
	}
	if lost {
		s.seen.Lost()
	}
}

// read reads an instance, and compares it with what has been told.
func (s *spectator) read(id string) {
	w, p := s.c.w, s.p
	if p.dead || w.failure != nil {
		return
	}
	s.take()
	asked := s.seen.Ask(id)
	var got *model.Instance
	err := s.c.onceOf(p, id, []string{"watch"}, func(ctx context.Context, e *netherite.Engine) (err error) {
		got, err = e.Get(ctx, id, engine.GetOptions{})
		return err
	})
	if p.dead || err != nil && !errors.Is(err, engine.ErrNotFound) {
		return
	}
	s.take()
	if len(s.o.Statuses) > 0 { // then it need not have been told of how it is now
		return
	}
	if err := s.seen.Saw(id, check.ViewOf(got), asked); err != nil {
		w.fail("%w", err)
	}
}

// end ends the watch. One of a process that is gone has to say so.
func (s *spectator) end() {
	s.p.spectators = slices.DeleteFunc(s.p.spectators, func(o *spectator) bool { return o == s })
	if s.p.dead {
		for range 2 { // there may be something left that was told before
			changes, lost, err := s.watch.Next(context.Background())
			if s.told(changes, lost); errors.Is(err, engine.ErrClosed) {
				return
			}
		}
		s.c.w.fail("watch: the process is gone, and it does not say so")
	}
	s.watch.Close()
}

// listen has spectators take what they have been told.
func (p *process) listen() {
	for _, s := range p.spectators {
		s.take()
	}
}

// listenTo has spectators take what a batch of a partition has told, which is nothing
// unless all of it is durable.
func (p *process) listenTo(partition int) {
	for _, s := range p.spectators {
		if at, changes := p.eng.Appended(partition), s.take(); len(changes) > 0 && at > p.durable {
			p.w.fail("change before durable: that of %q was told when the log had been appended up to %d, of which %d is durable", changes[0].Instance, at, p.durable)
		}
	}
}
