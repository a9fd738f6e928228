package sweep_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

const (
	dir        = "/srv/hub"
	partitions = 3
	deposit    = 1000

	segmentBytes = 16 << 10
	ballastBytes = 64 << 10
)

// openHub opens the hub with files so small that the log has many. What fails in the
// workload is mended.
func openHub(fs *faultfs.FS) (*netherite.Hub, error) { return openWith(fs, mended()) }

func openWith(fs *faultfs.FS, m *mending, more ...netherite.Option) (*netherite.Hub, error) {
	opts := []netherite.Option{
		netherite.Files(fs), netherite.Partitions(partitions), netherite.Serve(code(m)...),
		netherite.LogSegments(segmentBytes, segmentBytes), netherite.Ballast(ballastBytes), netherite.Memory(16 << 20), netherite.CheckReplay(),
		netherite.Logger(slog.New(slog.DiscardHandler)),
	}
	return netherite.Open(dir, append(opts, more...)...)
}

// workload is what the crashes interrupt: a client that knows what it has asked for,
// and the hub that it has open.
type workload struct {
	*ledger
	hub        *netherite.Hub
	ctx        context.Context
	mending    *mending
	clock      *halting
	operations atomic.Int64  // on files, up to now
	rare       atomic.Uint64 // bits of the share of crashes now; zero is all of them
}

func newWorkload(ctx context.Context) *workload {
	return &workload{ledger: newLedger(), ctx: ctx, mending: newMending(), clock: newHalting()}
}

// share is the share of operations to crash after, of those that would be.
func (w *workload) share() float64 {
	if bits := w.rare.Load(); bits != 0 {
		return math.Float64frombits(bits)
	}
	return 1
}

// sampled does something large, in which not each operation is as good as a crash.
func (w *workload) sampled(share float64, do func() error) error {
	w.rare.Store(math.Float64bits(share))
	defer w.rare.Store(0)
	return do()
}

// mixed creates a hub, uses everything that is used every day, closes the hub, and
// goes on with it.
func mixed(w *workload, fs *faultfs.FS, rounds int) (err error) {
	for round := range rounds {
		if w.hub, err = openHub(fs); err != nil {
			return err
		}
		if err := errors.Join(w.first(fmt.Sprint("r", round, "-")), w.hub.Close(w.ctx)); err != nil {
			return err
		}
	}
	if w.hub, err = openHub(fs); err != nil {
		return err
	}
	defer w.hub.Kill()
	return w.second("r0-", "last-")
}

// first has two checkpoints, and several segments of the log. Everything that it
// makes is named after the round.
func (w *workload) first(r string) error {
	if err := errors.Join(w.deposits(0, 4), w.listen(r+"l0"), w.listen(r+"l1"), w.listen(r+"l2")); err != nil {
		return err
	}
	err := together(
		func() error { return w.transfers(r+"x", 4, true) },
		func() error { return w.square(r+"s0", 4) },
		func() error { return w.say(r+"l0", 3) },
		func() error { return w.tickOff(r+"t0", 3) },
	)
	if err := errors.Join(err, w.hub.Checkpoint(w.ctx)); err != nil {
		return err
	}
	err = together(
		func() error { return w.transfers(r+"y", 3, true) },
		func() error {
			return errors.Join(w.say(r+"l1", 3), w.suspend(r+"l1"), w.say(r+"l1", 2), w.resume(r+"l1"))
		},
		func() error { return errors.Join(w.say(r+"l2", 1), w.terminate(r+"l2")) },
		func() error { return errors.Join(w.purge(r+"s0"), w.family(r+"p0", 3)) },
	)
	if err := errors.Join(err, w.hub.Checkpoint(w.ctx)); err != nil {
		return err
	}
	return errors.Join(w.transfers(r+"z", 3, false), w.suspend(r+"l0"), w.say(r+"l0", 2))
}

// second begins with work that the close of the last round has left, purges some
// of the first round, and leaves work itself.
func (w *workload) second(first, r string) error {
	return errors.Join(
		w.deposits(1, 3), w.transfers(r+"v", 3, true), w.tickOff(r+"t1", 2), w.purge(first+"p0"), w.purge(first+"l2"),
		w.hub.Checkpoint(w.ctx), w.listen(r+"l3"), w.say(r+"l3", 1), w.transfers(r+"u", 2, false),
	)
}

