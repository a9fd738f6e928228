package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/histories"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// patience bounds a recovery with all that it runs to its end.
const patience = time.Minute

// recovery opens what a crash has left, and holds that everything that was
// acknowledged is there, everything goes on to its end, once, and that nothing is
// damaged afterwards.
type recovery struct {
	*scenario
	asked, granted facts
	hub            *netherite.Hub
	ctx            context.Context
	moved          map[string]int64        // by the transfers that have taken place, by account
	found          map[string]model.Status // orchestrations that are there, with how they have ended
	outcome        map[string]string       // of it all, by instance
}

func (r *recovery) run(fs *faultfs.FS) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r.ctx, r.moved, r.found = ctx, map[string]int64{}, map[string]model.Status{}
	if err := r.first(r, fs); err != nil {
		return err
	}
	if r.hub, err = openHub(fs); err != nil {
		return err
	}
	if err := r.check(); err != nil {
		r.hub.Kill()
		return err
	}
	if err := r.hub.Close(ctx); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	return verify(fs)
}

// verify does what the command "inspect --verify" does, with a hub that was closed.
func verify(fs *faultfs.FS) error {
	report, err := netherite.InspectFiles(fs, dir)
	if err != nil {
		return err
	}
	if len(report.Damage) > 0 || !report.Closed || report.Checkpoints != partitions || slices.Max(report.Pending) > 0 {
		return fmt.Errorf("verify: %+v", report)
	}
	return nil
}

func (r *recovery) check() error {
	if err := r.before(r); err != nil {
		return err
	}
	for _, id := range slices.Sorted(maps.Keys(r.asked.all())) {
		if err := r.instance(id); err != nil {
			return fmt.Errorf("%s: %w", id, err)
		}
	}
	if err := r.rests(); err != nil { // signals may be on their way
		return err
	}
	for id, n := range r.asked.tickings { // order-free: the first difference ends it
		if err := r.ticked(id, n); err != nil {
			return err
		}
	}
	for i := range 4 {
		if err := r.account(accountNamed(i)); err != nil {
			return err
		}
	}
	if err := r.after(r); err != nil {
		return err
	}
	if s := r.hub.Stats(); s.Panics > 0 || s.Parked > 0 || s.Failures > 0 {
		return fmt.Errorf("%d panics of the core, %d partitions parked, %d failures of the storage", s.Panics, s.Parked, s.Failures)
	}
	return errors.Join(r.hub.Health(), r.look())
}

// rests waits until nothing goes on but what waits.
func (r *recovery) rests() error {
	for working := true; working; {
		runtime.Gosched()
		working, _ = r.hub.Working()
		if r.ctx.Err() != nil {
			return errors.New("the hub does not come to rest")
		}
	}
	return nil
}

