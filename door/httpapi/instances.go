package httpapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// start starts an orchestration, and waits for it if it is asked to.
func (c *call) start(args []string) error {
	wait, err := c.patience()
	if err != nil {
		return err
	}
	input, err := c.body()
	if err != nil {
		return err
	}
	started, err := c.client.Start(c.r.Context(), engine.StartRequest{
		Name: args[0], Instance: args[1], Version: c.query.text("version"), Input: input, Trace: c.trace(),
	})
	if err != nil {
		return err
	}
	return c.answerOrWait(started.Instance, wait)
}

// patience is how long the caller wants to wait for the end; 0 not at all.
func (c *call) patience() (time.Duration, error) {
	wait, ok, err := c.query.seconds("timeout")
	if err != nil || !ok {
		return 0, err
	}
	interval, ok, err := c.query.seconds("pollingInterval")
	if err == nil && ok && interval > wait {
		err = badRequest("pollingInterval is longer than timeout")
	}
	return wait, err
}

// answerOrWait answers with the output of an instance that completes in time,
// with the status of one that ends otherwise, and else with where to follow it.
func (c *call) answerOrWait(id string, wait time.Duration) error {
	if wait == 0 {
		c.accepted(id)
		return nil
	}
	_ = c.r.Body.Close() // it has been read: what holds the memory of bodies holds it no longer
	ctx, cancel := c.waiting()
	defer cancel()
	defer c.api.opts.Clock.AfterFunc(wait, cancel)()
	i, err := c.client.Wait(ctx, id, engine.UntilEnded, engine.GetOptions{Payloads: true})
	switch {
	case err != nil && ctx.Err() != nil && c.r.Context().Err() == nil:
		c.accepted(id)
		return nil
	case err != nil:
		return err
	case i.Status == model.Completed:
		writeJSON(c.w, http.StatusOK, value(i.Output))
		return nil
	}
	return c.writeStatus(i, detail{input: true})
}

// waiting is the context of what waits for something to happen: it ends with the
// request, and when the server is about to go down.
func (c *call) waiting() (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(c.r.Context())
	stop := context.AfterFunc(c.api.drain, cancel)
	return ctx, func() {
		stop()
		cancel()
	}
}

// status answers with what is known of an instance.
func (c *call) status(args []string) error {
	var d detail
	var err error
	for _, f := range []struct {
		name      string
		otherwise bool
		to        *bool
	}{
		{"showHistory", false, &d.history}, {"showHistoryOutput", false, &d.results}, {"showInput", true, &d.input},
		{"returnInternalServerErrorOnFailure", false, &d.failureIs500},
	} {
		if *f.to, err = c.query.flag(f.name, f.otherwise); err != nil {
			return err
		}
	}
	i, err := c.get(args[0])
	if err != nil {
		return err
	}
	return c.writeStatus(i, d)
}

// get reads an orchestration. An entity is none.
func (c *call) get(id string) (*model.Instance, error) {
	if model.IsEntity(id) {
		return nil, notFound(id)
	}
	return c.client.Get(c.r.Context(), id, engine.GetOptions{Payloads: true})
}

func notFound(id string) error { return fmt.Errorf("%q: %w", id, engine.ErrNotFound) }

// list answers with a page of instances.
func (c *call) list([]string) error {
	q, err := c.filter()
	if err != nil {
		return err
	}
	if q.PageSize, err = c.query.number("top", 1000); err != nil {
		return err
	}
	show, err := c.query.flag("showInput", true)
	if err != nil {
		return err
	}
	q.Token, q.Payloads = c.r.Header.Get(continuation), true
	page, err := c.client.Query(engine.UntilDone(c.r.Context()), q)
	if err != nil {
		return err
	}
	out := make([]*statusBody, 0, len(page.Instances))
	for _, i := range page.Instances {
		out = append(out, statusOf(i, show))
	}
	c.next(page.Token)
	writeJSON(c.w, http.StatusOK, out)
	return nil
}

// continuation is the header of the token of the next page, both ways.
const continuation = "x-ms-continuation-token"

// next says that there is a next page, if there is one.
func (c *call) next(token string) {
	if token != "" {
		c.w.Header().Set(continuation, token)
	}
}

// filter reads which instances are meant.
func (c *call) filter() (q engine.Query, err error) {
	q.IDPrefix = c.query.text("instanceIdPrefix")
	if q.CreatedFrom, err = c.query.time("createdTimeFrom"); err != nil {
		return q, err
	}
	if q.CreatedTo, err = c.query.time("createdTimeTo"); err != nil {
		return q, err
	}
	q.Statuses, err = c.query.statuses("runtimeStatus")
	return q, err
}