// together does several things at the same time.
func together(do ...func() error) error {
	errs := make([]error, len(do))
	var wg sync.WaitGroup
	for i, f := range do {
		wg.Go(func() { errs[i] = f() })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (w *workload) deposits(from, to int) error {
	for i := from; i < to; i++ {
		a := accountNamed(i)
		if err := w.ask(func(f *facts) { f.deposits[a]++ }, func() error { return hubtest.Add.Post(w.ctx, w.hub, hubtest.Accounts.Key(a), deposit) }); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) transfers(name string, n int, wait bool) error {
	return together(func() (err error) {
		for i := range n {
			err = errors.Join(err, w.transfer(fmt.Sprint(name, i), hubtest.Move{From: accountNamed(i % 4), To: accountNamed((i + 1) % 4), Amount: int64(i + 1)}, wait))
		}
		return err
	}, func() error {
		return w.transfer(name+"-back", hubtest.Move{From: accountNamed(1), To: accountNamed(0), Amount: 7}, wait)
	})
}

func (w *workload) transfer(id string, t hubtest.Move, wait bool) error {
	return start(w, hubtest.Transfer, id, t, func(f *facts) { f.transfers[id] = t }, wait)
}

func (w *workload) square(id string, n int) error {
	return start(w, squares, id, n, func(f *facts) { f.squares[id] = n }, true)
}

func (w *workload) family(id string, n int) error {
	return start(w, parent, id, n, func(f *facts) { f.parents[id] = n }, true)
}

func (w *workload) tickOff(id string, n int) error {
	return start(w, ticking, id, n, func(f *facts) { f.tickings[id] = n }, true)
}

func (w *workload) listen(id string) error {
	return start(w, listener, id, durable.None{}, func(f *facts) { f.listeners[id] = true }, false)
}

// start starts an instance, and waits for its end if asked to.
func start[In, Out any](w *workload, o *durable.OrchestrationOf[In, Out], id string, in In, note func(*facts), wait bool) error {
	var run *durable.Run[Out]
	err := w.ask(func(f *facts) {
		if note(f); o != any(ticking) && o != any(relay) {
			f.inputs[id] = asJSON(in)
		}
	}, func() (err error) {
		run, err = o.Start(w.ctx, w.hub, in, durable.ID(id))
		return err
	})
	if err != nil || !wait {
		return err
	}
	return w.ask(func(f *facts) { f.finished[id] = true }, func() error {
		_, err := run.Wait(w.ctx)
		return err
	})
}

// asJSON is a value as it is stored; None is as nothing.
func asJSON(v any) string {
	if v == any(durable.None{}) {
		return ""
	}
	data, _ := json.Marshal(v) // of types of this package, which can be
	return string(data)
}

// padding makes events large enough to fill segments of the log.
var padding = strings.Repeat(".", 2500)

func word(id string, i int) string { return fmt.Sprint(id, " ", i, padding) }

// say sends a listener its next words. They are acknowledged in order.
func (w *workload) say(id string, n int) error {
	for range n {
		next := w.Asked().said[id]
		if err := w.ask(func(f *facts) { f.said[id]++ }, func() error { return said.Raise(w.ctx, w.hub, id, word(id, next)) }); err != nil {
			return err
		}
	}
	return nil
}

func (w *workload) suspend(id string) error {
	return w.ask(func(f *facts) { f.suspended[id] = true }, func() error { return w.hub.Engine().Suspend(w.ctx, id, "for a while") })
}

func (w *workload) resume(id string) error {
	return w.ask(func(f *facts) { f.resumed[id] = true }, func() error { return w.hub.Engine().Resume(w.ctx, id, "") })
}

func (w *workload) terminate(id string) error {
	return w.ask(func(f *facts) { f.ended[id] = true }, func() error { return listener.Attach(w.hub, id).Terminate(w.ctx, "enough", false) })
}

func (w *workload) purge(id string) error {
	return w.ask(func(f *facts) { f.purged[id] = true }, func() error {
		n, err := w.hub.Engine().Purge(w.ctx, id, true)
		if err == nil && n == 0 {
			err = fmt.Errorf("purge %s: nothing was purged", id)
		}
		return err
	})
}
