package durable

import (
	"context"
	"strconv"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/spans"
)

// Handler is code to serve: a handle that carries its code, or what By returns.
type Handler = worker.Handler

// Hub is a task hub as a client sees it. One that also has a method
// PayloadLimit() int has that limit instead of DefaultPayloadLimit, and one that
// has a method TracerProvider() trace.TracerProvider of OpenTelemetry traces starts
// and signals with that, if it is not nil.
type Hub interface {
	Engine() engine.Client
	Codec() Codec // nil: JSON
}

// NewHub returns a hub for a client of any engine. A nil codec is JSON, a limit
// of zero DefaultPayloadLimit bytes.
func NewHub(client engine.Client, codec Codec, payloadLimit int) Hub {
	return &clientHub{client, codec, payloadLimit}
}

type clientHub struct {
	client engine.Client
	codec  Codec
	limit  int
}

func (h *clientHub) Engine() engine.Client { return h.client }
func (h *clientHub) Codec() Codec          { return h.codec }
func (h *clientHub) PayloadLimit() int     { return h.limit }

func environment(hub Hub) worker.Env {
	env := worker.Env{Codec: hub.Codec()}
	if l, ok := hub.(interface{ PayloadLimit() int }); ok {
		env.PayloadLimit = l.PayloadLimit()
	}
	return env
}

// encodeFor encodes a value as the hub does.
func encodeFor[T any](hub Hub, what string, v T) ([]byte, error) {
	env := environment(hub)
	return encode(&env, what, v)
}

// decodeFor is the inverse of encodeFor.
func decodeFor[T any](hub Hub, what string, payload []byte) (T, error) {
	env := environment(hub)
	return decode[T](&env, what, payload)
}

// tracerOf returns what traces a client's requests to a hub, or nil.
func tracerOf(hub Hub) *spans.Tracer {
	if h, ok := hub.(interface{ TracerProvider() trace.TracerProvider }); ok {
		return spans.New(h.TracerProvider())
	}
	return nil
}

func requestSettings(opts []RequestOption) (startSettings, error) {
	if len(opts) == 0 {
		return startSettings{}, nil
	}
	if err := nilOption(opts); err != nil {
		return startSettings{}, err
	}
	s := &startSettings{} // allocated here only, as options get a pointer
	for _, o := range opts {
		o.applyRequest(s)
	}
	return *s, nil
}

// requestKey is the key of a request: the caller's own, or else one that is
// derived from the activity that makes the request, and from the request.
func requestKey(ctx context.Context, own string, r *worker.Request) string {
	if own != "" {
		return own
	}
	if a := worker.ActivityOf(ctx); a != nil {
		return a.RequestKey(r)
	}
	return ""
}

// startKey is the key of a start, or of a restart of an instance. Another version, or
// something else that is to become of a taken ID, makes it another one.
func startKey(ctx context.Context, own, restarted string, r *engine.StartRequest) string {
	if own != "" || worker.ActivityOf(ctx) == nil {
		return own
	}
	return requestKey(ctx, own, &worker.Request{
		Operation: "start " + strconv.Itoa(int(r.IfExists)) + " " + r.Version, Target: restarted + "\n" + r.Instance, // which no ID has
		Name: r.Name, Payload: r.Input,
	})
}
