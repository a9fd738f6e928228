package linear_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/hubtest"
	"github.com/netherite-go/netherite/model"
)

// recorder notes what clients see, by what they see it of.
type recorder struct {
	hub *hubtest.Hub
	ctx context.Context

	mu       sync.Mutex
	now      int64
	cells    map[string][]porcupine.Operation
	lives    map[string][]porcupine.Operation
	happened tally
	after    map[int]int // answers after which to tell on due
	due      chan int
	ended    chan struct{} // once all clients have
	err      error
}

func newRecorder(hub *hubtest.Hub, ctx context.Context) *recorder {
	return &recorder{hub: hub, ctx: ctx, cells: map[string][]porcupine.Operation{}, lives: map[string][]porcupine.Operation{}, after: map[int]int{}, due: make(chan int, 100), ended: make(chan struct{})}
}

// tick is a moment: of any two, the later one is larger.
func (r *recorder) tick() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now++
	return r.now
}

// note records an operation. One without an answer may take effect at any time
// after its call, or never.
func (r *recorder) note(to map[string][]porcupine.Operation, key string, client int, call int64, in, out any, known bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.now++
	op := porcupine.Operation{ClientId: client, Input: in, Call: call, Output: out, Return: r.now}
	if !known {
		op.Return = math.MaxInt64
		r.happened.unanswered++
	} else if r.happened.answered++; r.after[r.happened.answered] > 0 {
		r.due <- r.after[r.happened.answered]
	}
	to[key] = append(to[key], op)
}

// drop forgets a request without an answer that tells nothing and does nothing: a read.
func (r *recorder) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.happened.unanswered++
}

func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.err = errors.Join(r.err, err)
}

// unanswered reports whether an error leaves open what has happened; other errors
// than those that the models know are failures.
func unanswered(err error) bool {
	return errors.Is(err, errPowerFailure) || errors.Is(err, engine.ErrClosed) || errors.Is(err, context.Canceled) || errors.Is(err, engine.ErrOutcomeUnknown)
}

// errPowerFailure: the hub that was asked is gone. Whatever it answered was not
// received.
var errPowerFailure = errors.New("power failure")

// ask makes a request to the hub that runs now. One that is refused, as the disk is
// full, has no effect, and is made again.
func (r *recorder) ask(request func() error) error {
	for {
		failures := r.hub.Failures()
		err := request()
		if r.hub.Failures() != failures {
			return errPowerFailure
		}
		if !errors.Is(err, engine.ErrDiskFull) {
			return err
		}
		r.refuse()
	}
}

// refuse notes that a request was refused.
func (r *recorder) refuse() {
	r.mu.Lock()
	r.happened.refused++
	r.mu.Unlock()
	runtime.Gosched()
}

// over reports whether no client asks for anything any more.
func (r *recorder) over() bool {
	select {
	case <-r.ended:
		return true
	case <-r.ctx.Done():
		return true
	default:
		return false
	}
}

// refusals counts them.
func (r *recorder) refusals() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.happened.refused
}

// cellClient makes operations of a few entities.
func (r *recorder) cellClient(client int, c trial, rng *rand.Rand) {
	for i := range c.each {
		in := cellInput{Key: fmt.Sprint("k", rng.IntN(c.keys)), Op: []string{"read", "set", "add", "cas", "take"}[rng.IntN(5)], A: int64(rng.IntN(4)), B: int64(rng.IntN(4))}
		in.Posted = in.Op != "read" && (c.plain || rng.IntN(2) == 0)
		call := r.tick()
		out, err := r.cellOperation(in, fmt.Sprintf("ask-%d-%d", client, i), c.plain || rng.IntN(2) == 0)
		if err != nil && !unanswered(err) {
			r.fail(fmt.Errorf("%+v: %w", in, err))
			return
		}
		if err != nil && in.Op == "read" {
			r.drop()
			continue
		}
		out.known = err == nil
		r.note(r.cells, in.Key, client, call, in, out, out.known)
	}
}

func (r *recorder) cellOperation(in cellInput, id string, direct bool) (out cellOutput, err error) {
	key := cells.Key(in.Key)
	switch {
	case in.Posted && in.Op == "cas":
		return out, r.ask(func() error { return casTo.Post(r.ctx, r.hub, key, [2]int64{in.A, in.B}) })
	case in.Posted:
		op := map[string]*durable.OperationOf[int64, int64, int64]{"set": setTo, "add": addTo, "take": takeFrom}[in.Op]
		return out, r.ask(func() error { return op.Post(r.ctx, r.hub, key, in.A) })
	case in.Op == "read" && direct:
		err = r.ask(func() (err error) {
			out.was, _, err = cells.Read(r.ctx, r.hub, key)
			return err
		})
		return out, err
	}
	err = r.ask(func() error {
		_, err := ask.Start(r.ctx, r.hub, in, durable.ID(id), durable.Fail)
		return err
	})
	if err != nil {
		return out, err
	}
	// A start that was acknowledged is there after a crash: its result can be had.
	for {
		err = r.ask(func() (err error) {
			out.was, err = ask.Attach(r.hub, id).Wait(r.ctx)
			return err
		})
		if err == nil || !unanswered(err) || r.ctx.Err() != nil {
			return out, err
		}
	}
}

