package owner

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Arguments of the methods that take more than one.
type (
	reasonArgs struct {
		Instance string
		Reason   string
	}
	purgeArgs struct {
		Instance  string
		Recursive bool
	}
	getArgs struct {
		Instance string
		Until    engine.Until
		Options  engine.GetOptions
	}
	purgeResult struct {
		Deleted int
		Token   string
	}
)

// method runs one call of the contract from its encoded arguments.
type method func(context.Context, engine.Client, json.RawMessage) (any, error)

// methods are the calls that the door carries.
var methods = map[string]method{
	"Start": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a engine.StartRequest) (any, error) { return c.Start(ctx, a) })
	},
	"Raise": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a engine.RaiseRequest) (any, error) { return nil, c.Raise(ctx, a) })
	},
	"Suspend": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a reasonArgs) (any, error) { return nil, c.Suspend(ctx, a.Instance, a.Reason) })
	},
	"Resume": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a reasonArgs) (any, error) { return nil, c.Resume(ctx, a.Instance, a.Reason) })
	},
	"Terminate": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a engine.TerminateRequest) (any, error) { return nil, c.Terminate(ctx, a) })
	},
	"Rewind": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a reasonArgs) (any, error) { return nil, c.Rewind(ctx, a.Instance, a.Reason) })
	},
	"Purge": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a purgeArgs) (any, error) { return c.Purge(ctx, a.Instance, a.Recursive) })
	},
	"PurgeWhere": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(q engine.Query) (any, error) {
			n, token, err := c.PurgeWhere(ctx, q)
			return purgeResult{n, token}, err
		})
	},
	"Get": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a getArgs) (any, error) { return c.Get(ctx, a.Instance, a.Options) })
	},
	"Wait": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a getArgs) (any, error) { return c.Wait(ctx, a.Instance, a.Until, a.Options) })
	},
	"History": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(instance string) (any, error) { return c.History(engine.UntilDone(ctx), instance) })
	},
	"Query": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(q engine.Query) (any, error) { return c.Query(engine.UntilDone(ctx), q) })
	},
	"Signal": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(a engine.SignalRequest) (any, error) { return nil, c.Signal(ctx, a) })
	},
	"CleanEntities": func(ctx context.Context, c engine.Client, raw json.RawMessage) (any, error) {
		return withArgs(raw, func(o engine.CleanOptions) (any, error) { return c.CleanEntities(ctx, o) })
	},
}

// withArgs decodes a method's arguments and runs it.
func withArgs[A any](raw json.RawMessage, run func(A) (any, error)) (any, error) {
	var args A
	if err := json.Unmarshal(raw, &args); err != nil {
		return nil, fmt.Errorf("%w: arguments: %w", engine.ErrInvalid, err)
	}
	return run(args)
}

// Client reaches a hub through its owner's socket. It implements engine.Client.
type Client struct {
	post  func(ctx context.Context, method string, args, result any) error
	watch func(engine.WatchOptions) (engine.Watch, error)
	done  func()
}

var _ engine.Client = (*Client)(nil)

// Close releases the connection; the hub goes on.
func (c *Client) Close() error {
	c.done()
	return nil
}

// Start implements engine.Client.
func (c *Client) Start(ctx context.Context, r engine.StartRequest) (s engine.Started, err error) {
	return s, c.post(ctx, "Start", r, &s)
}

// Raise implements engine.Client.
func (c *Client) Raise(ctx context.Context, r engine.RaiseRequest) error {
	return c.post(ctx, "Raise", r, nil)
}

// Suspend implements engine.Client.
func (c *Client) Suspend(ctx context.Context, instance, reason string) error {
	return c.post(ctx, "Suspend", reasonArgs{instance, reason}, nil)
}

// Resume implements engine.Client.
func (c *Client) Resume(ctx context.Context, instance, reason string) error {
	return c.post(ctx, "Resume", reasonArgs{instance, reason}, nil)
}

// Terminate implements engine.Client.
func (c *Client) Terminate(ctx context.Context, r engine.TerminateRequest) error {
	return c.post(ctx, "Terminate", r, nil)
}

// Rewind implements engine.Client.
func (c *Client) Rewind(ctx context.Context, instance, reason string) error {
	return c.post(ctx, "Rewind", reasonArgs{instance, reason}, nil)
}

// Purge implements engine.Client.
func (c *Client) Purge(ctx context.Context, instance string, recursive bool) (deleted int, err error) {
	err = c.post(ctx, "Purge", purgeArgs{instance, recursive}, &deleted)
	return deleted, err
}

// PurgeWhere implements engine.Client.
func (c *Client) PurgeWhere(ctx context.Context, q engine.Query) (deleted int, token string, err error) {
	var r purgeResult
	err = c.post(ctx, "PurgeWhere", q, &r)
	return r.Deleted, r.Token, err
}

// Get implements engine.Client.
func (c *Client) Get(ctx context.Context, instance string, o engine.GetOptions) (m *model.Instance, err error) {
	err = c.post(ctx, "Get", getArgs{Instance: instance, Options: o}, &m)
	return m, err
}

// Wait implements engine.Client.
func (c *Client) Wait(ctx context.Context, instance string, u engine.Until, o engine.GetOptions) (m *model.Instance, err error) {
	err = c.post(ctx, "Wait", getArgs{instance, u, o}, &m)
	return m, err
}

// History implements engine.Client.
func (c *Client) History(ctx context.Context, instance string) (events []model.Event, err error) {
	err = c.post(ctx, "History", instance, &events)
	return events, err
}

// Query implements engine.Client.
func (c *Client) Query(ctx context.Context, q engine.Query) (page engine.Page, err error) {
	err = c.post(ctx, "Query", q, &page)
	return page, err
}

// Signal implements engine.Client.
func (c *Client) Signal(ctx context.Context, r engine.SignalRequest) error {
	return c.post(ctx, "Signal", r, nil)
}

// CleanEntities implements engine.Client.
func (c *Client) CleanEntities(ctx context.Context, o engine.CleanOptions) (cleaned engine.Cleaned, err error) {
	err = c.post(ctx, "CleanEntities", o, &cleaned)
	return cleaned, err
}
