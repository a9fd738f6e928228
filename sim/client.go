package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim/check"
)

// client makes requests, one after the other, and repeats each until it has an
// answer.
type client struct {
	w    *world
	nr   int
	keys int
	asks string // what it waits for an answer to; "" if for none
	late bool   // its last request may have been repeated after it was forgotten
	old  bool   // its last request may have been forgotten before it was answered
}

var (
	errDisconnected = errors.New("the process is gone")
	errImpatient    = errors.New("the client has waited long enough")
	errUnknown      = errors.New("what came of it cannot be known any more")
)

// once makes a request about an instance, or about all of them, to the process
// that serves. Its names are those by which the record is known that it leads to.
func (c *client) once(instance string, names []string, request func(context.Context, *netherite.Engine) error) (err error) {
	w, t := c.w, c.w.task
	w.park(func() bool { return w.serving() != nil })
	p := w.serving()
	if len(w.procs) > 1 && w.work.IntN(4) == 0 {
		for _, z := range w.procs {
			if z.replaced && z.eng != nil {
				p = z // it has not heard that there is another one
				break
			}
		}
	}
	t.peer = p
	ctx, cancel := context.WithCancelCause(context.Background())
	defer func() {
		t.peer, t.lost = nil, false
		cancel(nil)
		if r := recover(); r != nil {
			if _, ok := r.(disconnected); !ok {
				panic(r)
			}
			err = errDisconnected
		}
	}()
	if w.chaos && w.plan.has(Impatience) && w.work.IntN(10) == 0 {
		defer w.after(time.Duration(w.work.IntN(3000))*time.Microsecond, func() {
			w.fault("client gives up", uint64(c.nr), 0)
			cancel(errImpatient)
		})()
	}
	late, q, parked := p.superseded, p.asked(instance), p.parked(instance)
	err = request(ctx, p.eng.Engine())
	if !isAnswer(err) {
		return err
	}
	if parked != nil && p.parked(instance) == parked {
		w.fail("parked: %s is answered with %v, although %w", names[0], err, parked)
	}
	if late {
		w.fail("zombie: process %d has answered what it was asked after another one had opened the log", p.nr)
	}
	p.answered(q, names...)
	return err
}