// lifeClient makes requests about a few instances.
func (r *recorder) lifeClient(client, n, keys int, rng *rand.Rand) {
	all := []lifeInput{
		lifeStart, lifeStart, lifeCreate, lifeReplace, lifeEndYourself, lifeFail, lifeAgain, lifeAgain, lifeRewind, lifeRewind, lifeSuspend, lifeSuspend, lifeResume, lifeEnd, lifePurge, lifePurge, lifeGet, lifeGet, lifeGet, lifeGet,
	}
	for range n {
		if !r.lifeRequest(client, fmt.Sprint("i", rng.IntN(keys)), all[rng.IntN(len(all))]) {
			return
		}
	}
}

// livesAtRest looks at all instances once nothing goes on any more: what they were told
// and could take must have been taken.
func (r *recorder) livesAtRest(keys int) {
	if err := r.hub.Settle(); err != nil {
		r.fail(err)
		return
	}
	for i := range keys {
		r.lifeRequest(0, fmt.Sprint("i", i), lifeRest)
	}
}

// lifeRequest makes a request about an instance, and reports whether to go on.
func (r *recorder) lifeRequest(client int, id string, in lifeInput) bool {
	call := r.tick()
	var out lifeOutput
	err := r.ask(func() (err error) {
		out, err = r.request(id, in)
		return err
	})
	switch {
	case errors.Is(err, engine.ErrExists):
		out, err = exists, nil
	case errors.Is(err, engine.ErrNotFound):
		out, err = notFound, nil
	case errors.Is(err, engine.ErrEnded):
		out, err = hasEnded, nil
	case errors.Is(err, engine.ErrNotFailed):
		out, err = notFailed, nil
	case err != nil && !unanswered(err):
		r.fail(fmt.Errorf("%s %s: %w", in, id, err))
		return false
	case err != nil && in == lifeGet:
		r.drop()
		return true
	case err != nil:
		out = unknown
	}
	r.note(r.lives, id, client, call, in, out, err == nil)
	return true
}

func (r *recorder) request(id string, in lifeInput) (lifeOutput, error) {
	e := r.hub.Engine()
	start := func(how durable.IfExists) (lifeOutput, error) {
		_, err := waiter.Start(r.ctx, r.hub, durable.None{}, durable.ID(id), how)
		return ok, err
	}
	switch in {
	case lifeStart:
		return start(durable.IfExists(engine.ReplaceEnded))
	case lifeCreate:
		return start(durable.Fail)
	case lifeReplace:
		return start(durable.Replace)
	case lifeEndYourself, lifeFail, lifeAgain:
		return ok, proceed.Raise(r.ctx, r.hub, id, in.word())
	case lifeRewind:
		return ok, e.Rewind(r.ctx, id, "")
	case lifeSuspend:
		return ok, e.Suspend(r.ctx, id, "")
	case lifeResume:
		return ok, e.Resume(r.ctx, id, "")
	case lifeEnd:
		return ok, e.Terminate(r.ctx, engine.TerminateRequest{Instance: id})
	case lifePurge:
		n, err := e.Purge(r.ctx, id, false)
		if err == nil && n == 0 {
			return nothing, nil
		}
		return ok, err
	}
	inst, err := e.Get(r.ctx, id, engine.GetOptions{})
	if err != nil {
		return unknown, err
	}
	switch inst.Status {
	case model.Pending, model.Running:
		return running, nil
	case model.Suspended:
		return suspended, nil
	case model.Completed:
		return completed, nil
	case model.Terminated:
		return terminated, nil
	case model.Failed:
		return failed, nil
	}
	return unknown, fmt.Errorf("status %v", inst.Status)
}

// searchPatience is how long the search for an order may take.
const searchPatience = 2 * time.Minute

// check holds that what was seen of each entity and instance has an order. That
// none was found in time is an error as well.
func check(model porcupine.Model, seen map[string][]porcupine.Operation) error {
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		if got := porcupine.CheckOperationsTimeout(model, seen[key], searchPatience); got != porcupine.Ok {
			return fmt.Errorf("%s: %d operations are %v:\n%s", key, len(seen[key]), got, describe(model, seen[key]))
		}
	}
	return nil
}

func describe(model porcupine.Model, ops []porcupine.Operation) (text string) {
	ops = slices.Clone(ops)
	slices.SortFunc(ops, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
	for _, op := range ops {
		until := fmt.Sprint(op.Return)
		if op.Return == math.MaxInt64 {
			until = "?"
		}
		text += fmt.Sprintf("%6d to %6s  client %d  %s\n", op.Call, until, op.ClientId, model.DescribeOperation(op.Input, op.Output))
	}
	return text
}