// purged says how many instances are gone.
type purged struct {
	InstancesDeleted int `json:"instancesDeleted"`
}

// purge forgets an instance that has ended.
func (c *call) purge(args []string) error {
	if model.IsEntity(args[0]) {
		return notFound(args[0])
	}
	n, err := c.client.Purge(c.r.Context(), args[0], false)
	if err != nil {
		return err
	}
	writeJSON(c.w, http.StatusOK, purged{n})
	return nil
}

// purgeWhere forgets the instances that match and have ended.
func (c *call) purgeWhere([]string) error {
	if c.query.text("createdTimeFrom") == "" {
		return badRequest("createdTimeFrom is missing: it says from when on instances are purged")
	}
	q, err := c.filter()
	if err != nil {
		return err
	}
	total := 0
	for {
		n, token, err := c.client.PurgeWhere(c.r.Context(), q)
		if err != nil {
			return err
		}
		if total += n; token == "" {
			break
		}
		q.Token = token
	}
	if total == 0 {
		return &Refusal{http.StatusNotFound, "no instance matches"}
	}
	writeJSON(c.w, http.StatusOK, purged{total})
	return nil
}

// living reads an orchestration and refuses one that has ended.
func (c *call) living(id string) error {
	i, err := c.get(id)
	if err == nil && i.Status.Ended() {
		err = fmt.Errorf("%q is %s: %w", id, i.Status, engine.ErrEnded)
	}
	return err
}

// raise sends an external event.
func (c *call) raise(args []string) error {
	payload, err := c.body() // whatever type it says it has, as of a start
	if err == nil {
		err = c.living(args[0])
	}
	if err == nil {
		err = c.client.Raise(c.r.Context(), engine.RaiseRequest{Instance: args[0], Event: args[1], Payload: payload})
	}
	return c.taken(err)
}

// taken answers that a command has been taken.
func (c *call) taken(err error) error {
	if err == nil {
		c.w.WriteHeader(http.StatusAccepted)
	}
	return err
}

func (c *call) terminate(args []string) error {
	err := c.living(args[0])
	if err == nil {
		err = c.client.Terminate(c.r.Context(), engine.TerminateRequest{Instance: args[0], Output: quote(c.query.text("reason"))})
	}
	return c.taken(err)
}

// quote is a text as JSON; nil if there is none.
func quote(text string) []byte {
	if text == "" {
		return nil
	}
	return value([]byte(text))
}

func (c *call) suspend(args []string) error {
	err := c.living(args[0])
	if err == nil {
		err = c.client.Suspend(c.r.Context(), args[0], c.query.text("reason"))
	}
	return c.taken(err)
}

func (c *call) resume(args []string) error {
	err := c.living(args[0])
	if err == nil {
		err = c.client.Resume(c.r.Context(), args[0], c.query.text("reason"))
	}
	return c.taken(err)
}

func (c *call) rewind(args []string) error {
	i, err := c.get(args[0])
	if err == nil && i.Status.Ended() && i.Status != model.Failed {
		err = fmt.Errorf("%q is %s: %w", args[0], i.Status, engine.ErrEnded)
	}
	if err == nil {
		err = c.client.Rewind(c.r.Context(), args[0], c.query.text("reason"))
	}
	switch { // the clients of Durable Functions take the whole body of these for the text
	case errors.Is(err, engine.ErrNotFound):
		writeJSON(c.w, http.StatusNotFound, err.Error())
		return nil
	case errors.Is(err, engine.ErrNotFailed):
		writeJSON(c.w, http.StatusPreconditionFailed, err.Error())
		return nil
	}
	return c.taken(err)
}

// restart starts an orchestration once more.
func (c *call) restart(args []string) error {
	wait, err := c.patience()
	if err != nil {
		return err
	}
	fresh, err := c.query.flag("restartWithNewInstanceId", true)
	if err != nil {
		return err
	}
	old, err := c.get(args[0])
	if errors.Is(err, engine.ErrNotFound) {
		return badRequest("there is no instance %q", args[0])
	} else if err != nil {
		return err
	}
	q := engine.StartRequest{Name: old.Name, Version: old.Version, Input: old.Input, Tags: old.Tags}
	if !fresh {
		q.Instance = old.ID
	}
	started, err := c.client.Start(c.r.Context(), q)
	if err != nil {
		return err
	}
	return c.answerOrWait(started.Instance, wait)
}