// isAnswer reports whether what came of a request tells of the hub's state.
func isAnswer(err error) bool {
	for _, refusal := range []error{nil, engine.ErrNotFound, engine.ErrExists, engine.ErrEnded, engine.ErrNotFailed, engine.ErrReplaced} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// request repeats a request until it has been answered.
func (c *client) request(what, instance string, request func(context.Context, *netherite.Engine, string) error) error {
	w := c.w
	c.keys++
	key := fmt.Sprintf("%d-%d", c.nr, c.keys)
	c.asks = what + " " + instance
	names := []string{key, c.asks}
	defer func() { c.asks = "" }()
	leaps := w.leaps
	c.late = false
	begun := w.now
	for attempt := 0; ; attempt++ {
		err := c.once(instance, names, func(ctx context.Context, e *netherite.Engine) error {
			if attempt > 0 && w.leaps != leaps && slices.Contains(notRepeatable, what) {
				mark.Hit(mark.RequestGivenUp)
				return errUnknown // what is remembered for an hour may be forgotten by now
			}
			return request(ctx, e, key)
		})
		w.note("answer to "+c.asks, uint64(c.nr), uint64(c.keys))
		c.old = w.leaps != leaps || w.now-begun >= memory
		if attempt > 0 && w.leaps != leaps && !errors.Is(err, errUnknown) && slices.Contains(notRepeatable, what) {
			c.late = true // the leap came while this repetition was under way
			return errUnknown
		}
		switch {
		case errors.Is(err, engine.ErrOutcomeUnknown) && !c.old:
			return fmt.Errorf("after %v: %w", w.now-begun, err)
		case errors.Is(err, engine.ErrOutcomeUnknown), errors.Is(err, errUnknown):
			return errUnknown
		case errors.Is(err, engine.ErrHeld): // it was asked of a process that has been replaced
		case isPoisoned(err):
		case errors.Is(err, engine.ErrUnavailable): // something is damaged
			if err := w.refused(instance, err); err != nil {
				return fmt.Errorf("parked: %w", err)
			}
		case err == nil && slices.Contains(repeatedLater, what):
			w.repeatLater(key)
			return nil
		case err == nil || !transient(err):
			return err
		case attempt > 2000:
			return fmt.Errorf("no answer after %d attempts: %w", attempt, err)
		}
		w.sleep(time.Duration(1+w.work.IntN(2000)) * time.Millisecond)
	}
}

var (
	// notRepeatable are the requests that only their key makes one.
	notRepeatable = []string{"raise", "post", "probe"}
	// repeatedLater are those that must not be applied again after they were answered.
	repeatedLater = append([]string{"start", "start again"}, notRepeatable...)
)

// memory is how long the hub remembers a request at least, unless the clock leaps: an
// hour, and it may ask again itself after half of it.
const memory = 30 * time.Minute

// transient reports whether a request that failed so should be repeated.
func transient(err error) bool {
	for _, t := range []error{errDisconnected, errImpatient, engine.ErrBusy, engine.ErrDiskFull, engine.ErrClosed, errInjected, context.Canceled} {
		if errors.Is(err, t) {
			return true
		}
	}
	return false
}

func encode(v any) []byte {
	b, _ := json.Marshal(v) // numbers, strings, and what is made of them: it does not fail
	return b
}

// start begins an instance that is to end with an output. It returns nil if that
// cannot be known.
func (c *client) start(id, name string, input, want any) *check.Instance {
	return c.startAt(id, name, input, want, 0)
}

// startAt is start, of something that begins after a while.
func (c *client) startAt(id, name string, input, want any, wait time.Duration) *check.Instance {
	i := c.w.ledger.Begin(id, name, model.Completed, string(encode(want)))
	if i.Since = c.w.wall(); c.w.clockJumps() {
		i.Since = i.Since.Add(-2 * mostSkew)
	}
	if slices.Contains(tagged, name) {
		i.Tags = map[string]string{lot: fmt.Sprint(len(id) % lots)}
	}
	var at model.Time
	if wait > 0 {
		at = model.TimeOf(c.w.wall().Add(wait))
	}
	err := c.request("start", id, func(ctx context.Context, e *netherite.Engine, key string) error {
		_, err := e.Start(ctx, engine.StartRequest{Instance: id, Name: name, Input: encode(input), At: at, Tags: i.Tags, Key: key, IfExists: engine.FailIfExists})
		return err
	})
	switch {
	case err == nil || errors.Is(err, engine.ErrExists) && c.old: // a repetition that came too late to be known as one
		i.Acked = true
		return i
	case errors.Is(err, errUnknown):
		return nil
	}
	c.w.fail("client: start of %q: %w", id, err)
	return nil
}

// command makes a request about an instance, of which some errors are expected. It
// reports whether it has been acknowledged.
func (c *client) command(what, id string, expected error, f func(ctx context.Context, e *netherite.Engine, key string) error) (acked bool) {
	return c.expect(what, id, expected, c.request(what, id, f))
}

// expect is command, for a request that has been made.
func (c *client) expect(what, id string, expected, err error) (acked bool) {
	switch {
	case err == nil || errors.Is(err, errUnknown) || expected != nil && errors.Is(err, expected):
	case errors.Is(err, engine.ErrNotFound) && c.w.ledger.Retired(id, c.w.latestWall):
	default:
		c.w.fail("client: %s of %q: %w", what, id, err)
	}
	return err == nil
}

// see reads an instance, and has it compared with what was known of it.
func (c *client) see(id string) (got *model.Instance) {
	err := c.request("get", id, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		got, err = e.Get(ctx, id, engine.GetOptions{Payloads: true})
		return err
	})
	return c.saw(id, got, err)
}

// await waits for the end of an instance.
func (c *client) await(id string) (got *model.Instance) {
	err := c.request("wait for", id, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		got, err = e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
		return err
	})
	return c.saw(id, got, err)
}

func (c *client) saw(id string, got *model.Instance, err error) *model.Instance {
	switch {
	case errors.Is(err, engine.ErrNotFound):
		got = nil
	case errors.Is(err, errUnknown):
		return nil
	case err != nil:
		c.w.fail("client: read of %q: %w", id, err)
		return nil
	}
	if err := c.w.ledger.Saw(id, got, c.w.latestWall); err != nil {
		c.w.fail("%w", err)
	}
	return got
}

// enough reports whether there is no need for another operation.
func (w *world) enough() bool {
	switch {
	case w.failure != nil || !w.chaos:
		return true
	case w.plan.operations > 0:
		w.plan.operations--
		return w.plan.operations == 0
	}
	return w.steps >= w.plan.events && (w.faults >= leastFaults || w.steps >= 3*w.plan.events)
}