// instance sees an orchestration to its end.
func (r *recovery) instance(id string) error {
	found, err := r.hub.Engine().Get(r.ctx, id, engine.GetOptions{})
	switch {
	case errors.Is(err, engine.ErrNotFound):
		if r.granted.all()[id] && !r.asked.purged[id] {
			return fmt.Errorf("its start was acknowledged: %w", err)
		}
		return nil
	case err != nil:
		return err
	case r.granted.purged[id]:
		return errors.New("it is there, its purge was acknowledged")
	case r.granted.finished[id] && !found.Status.Ended():
		return fmt.Errorf("it is %v, its end was reported", found.Status)
	}
	if r.asked.listeners[id] {
		if err := r.release(id, found.Status); err != nil {
			return err
		}
	}
	end, err := r.hub.Engine().Wait(r.ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil {
		return fmt.Errorf("wait for its end: %w", err)
	}
	r.found[id] = end.Status
	if want := model.Completed; end.Status != want && !(r.asked.ended[id] && end.Status == model.Terminated) {
		return fmt.Errorf("it is %v: %v", end.Status, end.Failure)
	}
	if r.granted.ended[id] && end.Status != model.Terminated {
		return fmt.Errorf("it is %v, its termination was acknowledged", end.Status)
	}
	if want, ok := r.asked.inputs[id]; ok && string(end.Input) != want {
		return fmt.Errorf("its input is %q, want %q", end.Input, want)
	}
	history, err := r.hub.Engine().History(r.ctx, id)
	if err != nil {
		return err
	}
	if err := histories.Check(history); err != nil {
		return err
	}
	if end.Status == model.Terminated {
		return nil
	}
	return r.result(id, end)
}

// release tells a listener to end.
func (r *recovery) release(id string, s model.Status) error {
	if r.granted.suspended[id] && !r.asked.resumed[id] && s != model.Suspended {
		return fmt.Errorf("it is %v, its suspension was acknowledged", s)
	}
	if r.granted.resumed[id] && s == model.Suspended {
		return fmt.Errorf("it is %v, its resumption was acknowledged", s)
	}
	if s == model.Suspended {
		if err := r.hub.Engine().Resume(r.ctx, id, "to end"); err != nil {
			return err
		}
	}
	return said.Raise(r.ctx, r.hub, id, "end")
}

func (r *recovery) result(id string, end *model.Instance) (err error) {
	var got, want any
	if n, ok := r.asked.squares[id]; ok {
		want = sumOfSquares(n)
		got, err = durable.Result[int](r.hub, end)
	} else if n, ok := r.asked.parents[id]; ok {
		want = sumOfSquares(n) + sumOfSquares(n+1)
		got, err = durable.Result[int](r.hub, end)
	} else if _, ok := r.asked.tickings[id]; ok {
		want = "done"
		got, err = durable.Result[string](r.hub, end)
	} else if t, ok := r.asked.transfers[id]; ok {
		done, err := durable.Result[bool](r.hub, end)
		if done {
			r.moved[t.From] -= t.Amount
			r.moved[t.To] += t.Amount
		}
		return err
	} else if want, ok := r.asked.troubles.outputs[id]; ok {
		return sameOutput(end, want)
	} else if _, ok := r.asked.troubles.relays[id]; ok {
		return r.relayed(id, end)
	} else {
		return r.heard(id, end)
	}
	if err == nil && got != want {
		err = fmt.Errorf("its result is %v, want %v", got, want)
	}
	return err
}

// heard holds that a listener was told everything that was acknowledged, once and
// in order.
func (r *recovery) heard(id string, end *model.Instance) error {
	words, err := durable.Result[[]string](r.hub, end)
	if err != nil {
		return err
	}
	if len(words) < r.granted.said[id] || len(words) > r.asked.said[id] {
		return fmt.Errorf("it was told %d words, %d were acknowledged of %d", len(words), r.granted.said[id], r.asked.said[id])
	}
	for i, w := range words {
		if w != word(id, i) {
			return fmt.Errorf("word %d is %.20q", i, w)
		}
	}
	return nil
}

func (r *recovery) ticked(id string, n int) error {
	if _, err := r.hub.Engine().Get(r.ctx, id, engine.GetOptions{}); errors.Is(err, engine.ErrNotFound) {
		return nil // its start was not acknowledged, or instance would have said so
	}
	got, _, err := hubtest.Accounts.Read(r.ctx, r.hub, ticks(id))
	if err == nil && got != int64(n) {
		err = fmt.Errorf("%s ticked %d times, want %d", id, got, n)
	}
	return err
}

// account holds that no money has come or gone but by what the client knows of.
func (r *recovery) account(a string) error {
	has, _, err := hubtest.Accounts.Read(r.ctx, r.hub, hubtest.Accounts.Key(a))
	if err != nil {
		return err
	}
	deposited := has - r.moved[a]
	if deposited%deposit != 0 || deposited/deposit < int64(r.granted.deposits[a]) || deposited/deposit > int64(r.asked.deposits[a]) {
		return fmt.Errorf("account %s has %d, of it %d by transfers: %d deposits of %d were acknowledged, %d asked for",
			a, has, r.moved[a], r.granted.deposits[a], deposit, r.asked.deposits[a])
	}
	return nil
}
