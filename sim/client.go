package sim

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
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
	w := c.w
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
	return c.onceOf(p, instance, names, request)
}

// onceOf is once, of a process.
func (c *client) onceOf(p *process, instance string, names []string, request func(context.Context, *netherite.Engine) error) (err error) {
	w, t := c.w, c.w.task
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
			w.fault(Impatience, "client gives up", uint64(c.nr), 0)
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
	if name == fickle {
		i.Failure = model.FailureNonDeterminism
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
	told := c.w.ledger.LastTold(id)
	err := c.request("get", id, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		got, err = e.Get(ctx, id, engine.GetOptions{Payloads: true})
		return err
	})
	return c.saw(id, got, told, err)
}

// await waits for the end of an instance.
func (c *client) await(id string) (got *model.Instance) {
	told := c.w.ledger.LastTold(id)
	err := c.request("wait for", id, func(ctx context.Context, e *netherite.Engine, _ string) (err error) {
		got, err = e.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
		return err
	})
	return c.saw(id, got, told, err)
}

func (c *client) saw(id string, got *model.Instance, told check.View, err error) *model.Instance {
	switch {
	case errors.Is(err, engine.ErrNotFound):
		got = nil
	case errors.Is(err, errUnknown):
		return nil
	case err != nil:
		c.w.fail("client: read of %q: %w", id, err)
		return nil
	}
	if err := cmp.Or(c.w.ledger.Saw(id, got, c.w.latestWall), c.w.ledger.Kept(id, told, got, c.w.latestWall)); err != nil {
		c.w.fail("%w", err)
	}
	return got
}