// run does operations as long as there is need for more.
func (c *client) run() {
	w := c.w
	for n := 0; !w.enough(); n++ {
		c.operation(fmt.Sprintf("%d-%d", c.nr, n))
		w.sleep(time.Duration(w.work.IntN(500)) * time.Millisecond)
	}
}

// operation does one thing with the hub.
func (c *client) operation(id string) {
	w := c.w
	switch w.work.IntN(20) {
	case 0, 1, 2:
		from, to := w.work.IntN(w.plan.accounts), w.work.IntN(w.plan.accounts-1)
		if to >= from {
			to++
		}
		c.start("transfer-"+id, "Transfer", move{fmt.Sprint(from), fmt.Sprint(to), int64(1 + w.work.IntN(60))}, "ok")
	case 3:
		if c.start("audit-"+id, "Audit", w.plan.accounts, w.ledger.Money) != nil && w.work.IntN(2) == 0 {
			c.await("audit-" + id)
		}
	case 4:
		n, want := 1+w.work.IntN(12), 0
		for i := range n {
			want += i * i
		}
		if c.start("fanout-"+id, "FanOut", n, want) != nil {
			c.await("fanout-" + id)
		}
	case 5:
		t := tree{1 + w.work.IntN(2), 1 + w.work.IntN(3)}
		want := t.Width
		if t.Depth == 2 {
			want *= t.Width
		}
		c.start("tree-"+id, "Tree", t, want)
	case 6:
		c.doze("nap-" + id)
	case 7:
		c.start("loop-"+id, "Loop", 1+w.work.IntN(4), "done")
	case 8:
		c.collect("collect-"+id, "Collect")
	case 9:
		c.collect("relay-"+id, "Relay")
	case 10:
		c.mend("mend-"+id, "Mend", "mend-"+id)
	case 11:
		c.mend("foreman-"+id, "Foreman", "foreman-"+id+"-job")
	case 12, 13:
		c.captive([...]string{"captive-", "prisoner-"}[w.work.IntN(2)] + id)
	case 14:
		c.cutShort("cut-" + id)
	case 15:
		c.again("again-" + id)
	case 16:
		c.query()
	case 17:
		c.probe()
	case 18:
		c.errand("errand-" + id)
	default:
		c.post(journals.Key(fmt.Sprint(w.work.IntN(3))).InstanceID(), "post-"+id)
	}
}

// errand starts an orchestration whose entity cannot apply what comes for it until
// it is mended. Tried again, it has to apply all of it.
func (c *client) errand(id string) {
	w := c.w
	n, entity := 1+w.work.IntN(3), frails.Key(id).InstanceID()
	w.poisons.mark(entity, w.chaos && w.plan.has(Poison))
	c.start(id, "Errand", n, n)
	w.sleep(time.Duration(w.work.IntN(3000)) * time.Millisecond)
	w.poisons.mark(entity, false)
	for w.failure == nil {
		if got := c.see(id); got == nil || got.Status.Ended() {
			return
		}
		c.retry(entity)
		w.sleep(time.Second)
	}
}

// doze starts a nap, and may suspend it in between.
func (c *client) doze(id string) {
	w := c.w
	var n nap
	var wait time.Duration
	if w.work.IntN(3) == 0 {
		wait = time.Duration(w.work.IntN(20_000)) * time.Millisecond
	}
	for range 1 + w.work.IntN(3) {
		n.Each = append(n.Each, time.Duration(w.work.IntN(90_000))*time.Millisecond)
	}
	i := c.startAt(id, "Nap", n, "rested", wait)
	if i == nil || w.work.IntN(2) == 0 {
		return
	}
	i.Held = c.command("suspend", id, engine.ErrEnded, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Suspend(ctx, id, "for now") })
	if i.Held && w.work.IntN(4) == 0 {
		return // the judge looks whether it has stayed so
	}
	w.sleep(time.Duration(w.work.IntN(5_000)) * time.Millisecond)
	c.see(id)
	i.Held = false
	c.command("resume", id, engine.ErrEnded, func(ctx context.Context, e *netherite.Engine, _ string) error { return e.Resume(ctx, id, "go on") })
}

// collect raises events, each until it is acknowledged.
func (c *client) collect(id, name string) {
	n := 1 + c.w.work.IntN(4)
	var input any = n
	if name == "Relay" {
		input = relayed{Left: n}
	}
	want := make([]int, n)
	for i := range want {
		want[i] = i
	}
	i := c.start(id, name, input, want)
	if i == nil {
		return
	}
	if c.w.work.IntN(3) == 0 {
		c.sendFor(i, id, want)
		return
	}
	for n := range want {
		if !c.raise(i, id, "Parcel", n, name == "Collect") {
			c.giveUpOn(i, id)
			return
		}
	}
}

