package durablehttp

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"sync"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/worker"
)

const (
	// ActivityName is the activity that SDKs call.
	ActivityName = "BuiltIn::HttpActivity"
	// PollName is the orchestration that polls for one call, lookName its activity.
	PollName = "BuiltIn::HttpPoll"
	lookName = "BuiltIn::HttpLook"

	// defaultRetryAfter is how long to wait where an answer does not say.
	defaultRetryAfter = 30 * time.Second
	maxRetryAfter     = time.Hour
	// comeAgain is when a call looks again for what polling has come to, if so many wait
	// that the polling itself would have no place.
	comeAgain = 10 * time.Second
	// looksPerRun is after how many looks a polling orchestration begins a new
	// history.
	looksPerRun = 50
)

// Options say what may be called, and how much.
type Options struct {
	// Hosts may be called: api.example.com and *.example.com by https, with
	// http:// before it also without; * is any. At the usual ports, or :PORT.
	Hosts []string
	// Exempt are networks that may be called although they are of this machine or its
	// link. There is seldom a good reason.
	Exempt []netip.Prefix
	// MaxResponse bounds the body of an answer, in bytes. Default 1 MiB.
	MaxResponse int64
	// CallTimeout bounds one exchange. Default 100 s.
	CallTimeout time.Duration
	// PollTimeout bounds a call with all its polling. Default 7 days.
	PollTimeout time.Duration
	// MinRetryAfter is the least time between two looks, whatever the answer says.
	// Default 1 s.
	MinRetryAfter time.Duration
	// Resolver looks up names, TLS says whom to trust; the system's by default.
	Resolver *net.Resolver
	TLS      *tls.Config
}

// Calls makes HTTP calls for the orchestrations of a hub.
type Calls struct {
	o        Options
	x        *exchanger
	poll     *durable.OrchestrationOf[pollInput, Response]
	look     *durable.ActivityOf[pollInput, looked]
	once     sync.Once
	attached chan struct{}
	hub      durable.Hub
}

// New makes what Serve is given, for one hub.
func New(o Options) (*Calls, error) {
	for _, d := range []struct {
		of        *time.Duration
		otherwise time.Duration
	}{{&o.CallTimeout, 100 * time.Second}, {&o.PollTimeout, 7 * 24 * time.Hour}, {&o.MinRetryAfter, time.Second}} {
		if *d.of <= 0 {
			*d.of = d.otherwise
		}
	}
	if o.MaxResponse <= 0 {
		o.MaxResponse = 1 << 20
	}
	c := &Calls{o: o, attached: make(chan struct{})}
	var err error
	if c.x, err = newExchanger(&c.o); err != nil {
		return nil, err
	}
	c.look = durable.Activity(lookName, c.lookAgain, durable.Retry{Attempts: 6, First: time.Second, Factor: 4, Max: 5 * time.Minute})
	c.poll = durable.Orchestration(PollName, c.run)
	return c, nil
}

// Handlers are the code to serve.
func (c *Calls) Handlers() []durable.Handler {
	return []durable.Handler{durable.Activity(ActivityName, c.call), c.look, c.poll}
}

// Attach tells what hub the calls are of, once it is open. Until then calls wait.
func (c *Calls) Attach(hub durable.Hub) {
	c.once.Do(func() {
		c.hub = hub
		close(c.attached)
	})
}

// Close drops connections that are kept for the next call.
func (c *Calls) Close() { c.x.client.CloseIdleConnections() }

// pollInput is what a polling orchestration knows.
type pollInput struct {
	Request    *Request
	RetryAfter string // what the last answer said of when to look again
	Least      time.Duration
	Limit      time.Duration // of all the polling
	Deadline   time.Time     // set from Limit when it begins
	Instance   string        // that called, and waits
	Run        model.ExecutionID
}

// looked is what a look found.
type looked struct {
	Response *Response
	Next     *Request // nil: it is over
	Gone     bool     // nobody waits any more
}

