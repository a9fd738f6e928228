package durable_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/worker"
)

// What docs/guarantees.md says of idempotency keys over a crash, both what holds and
// what does not: calls run for a schedule that was never synced, and the crash undoes it.

// payments notes the calls that have begun: the input and the key of each.
type payments struct {
	mu    sync.Mutex
	runs  []payment
	began chan struct{}
}

type payment struct{ input, key string }

func (p *payments) note(ctx context.Context, input string) {
	p.mu.Lock()
	p.runs = append(p.runs, payment{input, durable.IdempotencyKey(ctx)})
	p.mu.Unlock()
	p.began <- struct{}{}
}

// take returns what has run since it was called last, in an order of its own.
func (p *payments) take() []payment {
	p.mu.Lock()
	defer p.mu.Unlock()
	runs := p.runs
	p.runs = nil
	slices.SortFunc(runs, func(a, b payment) int { return strings.Compare(a.input+a.key, b.input+b.key) })
	return runs
}

var (
	pay      = durable.DeclareActivity[string, string]("Pay")
	received = durable.Event[string]("Received")
)

// blockLog lets no sync of the log come to an end until the power is lost, and then each
// fails: no node comes up again before the crash.
func blockLog(disk *hubtest.Disk, lost <-chan struct{}) {
	disk.FS.SetFault(func(op faultfs.Op) error {
		if op.Kind != faultfs.OpSync || !strings.HasSuffix(op.Path, ".log") {
			return nil
		}
		<-lost
		return faultfs.ErrKilled
	})
}

// payer starts an orchestration that waits for an event and then runs code, on a disk
// that keeps nothing over a crash that was not synced.
func payer(t *testing.T, code func(*durable.Context, string) error, paid func(context.Context)) (*hubtest.Hub, *hubtest.Disk, *payments, *durable.Run[durable.None]) {
	t.Helper()
	runs := &payments{began: make(chan struct{}, 100)}
	told := durable.Orchestration("Told", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		what, err := received.Wait(ctx, durable.Forever)
		if err == nil {
			err = code(ctx, what)
		}
		return durable.None{}, err
	})
	disk := &hubtest.Disk{FS: faultfs.New(), Partitions: 1}
	hub, err := hubtest.Open(hubtest.Options{
		Disk:   disk,
		Engine: netherite.Options{Checkpoint: netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}},
		Worker: worker.Options{Handlers: []durable.Handler{told, pay.By(func(ctx context.Context, in string) (string, error) {
			runs.note(ctx, in)
			paid(ctx)
			return in, ctx.Err()
		})}},
	})
	if err != nil {
		t.Fatal(err)
	}
	run, err := told.Start(within(t), hub, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	return hub, disk, runs, told.Attach(hub, run.ID())
}

// twice tells an orchestration something, upon which it takes a step in which some calls
// begin. Then the power fails, and nothing of that was synced. After that it is told
// something else. It returns the calls that ran before and after.
func twice(t *testing.T, code func(*durable.Context, string) error, begin int) (before, after []payment) {
	t.Helper()
	ctx := within(t)
	hub, disk, runs, run := payer(t, code, func(context.Context) {})
	lost, answer := make(chan struct{}), make(chan error, 1)
	blockLog(disk, lost)
	engine := durable.NewHub(hub.Engine(), nil, 0) // of the first life
	go func() { answer <- received.Raise(ctx, engine, run.ID(), "first") }()
	for range begin {
		<-runs.began
	}
	close(lost)
	if err := hub.Crash(faultfs.Crash{}); err != nil {
		t.Fatal(err)
	}
	if err := <-answer; err == nil {
		t.Fatal("what was not synced was acknowledged")
	}
	before = runs.take()
	if err := received.Raise(ctx, hub, run.ID(), "second"); err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	after = runs.take()
	if err := hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	return before, after
}

// keysOf are the keys of the calls with an input.
func keysOf(runs []payment, input string) (keys []string) {
	for _, r := range runs {
		if r.input == input {
			keys = append(keys, r.key)
		}
	}
	return keys
}

