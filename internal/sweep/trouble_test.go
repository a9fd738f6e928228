package sweep_test

import (
	"errors"
	"fmt"
	"path"
	"runtime"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// sickPartition is the one that is parked for a while.
const sickPartition = 1

// in makes up an ID that lives in a partition.
func in(partition int, prefix string) string {
	for i := 0; ; i++ {
		if id := fmt.Sprint(prefix, i); model.PartitionOf(id, partitions) == partition {
			return id
		}
	}
}

// bookIn makes up the key of a book in a partition.
func bookIn(partition int, prefix string) string {
	for i := 0; ; i++ {
		if key := fmt.Sprint(prefix, i); model.PartitionOf(books.Key(key).InstanceID(), partitions) == partition {
			return key
		}
	}
}

var (
	// These are set aside: pot is a book that is tried again, kept another that waits for
	// that longer, ear a listener; deaf is ended and purged in place of that.
	pot, kept = bookIn(0, "pot"), bookIn(0, "kept")
	ear, deaf = in(1, "ear"), in(1, "deaf")

	spot    = bookIn(0, "spot")             // is locked with the pot, and not there before
	diary   = bookIn(2, "diary")            // of what fails
	away    = bookIn(sickPartition, "away") // a book whose partition is parked for a while
	runner  = in(2, "runner")               // continues as new
	talker  = in(0, "talker")               // is told much
	invited = in(0, "guest")                // is terminated, and purged by retention
)

// trouble is what goes wrong and is seen to by somebody: instances that are set aside,
// orchestrations that fail and are rewound, a partition that is parked; and what
// forgets: retention, and purges by query. And what is large: a fan-out of 100, and an
// orchestration that continues as new ten times.
func trouble(w *workload, fs *faultfs.FS, _ int) error {
	for n, part := range []func(*workload, *faultfs.FS) error{begin, setAside, forget, withoutPartition, comeBack} {
		if err := part(w, fs); err != nil {
			return fmt.Errorf("part %d: %w", n, err)
		}
	}
	return nil
}

// begin leaves three orchestrations that have failed, and waits until others are
// beyond their retention, which is looked at every second.
func begin(w *workload, fs *faultfs.FS) (err error) {
	w.hub, err = openWith(fs, w.mending, netherite.Clock(w.clock), netherite.RetentionRules(netherite.RetentionRule{Names: []string{"Brief*"}, Keep: time.Millisecond}))
	if err != nil {
		return err
	}
	briefs := []string{in(0, "brief"), in(1, "brief"), in(2, "brief")}
	err = together(
		func() error {
			return errors.Join(w.post(pot, "first"), w.post(kept, "first"), w.post(away, "first"))
		},
		func() error { return errors.Join(w.listen(ear), w.listen(deaf), w.listen(talker), w.relay(runner)) },
		func() error { return errors.Join(w.fails(in(0, "a")), w.fails(in(1, "b")), w.fails(in(2, "c"))) },
		func() (err error) {
			for _, id := range briefs {
				err = errors.Join(err, w.brief(id))
			}
			return errors.Join(err, w.guest(invited), w.terminate(invited))
		},
	)
	err = errors.Join(err, w.sampled(0.2, func() error { return w.square("wide", 100) }))
	for _, id := range append(briefs, invited) {
		err = errors.Join(err, w.gone(id))
	}
	return errors.Join(err, w.hub.Close(w.ctx))
}

// setAside has the core fail four times. One of those whom that concerns is tried again,
// one is ended and purged; two stay as they are.
func setAside(w *workload, fs *faultfs.FS) (err error) {
	var r *rigged
	if w.hub, r, err = openRigged(fs, w.mending, -1, netherite.Clock(w.clock)); err != nil {
		return err
	}
	err = errors.Join(
		w.poisonLock(r, in(1, "locks")),
		w.poison(r, ear, in(1, "to-ear"), w.tells(ear)),
		w.sends(pot, 2)(in(2, "more-pot")), w.post(pot, "held"), w.holds(books.Key(pot).InstanceID(), 4), w.say(ear, 1), w.holds(ear, 2),
		w.hub.Checkpoint(w.ctx),
		w.retry(books.Key(pot).InstanceID()), w.ends(in(1, "locks")), w.post(pot, "after"),
		w.poison(r, books.Key(kept).InstanceID(), in(0, "to-kept"), w.sends(kept, 1)), w.post(kept, "held"),
		w.poison(r, deaf, in(1, "to-deaf"), w.tells(deaf)), w.say(deaf, 1), w.terminate(deaf), w.purge(deaf),
	)
	a := in(0, "a")
	err = errors.Join(err, w.rewind(a), w.hasFailed(a, 2), w.rewind(a), w.ends(a))
	return errors.Join(err, w.hub.Close(w.ctx))
}

// forget purges by query. It tells the one that continues as new all its words, tries
// one again that was set aside by an earlier opening, and ends with a kill.
func forget(w *workload, fs *faultfs.FS) (err error) {
	if w.hub, err = openWith(fs, w.mending, netherite.Clock(w.clock)); err != nil {
		return err
	}
	err = together(
		func() error { return w.words(runner, 10) },
		func() (err error) {
			for i := range 4 {
				err = errors.Join(err, w.square(fmt.Sprint("batch-", i), 2))
			}
			return errors.Join(err, w.purgeWhere("batch-", 4))
		},
		func() error {
			b := in(1, "b")
			return errors.Join(w.rewind(b), w.hasFailed(b, 2))
		},
		func() error { return errors.Join(w.retry(ear), w.say(ear, 1)) },
	)
	err = errors.Join(err, w.hub.Checkpoint(w.ctx), w.sends(away, 2)(in(sickPartition, "own")), w.post(away, "unstored"), w.post(kept, "unstored"), w.say(ear, 1))
	w.hub.Kill()
	return err
}

// withoutPartition has a partition parked. What the others send it waits, and what it
// needs of the log is kept apart.
func withoutPartition(w *workload, fs *faultfs.FS) (err error) {
	w.note(func(f *facts) { f.troubles.parked = true })
	defer w.note(func(f *facts) { f.troubles.parked = false })
	if w.hub, _, err = openRigged(fs, w.mending, sickPartition, netherite.Clock(w.clock)); err != nil {
		return err
	}
	err = errors.Join(
		w.sends(away, 2)(in(0, "waits")), w.sends(away, 1)(in(2, "waits")), w.say(talker, 8), w.hub.Checkpoint(w.ctx),
		w.isRefused(away), keptApart(fs), w.post(kept, "meanwhile"),
	)
	return errors.Join(err, w.hub.Close(w.ctx))
}

// isRefused holds that a request for a partition that is parked says so.
func (w *workload) isRefused(book string) error {
	if err := enter.Post(w.ctx, w.hub, books.Key(book), "refused"); !errors.Is(err, engine.ErrUnavailable) {
		return fmt.Errorf("a request for a partition that is parked: %w", err)
	}
	return nil
}

func keptApart(fs *faultfs.FS) error {
	names, err := fs.List(path.Join(dir, "side"))
	if err == nil && len(names) == 0 {
		err = errors.New("nothing was kept apart")
	}
	return err
}

// comeBack has all partitions again, and sees to what is left.
func comeBack(w *workload, fs *faultfs.FS) (err error) {
	if w.hub, err = openWith(fs, w.mending, netherite.Clock(w.clock)); err != nil {
		return err
	}
	defer w.hub.Kill()
	b := in(1, "b")
	return errors.Join(
		w.post(away, "again"), w.rewind(b), w.ends(b), w.hub.Checkpoint(w.ctx),
		w.retry(books.Key(kept).InstanceID()), w.square("tail-0", 2), w.square("tail-1", 2), w.purgeWhere("tail-", 2),
		w.sends(away, 1)(in(0, "last")), w.rewind(in(2, "c")), w.words(runner, 1),
	)
}

func (w *workload) post(book, what string) error {
	return w.ask(func(f *facts) { f.troubles.posts[page{book, what}] = true }, func() error { return enter.Post(w.ctx, w.hub, books.Key(book), what) })
}

// brief starts what retention may purge at any time once it has ended.
func (w *workload) brief(id string) error {
	w.note(func(f *facts) { f.purged[id] = true })
	return start(w, brief, id, 7, func(f *facts) { f.troubles.outputs[id] = "7" }, false)
}

// guest starts what retention may purge once it is terminated.
func (w *workload) guest(id string) error {
	w.note(func(f *facts) { f.purged[id] = true })
	return start(w, guest, id, durable.None{}, func(f *facts) { f.listeners[id] = true }, false)
}

// gone waits until retention has purged an instance.
func (w *workload) gone(id string) error {
	return w.see(func(f *facts) { f.purged[id] = true }, id, func(i *model.Instance) bool { return i == nil })
}

// muchAtAll is how many operations on files there are at most while a client waits.
const muchAtAll = 200

// see waits until an instance, nil for none, is as it is to be, which the client then knows.
func (w *workload) see(note func(*facts), id string, is func(*model.Instance) bool) error {
	return w.ask(note, func() error {
		// Recoveries hold up whoever changes files, for as long as they like.
		first := w.operations.Load()
		last, end := first, time.Now().Add(patience)
		for ; ; runtime.Gosched() {
			if n := w.operations.Load(); n > first+muchAtAll || n == last && time.Now().After(end) {
				return fmt.Errorf("%s does not become what it should", id)
			} else if n > last {
				last, end = n, time.Now().Add(patience)
			}
			i, err := w.hub.Engine().Get(w.ctx, id, engine.GetOptions{Waits: true})
			if err != nil && !errors.Is(err, engine.ErrNotFound) {
				return err
			}
			if is(i) {
				return nil
			}
		}
	})
}

func (w *workload) fails(id string) error {
	const steps = 2
	err := start(w, shaky, id, fragile{diary, steps}, func(f *facts) {
		f.troubles.shaky[id], f.troubles.entries[id], f.troubles.outputs[id] = true, pages(diary, id, steps), `"whole"`
	}, false)
	return errors.Join(err, w.hasFailed(id, 1))
}

// hasFailed waits until an instance has failed for the n-th time.
func (w *workload) hasFailed(id string, n int) error {
	return w.see(func(f *facts) { f.troubles.failed[id] = n }, id, func(i *model.Instance) bool { return i.Status == model.Failed })
}

// rewind mends one step.
func (w *workload) rewind(id string) error {
	w.mending.mend(id)
	return w.ask(func(f *facts) { f.troubles.rewound[id]++ }, func() error { return w.hub.Engine().Rewind(w.ctx, id, "mended") })
}

func (w *workload) ends(id string) error {
	return w.see(func(f *facts) { f.finished[id] = true }, id, func(i *model.Instance) bool { return i.Status == model.Completed })
}

// retry has tried again who was set aside.
func (w *workload) retry(id string) error {
	return w.ask(func(f *facts) { f.troubles.retried[id] = true }, func() error { return w.hub.Engine().Rewind(w.ctx, id, "mended") })
}

// sends returns what starts an errand to a book, and waits for its end.
func (w *workload) sends(book string, n int) func(id string) error {
	return func(id string) error {
		return start(w, sends, id, errand{book, n}, func(f *facts) { f.troubles.entries[id], f.troubles.outputs[id] = pages(book, id, n), fmt.Sprint(n) }, true)
	}
}

// tells returns the same for a listener's first word.
func (w *workload) tells(to string) func(id string) error {
	return func(id string) error {
		return start(w, tells, id, errand{to, 1}, func(f *facts) { f.troubles.outputs[id], f.said[to] = "1", 1 }, true)
	}
}

// poison has the core fail at what follows from the step of an orchestration, in the same
// partition, for somebody who is there.
func (w *workload) poison(r *rigged, victim, from string, send func(id string) error) error {
	return w.setAside(r, victim, victim, poison{from, "what follows from result of a step"}, func() error { return send(from) })
}

// poisonLock has it fail at a request from another partition, to lock two books, of which
// one is not there.
func (w *workload) poisonLock(r *rigged, id string) error {
	return w.setAside(r, books.Key(spot).InstanceID(), books.Key(pot).InstanceID(), poison{id, "message EntityLockRequested"}, func() error {
		return start(w, writes, id, []string{pot, spot}, func(f *facts) {
			f.troubles.entries[id], f.troubles.outputs[id] = []page{{pot, entry(id, 0)}, {spot, entry(id, 1)}}, "2"
		}, false)
	})
}

// setAside has the core fail as it looks for an instance, and waits until one is set aside.
func (w *workload) setAside(r *rigged, at, victim string, p poison, send func() error) error {
	w.note(func(f *facts) { f.troubles.aside[victim] = p })
	r.trap.Store(&at)
	err := send()
	return errors.Join(err, w.see(func(f *facts) { f.troubles.aside[victim] = p }, victim, func(i *model.Instance) bool { return i.Waits.Quarantine != nil }))
}

// holds waits until an instance that is set aside holds so much.
func (w *workload) holds(id string, n int) error {
	return w.see(func(f *facts) { f.troubles.held[id] = n }, id, func(i *model.Instance) bool { return i.Waits.HeldCount == int64(n) })
}

func (w *workload) relay(id string) error {
	return start(w, relay, id, 0, func(f *facts) { f.troubles.relays[id] += 0 }, false)
}

// words tells a relay its next words.
func (w *workload) words(id string, n int) error {
	for range n {
		next := w.Asked().troubles.relays[id]
		if err := w.ask(func(f *facts) { f.troubles.relays[id]++ }, func() error { return said.Raise(w.ctx, w.hub, id, short(id, next)) }); err != nil {
			return err
		}
	}
	return nil
}

// purgeWhere purges all that begin with a prefix.
func (w *workload) purgeWhere(prefix string, n int) error {
	return w.ask(func(f *facts) {
		for i := range n {
			f.purged[fmt.Sprint(prefix, i)] = true
		}
	}, func() error {
		purged, err := durable.Purge(w.ctx, w.hub, engine.Query{IDPrefix: prefix, Statuses: []model.Status{model.Completed}})
		if err == nil && purged != n {
			err = fmt.Errorf("%d of %d were purged", purged, n)
		}
		return err
	})
}
