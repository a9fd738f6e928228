package sweep_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// stillSick opens what a crash has left of a hub without a partition, as before it, which
// is no reason for the partition to be well.
func stillSick(r *recovery, fs *faultfs.FS) error {
	if !r.asked.troubles.parked {
		return nil
	}
	hub, _, err := openRigged(fs, mended(), sickPartition)
	if err != nil {
		return err
	}
	if err := errors.Join(hub.Checkpoint(r.ctx), hub.Close(r.ctx)); err != nil {
		return fmt.Errorf("without partition %d: %w", sickPartition, err)
	}
	return nil
}

// mend holds that what was set aside still is, with what could not be applied and all that
// came after it, and that what has failed has; and tries all of that again.
func mend(r *recovery) error {
	if err := r.rests(); err != nil { // messages may be on their way
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(r.asked.troubles.aside)) {
		if err := r.aside(id); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.asked.troubles.shaky)) {
		if err := r.shaky(id); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.asked.troubles.relays)) {
		if i, err := r.get(id); err != nil {
			return err
		} else if i == nil || i.Status.Ended() {
			continue
		}
		if err := said.Raise(r.ctx, r.hub, id, "end"); err != nil {
			return err
		}
	}
	return nil
}

// get reads an instance, nil if there is none.
func (r *recovery) get(id string) (*model.Instance, error) {
	i, err := r.hub.Engine().Get(r.ctx, id, engine.GetOptions{Waits: true})
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	return i, err
}

// aside sees to an instance that may be set aside.
func (r *recovery) aside(id string) error {
	asked, granted := &r.asked.troubles, &r.granted.troubles
	i, err := r.get(id)
	if err != nil || i == nil {
		return err // whether it has to be there is for others to say
	}
	q := i.Waits.Quarantine
	ended := r.asked.ended[id] && i.Status.Ended()
	switch {
	case q == nil && granted.aside[id].from != "" && !asked.retried[id] && !ended:
		return fmt.Errorf("it is not set aside any more, and nobody has tried it again")
	case q != nil && granted.retried[id]:
		return fmt.Errorf("it is set aside, its retry was acknowledged")
	case q == nil || ended:
		return nil
	}
	if err := evidence(i, asked.aside[id]); err != nil {
		return err
	}
	if n := granted.held[id]; i.Waits.HeldCount < int64(n) {
		return fmt.Errorf("it holds %d messages, and had %d", i.Waits.HeldCount, n)
	}
	if err := r.hub.Engine().Rewind(r.ctx, id, "mended"); err != nil {
		return fmt.Errorf("try it again: %w", err)
	}
	if i, err = r.get(id); err == nil && i.Waits.Quarantine != nil {
		err = fmt.Errorf("it is still set aside after it was tried again: %w", i.Waits.Quarantine)
	}
	return err
}

// evidence holds that who is set aside says why, and by what of whom, which is the first
// of what it holds.
func evidence(i *model.Instance, p poison) error {
	q := i.Waits.Quarantine
	if q.Type != model.FailureQuarantined || q.Message != why {
		return fmt.Errorf("the reason is %w", q)
	}
	want := map[string]string{"event": p.event + `"`, "time": "20", "retry": ""}
	if strings.HasPrefix(p.event, "message") {
		want["from"], want["to"], want["retry"] = p.from+`"`, i.ID+`"`, `delivers it"`
	}
	for name, want := range want { // order-free: all have to be there
		if got := string(q.Properties[name]); !strings.HasPrefix(got, `"`+want) {
			return fmt.Errorf("the evidence has %s as %s, want %s; all of it is %q", got, name, want, q.Properties)
		}
	}
	if len(i.Waits.Held) == 0 || i.Waits.Held[0].From != p.from {
		return fmt.Errorf("it holds %v, the first should be from %s", i.Waits.Held, p.from)
	}
	return nil
}