func TestKeyIsTheSameWhenALostStepRepeatsTheCall(t *testing.T) {
	code := func(ctx *durable.Context, what string) error {
		var calls []*durable.Future[string]
		if what == "second" { // other calls before, and another order
			calls = append(calls, pay.Call(ctx, "another"), pay.Call(ctx, "20"))
		}
		calls = append(calls, pay.Call(ctx, "10"), pay.Call(ctx, "10"))
		if what == "first" {
			calls = append(calls, pay.Call(ctx, "20"))
		}
		_, err := durable.All(ctx, calls...)
		return err
	}
	before, after := twice(t, code, 3)
	if len(before) != 3 || len(after) != 4 {
		t.Fatalf("%d calls ran before the crash and %d after it", len(before), len(after))
	}
	keys := map[string]bool{}
	for _, r := range after {
		keys[r.key] = true
	}
	if len(keys) != len(after) {
		t.Errorf("different calls have the same key: %v", after)
	}
	for _, input := range []string{"10", "20"} {
		if was, is := keysOf(before, input), keysOf(after, input); len(is) == 0 || !slices.Equal(was, is) {
			t.Errorf("the calls with %s had the keys %v, and have %v after the crash", input, was, is)
		}
	}
}

// A call whose schedule was durable keeps its key, whatever its input was made of.
func TestKeyIsTheSameWhenADurableCallRunsAgain(t *testing.T) {
	crashed := make(chan struct{})
	code := func(ctx *durable.Context, _ string) error {
		_, err := pay.Call(ctx, ctx.NewGUID()+ctx.Now().String(), durable.AfterCommit).Await()
		return err
	}
	hub, _, runs, run := payer(t, code, func(ctx context.Context) {
		select {
		case <-crashed:
		case <-ctx.Done(): // the first attempt never ends by itself
		}
	})
	ctx := within(t)
	if err := received.Raise(ctx, hub, run.ID(), "first"); err != nil {
		t.Fatal(err)
	}
	<-runs.began
	if err := hub.Crash(faultfs.Crash{}); err != nil {
		t.Fatal(err)
	}
	close(crashed)
	if _, err := run.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if all := runs.take(); len(all) != 2 || all[0] != all[1] {
		t.Errorf("it ran as %v", all)
	}
	if err := hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
}

// What the guarantees exclude: an orchestration that is told something else after the
// crash, or that computes its input from what is new each time.
func TestCallThatACrashUndoesNeedHaveNoCounterpart(t *testing.T) {
	for name, code := range map[string]func(*durable.Context, string) (input string){
		"it decides otherwise": func(_ *durable.Context, what string) string { return what },
		"the time":             func(ctx *durable.Context, _ string) string { return ctx.Now().String() },
		"a fresh UUID":         func(ctx *durable.Context, _ string) string { return ctx.NewGUID() },
	} {
		t.Run(name, func(t *testing.T) {
			before, after := twice(t, func(ctx *durable.Context, what string) error {
				_, err := pay.Call(ctx, code(ctx, what)).Await()
				return err
			}, 1)
			if len(before) != 1 || len(after) != 1 || before[0].input == after[0].input || before[0].key == after[0].key {
				t.Errorf("before the crash %v, after it %v", before, after)
			}
		})
		t.Run(name+", AfterCommit", func(t *testing.T) {
			before, after := twice(t, func(ctx *durable.Context, what string) error {
				late := pay.Call(ctx, code(ctx, what), durable.AfterCommit)
				_, err := durable.All(ctx, late, pay.Call(ctx, "at once"))
				return err
			}, 1)
			if len(before) != 1 || before[0].input != "at once" {
				t.Errorf("before its schedule was durable, it ran: %v", before)
			}
			if len(after) != 2 || !slices.Equal(keysOf(after, "at once"), keysOf(before, "at once")) {
				t.Errorf("after the crash: %v", after)
			}
		})
	}
}