// mend rewinds an orchestration that has failed.
func (c *client) mend(id, name, job string) {
	w := c.w
	i := c.start(id, name, 0, "mended")
	if i == nil {
		return
	}
	if got := c.await(id); got != nil && got.Status != model.Failed {
		w.fail("outcome: %q is %v before it is mended", id, got.Status)
	}
	w.workload.mended[job] = true
	c.rewind(id)
	// A job that was tried again, by a request that was sent again, may have been
	// rewound before it was mended, and fail after that.
	if w.poisons.tried[job] {
		if got := c.await(id); got != nil && got.Status == model.Failed {
			c.rewind(id)
		}
	}
}

// captive terminates what would wait for ever, or frees it, and may purge it.
func (c *client) captive(id string) {
	w := c.w
	name, n := "Captive", w.work.IntN(3)
	if n > 0 {
		name = "Warden"
	}
	i := c.start(id, name, n, "free")
	if i == nil {
		return
	}
	i.Children = n
	if n == 0 && w.work.IntN(3) == 0 {
		if !c.raise(i, id, "Free", "free", true) {
			c.giveUpOn(i, id)
		}
		return
	}
	i.Status, i.Want = model.Terminated, string(encode("enough"))
	var gone error
	if strings.HasPrefix(id, "captive-") { // a query may purge it, also between two attempts
		i.Purged, gone = true, engine.ErrNotFound
	}
	i.Stopped = c.command("terminate", id, gone, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("enough"), Recursive: true})
	})
	c.await(id)
	if w.work.IntN(2) == 0 {
		i.Purged = true
		purged := false
		acked := c.command("purge", id, engine.ErrNotFound, func(ctx context.Context, e *netherite.Engine, _ string) error {
			n, err := e.Purge(ctx, id, true)
			purged = n > 0
			return err
		})
		if acked && purged {
			i.Gone, i.Forgotten = true, true
		}
	}
}

// cutShort terminates what holds locks or waits for an activity, at some time.
func (c *client) cutShort(id string) {
	w := c.w
	name, input, alone := "Hurry", 7, "hurried" // what it ends with by itself
	if w.work.IntN(2) == 0 {
		name, input, alone = "Loiter", w.plan.accounts, "gone"
	}
	i := c.start(id, name, input, alone)
	if i == nil {
		return
	}
	i.Want, i.Any = "", true // it may end by itself before
	w.sleep(time.Duration(w.work.IntN(100)) * time.Millisecond)
	i.Stopped = c.command("terminate", id, nil, func(ctx context.Context, e *netherite.Engine, _ string) error {
		return e.Terminate(ctx, engine.TerminateRequest{Instance: id, Output: encode("cut")})
	})
}

// again starts instances of one ID, one after the other, in all ways there are.
func (c *client) again(id string) {
	w := c.w
	i := c.start(id, "Captive", 0, "free")
	if i == nil {
		return
	}
	i.Restarted = true
	if _, acked := c.startAgain(id, engine.FailIfExists, engine.ErrExists); acked {
		w.fail("client: %q was started again, although it was not to be if it exists", id)
	}
	second, replaced := c.startAgain(id, engine.ReplaceAny, nil)
	third, attached := c.startAgain(id, engine.AttachIfExists, nil)
	if attached && (!third.Attached || replaced && third.Execution != second.Execution) {
		w.fail("client: %q runs as %v, and the request to attach to it was answered with %+v", id, second.Execution, third)
	}
	if !c.raise(i, id, "Free", "free", true) {
		c.giveUpOn(i, id)
	}
	if got := c.await(id); got == nil && w.failure == nil && !w.ledger.Retired(id, w.latestWall) {
		w.fail("ledger: %q was started, but there is no such instance", id)
	}
}

// startAgain starts an instance of an ID that there is.
func (c *client) startAgain(id string, how engine.Reuse, expected error) (s engine.Started, acked bool) {
	what := "start again"
	if how == engine.AttachIfExists { // of which nothing may come, that is not remembered
		what = "attach to"
	}
	acked = c.command(what, id, expected, func(ctx context.Context, e *netherite.Engine, key string) (err error) {
		s, err = e.Start(ctx, engine.StartRequest{Instance: id, Name: "Captive", Input: encode(0), Key: key, IfExists: how})
		return err
	})
	return s, acked
}