// shaky sees to an orchestration that may have failed. Each rewind is in the history.
func (r *recovery) shaky(id string) error {
	asked, granted := &r.asked.troubles, &r.granted.troubles
	i, err := r.get(id)
	if err != nil || i == nil {
		return err
	}
	if granted.failed[id] > asked.rewound[id] && i.Status != model.Failed {
		return fmt.Errorf("it is %v, and nobody has rewound it since it failed", i.Status)
	}
	own := 0
	for ; i.Status == model.Failed; own++ {
		if own > 0 {
			return fmt.Errorf("it fails again: %w", i.Failure)
		}
		if err := r.hub.Engine().Rewind(r.ctx, id, "mended"); err != nil {
			return fmt.Errorf("rewind it: %w", err)
		}
		if i, err = r.hub.Engine().Wait(r.ctx, id, engine.UntilEnded, engine.GetOptions{}); err != nil {
			return err
		}
	}
	history, err := r.hub.Engine().History(r.ctx, id)
	if err != nil {
		return err
	}
	rewound := -own
	for n := range history {
		if history[n].Kind == model.ExecutionRewound {
			rewound++
		}
	}
	if rewound < granted.rewound[id] || rewound > asked.rewound[id] {
		return fmt.Errorf("it was rewound %d times, %d were acknowledged of %d", rewound, granted.rewound[id], asked.rewound[id])
	}
	return nil
}

// relayed holds that a relay has heard all words, over all its generations.
func (r *recovery) relayed(id string, end *model.Instance) error {
	heard, err := durable.Result[int](r.hub, end)
	if err != nil {
		return err
	}
	if heard < r.granted.troubles.relays[id] || heard > r.asked.troubles.relays[id] {
		return fmt.Errorf("it was told %d words, %d were acknowledged of %d", heard, r.granted.troubles.relays[id], r.asked.troubles.relays[id])
	}
	return nil
}

func sameOutput(end *model.Instance, want string) error {
	if string(end.Output) != want {
		return fmt.Errorf("its result is %s, want %s", end.Output, want)
	}
	return nil
}

// booksAndLists holds that each book has what it should, and that queries list what is
// there: nothing that was purged.
func booksAndLists(r *recovery) error {
	for _, book := range []string{pot, spot, kept, diary, away} {
		if err := r.book(book); err != nil {
			return fmt.Errorf("book %s: %w", book, err)
		}
	}
	for _, statuses := range [][]model.Status{nil, {model.Completed}, {model.Terminated}, {model.Failed, model.Running, model.Pending}} {
		if err := r.list(statuses); err != nil {
			return err
		}
	}
	return nil
}

// list holds that a query for some statuses lists what has them; without any, all.
func (r *recovery) list(statuses []model.Status) error {
	want := map[string]model.Status{}
	for id, s := range r.found { // order-free: fills a set
		if statuses == nil || slices.Contains(statuses, s) {
			want[id] = s
		}
	}
	listed := map[string]model.Status{}
	for i, err := range durable.Query(r.ctx, r.hub, engine.Query{Statuses: statuses, PageSize: 7}) {
		if err != nil {
			return err
		}
		if _, twice := listed[i.ID]; twice {
			return fmt.Errorf("a query lists %s twice", i.ID)
		}
		listed[i.ID] = i.Status
	}
	if !maps.Equal(listed, want) {
		return fmt.Errorf("a query for %v lists %v, there are %v", statuses, listed, want)
	}
	return nil
}

// book holds that everything was entered once, in the order of who did.
func (r *recovery) book(key string) error {
	entries, _, err := books.Read(r.ctx, r.hub, books.Key(key))
	if err != nil {
		return err
	}
	left := slices.Clone(entries)
	take := func(want string) bool {
		n := slices.Index(left, want)
		if n >= 0 {
			left = slices.Delete(left, n, n+1)
		}
		return n >= 0
	}
	for of := range r.asked.troubles.posts { // order-free: the first difference ends it
		if of.book == key && !take(of.entry) && r.granted.troubles.posts[of] {
			return fmt.Errorf("%s is not in it, and was acknowledged: %v", of.entry, entries)
		}
	}
	for id := range r.found { // order-free: the first difference ends it
		last := -1
		for _, of := range r.asked.troubles.entries[id] {
			if of.book != key {
				continue
			}
			at := slices.Index(entries, of.entry)
			if !take(of.entry) || at < last {
				return fmt.Errorf("%s is not in it, or not in its place: %v", of.entry, entries)
			}
			last = at
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("%v is in it and should not be, or was entered twice: %v", left, entries)
	}
	return nil
}
