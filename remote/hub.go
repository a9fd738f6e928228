package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"go.opentelemetry.io/otel/trace"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
)

// Hub is a task hub of a server. Handles of package durable take it to start, find
// and message instances. It is safe for concurrent use.
type Hub struct {
	link    *link
	feed    *feed
	worker  *worker.Worker // nil: this program runs nothing
	codec   durable.Codec
	limit   int
	tracer  trace.TracerProvider
	version string

	once sync.Once
	err  error
}

var _ durable.Hub = (*Hub)(nil)

// Dial connects to a server at an address, HOST:PORT, and runs the code given with
// Serve there. It takes the options of netherite.Open, except for those that are
// for whoever has the hub open, and those of this package.
//
// Errors wrap ErrNoServer if nothing answers for the time of Patience, or at once if
// no host has the name; and at once ErrTLS, ErrNotAServer, ErrNoHub,
// ErrUnauthenticated, ErrForbidden or engine.ErrInvalid. Once Dial has returned,
// what fails goes on by itself.
func Dial(address string, opts ...netherite.Option) (*Hub, error) {
	h, err := dial(address, opts)
	if err != nil {
		return nil, fmt.Errorf("connect to the server at %s: %w", address, err)
	}
	return h, nil
}

func dial(address string, opts []netherite.Option) (*Hub, error) {
	s, err := settingsOf(opts)
	if err != nil {
		return nil, err
	}
	h := &Hub{codec: s.worker.Codec, limit: s.worker.PayloadLimit, tracer: s.worker.Tracer}
	if s.serves {
		if h.worker, err = worker.New(s.worker); err != nil {
			return nil, fmt.Errorf("%w: %w", engine.ErrInvalid, err)
		}
	}
	if h.link, err = newLink(address, s); err != nil {
		return nil, err
	}
	if h.version, err = h.link.greet(s.patience); err == nil && h.worker != nil {
		h.feed = &feed{link: h.link, standard: s.standard}
		err = h.worker.Run(h.feed)
	}
	if err != nil {
		return nil, errors.Join(err, h.Close(context.Background()))
	}
	return h, nil
}

// Engine is the engine's client interface: what the handles of package durable
// use, and all there is for instances without a handle.
func (h *Hub) Engine() engine.Client { return client{h.link} }

// Codec is what turns values into payloads; nil is JSON.
func (h *Hub) Codec() durable.Codec { return h.codec }

// PayloadLimit is the bound of one payload in bytes, 0 for the default.
func (h *Hub) PayloadLimit() int { return h.limit }

// TracerProvider is what makes the hub's spans, nil for none.
func (h *Hub) TracerProvider() trace.TracerProvider { return h.tracer }

// ServerVersion is the version of the server that Dial found; empty if that is
// not one of this project.
func (h *Hub) ServerVersion() string { return h.version }

// Health says why this program's worker gets no work; nil if it is connected, or
// there is none.
func (h *Hub) Health() error {
	if h.feed == nil {
		return nil
	}
	return h.feed.health()
}

// Close takes no new work, lets steps end that run, and activities until ctx ends:
// then these are cancelled and run again elsewhere or later. Then it disconnects;
// the hub goes on. Calls under way end with engine.ErrClosed. A second call
// returns what the first did.
func (h *Hub) Close(ctx context.Context) error {
	h.once.Do(func() {
		if h.worker != nil {
			_ = h.worker.Close(ctx) // an end of ctx only means that activities run again
		}
		h.err = h.link.close()
	})
	return h.err
}

// Address is what Dial was given.
func (h *Hub) Address() string { return h.link.address }