// call is the activity: one exchange, and if its answer is 202 the wait for an
// orchestration that polls. When the activity is run again after a crash, it finds
// that orchestration instead of asking once more.
func (c *Calls) call(ctx context.Context, payload json.RawMessage) (*Response, error) {
	r, err := ParseRequest(payload)
	if err != nil {
		return nil, durable.NonRetriable(err)
	}
	select {
	case <-c.attached:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	a := worker.ActivityOf(ctx)
	id := pollID(a.Item)
	switch _, err := c.hub.Engine().Get(ctx, id, engine.GetOptions{}); {
	case err == nil: // also if it has failed: the next attempt, if there is one, has another
		return c.await(ctx, id)
	case !errors.Is(err, engine.ErrNotFound):
		return nil, err
	}
	got, err := c.x.do(ctx, r)
	if err != nil {
		return nil, permanent(err)
	}
	n, err := next(r, got)
	if err != nil {
		return nil, durable.NonRetriable(err)
	} else if n == nil {
		return got, nil
	}
	return c.follow(ctx, id, a.Item, n, got)
}

// follow starts the orchestration that polls, and waits for it.
func (c *Calls) follow(ctx context.Context, id string, item *engine.ActivityItem, n *Request, got *Response) (*Response, error) {
	limit := c.o.PollTimeout
	if n.Timeout > 0 {
		limit = min(limit, n.Timeout)
	}
	input, err := json.Marshal(pollInput{
		Request: n, RetryAfter: got.Headers["Retry-After"], Least: c.o.MinRetryAfter, Limit: limit, Instance: item.Instance, Run: item.Execution,
	})
	if err != nil {
		return nil, err
	}
	if _, err := c.hub.Engine().Start(ctx, engine.StartRequest{
		Instance: id, Name: PollName, Input: input, IfExists: engine.AttachIfExists, Tags: map[string]string{"netherite.caller": item.Instance},
	}); err != nil {
		return nil, err
	}
	return c.await(ctx, id)
}

// await waits for what polling comes to. Another attempt would do so as well, so that a
// hub which is stopped need not wait for the polling to end, as it goes on with the hub.
func (c *Calls) await(ctx context.Context, id string) (*Response, error) {
	if a := worker.ActivityOf(ctx); !a.OnlyWaits() {
		if i, err := c.hub.Engine().Get(ctx, id, engine.GetOptions{}); err != nil || !i.Status.Ended() {
			return nil, a.GiveBack(comeAgain)
		}
	}
	i, err := c.hub.Engine().Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	if err != nil {
		return nil, err
	}
	if i.Status != model.Completed {
		if i.Failure != nil {
			return nil, pollFailure(i.Failure)
		}
		return nil, fmt.Errorf("the polling for the answer, instance %q, is %s", id, i.Status)
	}
	var got Response
	if err := json.Unmarshal(i.Output, &got); err != nil {
		return nil, fmt.Errorf("read the answer that polling got: %w", err)
	}
	return &got, nil
}

// pollFailure is what polling has failed with: where that is final, so is the call, which
// a retry would begin again with its first request.
func pollFailure(f *model.Failure) error {
	err := errors.New(f.Message)
	if final(f) {
		return durable.NonRetriable(err)
	}
	return err
}

// final reports whether a failure, or what caused it, is one that no retry helps.
func final(f *model.Failure) bool {
	for ; f != nil; f = f.Cause {
		if f.NonRetriable {
			return true
		}
	}
	return false
}

// pollID names the orchestration that polls for an activity: the same one when the
// activity is run again, another one for each that is scheduled.
func pollID(i *engine.ActivityItem) string {
	sum := sha256.Sum256([]byte(fmt.Sprint(i.Instance, "\x00", i.Execution, i.Task, i.Token.Name)))
	return "http-" + hex.EncodeToString(sum[:16])
}

// run polls.
func (c *Calls) run(ctx *durable.Context, in pollInput) (Response, error) {
	if in.Deadline.IsZero() {
		in.Deadline = ctx.Now().Add(in.Limit)
	}
	for range looksPerRun {
		after := in.wait(ctx.Now())
		if ctx.Now().Add(after).After(in.Deadline) {
			return Response{}, durable.NonRetriable(errors.New("the HTTP call has timed out: it was still being worked on, 202, when its time was over"))
		}
		if err := durable.Sleep(ctx, after); err != nil {
			return Response{}, err
		}
		l, err := c.look.Call(ctx, in).Await()
		switch {
		case err != nil:
			return Response{}, err
		case l.Gone:
			return Response{}, durable.NonRetriable(errors.New("the orchestration that called does not wait any more"))
		case l.Next == nil:
			return *l.Response, nil
		}
		in.Request, in.RetryAfter = l.Next, l.Response.Headers["Retry-After"]
	}
	return c.poll.Again(in)
}

// lookAgain makes one exchange of the polling, unless nobody waits any more.
func (c *Calls) lookAgain(ctx context.Context, in pollInput) (looked, error) {
	select {
	case <-c.attached:
	case <-ctx.Done():
		return looked{}, context.Cause(ctx)
	}
	i, err := c.hub.Engine().Get(ctx, in.Instance, engine.GetOptions{})
	if errors.Is(err, engine.ErrNotFound) || err == nil && (i.Status.Ended() || i.Execution != in.Run) {
		return looked{Gone: true}, nil
	} else if err != nil {
		return looked{}, err
	}
	got, err := c.x.do(ctx, in.Request)
	if err != nil {
		return looked{}, permanent(err)
	}
	n, err := next(in.Request, got)
	if err != nil {
		return looked{}, durable.NonRetriable(err)
	}
	return looked{Response: got, Next: n}, nil
}

// wait is how long to wait before the next look.
func (in *pollInput) wait(now time.Time) time.Duration {
	wait := defaultRetryAfter
	if s, err := strconv.ParseUint(in.RetryAfter, 10, 31); err == nil {
		wait = time.Duration(s) * time.Second
	} else if t, err := http.ParseTime(in.RetryAfter); err == nil {
		wait = t.Sub(now)
	}
	return min(max(wait, in.Least), maxRetryAfter)
}

// permanent marks what no retry helps against.
func permanent(err error) error {
	if _, refused := errors.AsType[*refusedError](err); refused {
		return durable.NonRetriable(err)
	}
	return err
}
