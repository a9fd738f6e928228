package server

import (
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// figures count what callers ask for.
type figures struct {
	clock   substrate.Clock
	calls   metric.Float64Histogram
	streams metric.Int64UpDownCounter
	begun   metric.Int64Counter
	known   sync.Map // ended -> []metric.RecordOption
}

// ended is what requests are told apart by. There are as many as the doors have
// methods and codes, whatever callers send.
type ended struct{ door, method, code string }

// The bounds of the classes of latency, in seconds: a unary call takes a sync of
// the log, some 0.1 to 10 ms; some wait for minutes until an instance ends.
var latencies = []float64{0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 5, 30, 120}

func newFigures(p metric.MeterProvider, version string, hubs func() int) (f *figures, err error) {
	m := p.Meter("github.com/netherite-go/netherite/server")
	f = &figures{clock: sysclock.New()}
	fail := func(name string, err error) error { return fmt.Errorf("register metric %s: %w", name, err) }
	if f.calls, err = m.Float64Histogram("netherite.server.request.duration", metric.WithUnit("s"),
		metric.WithDescription("how long calls and HTTP requests took, streams excluded"), metric.WithExplicitBucketBoundaries(latencies...)); err != nil {
		return nil, fail("netherite.server.request.duration", err)
	}
	if f.streams, err = m.Int64UpDownCounter("netherite.server.streams", metric.WithUnit("{stream}"),
		metric.WithDescription("streams that are open")); err != nil {
		return nil, fail("netherite.server.streams", err)
	}
	if f.begun, err = m.Int64Counter("netherite.server.streams.ended", metric.WithUnit("{stream}"),
		metric.WithDescription("streams that have ended")); err != nil {
		return nil, fail("netherite.server.streams.ended", err)
	}
	if _, err = m.Int64ObservableGauge("netherite.server.hubs", metric.WithUnit("{hub}"), metric.WithDescription("task hubs that are open"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(int64(hubs()))
			return nil
		})); err != nil {
		return nil, fail("netherite.server.hubs", err)
	}
	if _, err = m.Int64ObservableGauge("netherite.build.info", metric.WithDescription("1, with the version of the program"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			o.Observe(1, metric.WithAttributes(attribute.String("version", version)))
			return nil
		})); err != nil {
		return nil, fail("netherite.build.info", err)
	}
	return f, nil
}

// took notes a request that has ended.
func (f *figures) took(ctx context.Context, began time.Duration, door, method, code string) {
	f.calls.Record(ctx, (f.clock.Mono() - began).Seconds(), f.options(ended{door, method, code})...)
}

// options are those of recording e. They are kept: to make and hash a set of
// attributes costs twice what recording does.
func (f *figures) options(e ended) []metric.RecordOption {
	if o, ok := f.known.Load(e); ok {
		return o.([]metric.RecordOption)
	}
	set := attribute.NewSet(attribute.String("door", e.door), attribute.String("method", e.method), attribute.String("code", e.code))
	o, _ := f.known.LoadOrStore(e, []metric.RecordOption{metric.WithAttributeSet(set)})
	return o.([]metric.RecordOption)
}

func (f *figures) unary(ctx context.Context, q any, info *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	began := f.clock.Mono()
	answer, err := next(ctx, q)
	f.took(ctx, began, "grpc", info.FullMethod, status.Code(err).String())
	return answer, err
}

func (f *figures) stream(srv any, s grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	method := attribute.String("method", info.FullMethod)
	f.streams.Add(s.Context(), 1, metric.WithAttributes(method))
	err := next(srv, s)
	f.streams.Add(s.Context(), -1, metric.WithAttributes(method))
	f.begun.Add(s.Context(), 1, metric.WithAttributes(method, attribute.String("code", status.Code(err).String())))
	return err
}

// http notes HTTP requests by method and status: paths hold names of callers' own,
// without bound.
func (f *figures) http(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		began := f.clock.Mono()
		seen := &watched{ResponseWriter: w, code: http.StatusOK}
		next.ServeHTTP(seen, r)
		f.took(r.Context(), began, "http", known(r.Method), strconv.Itoa(seen.code))
	})
}

// known bounds the methods that are told apart.
func known(method string) string {
	switch method {
	case http.MethodGet, http.MethodPost, http.MethodPut, http.MethodDelete, http.MethodHead, http.MethodPatch, http.MethodOptions:
		return method
	}
	return "other"
}

// watched remembers the status of an answer.
type watched struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (w *watched) WriteHeader(code int) {
	w.code = code
	w.ResponseWriter.WriteHeader(code)
}

// Unwrap is how http.ResponseController reaches what the answer can do beyond
// being written, such as being flushed.
func (w *watched) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// Flush implements http.Flusher.
func (w *watched) Flush() { _ = http.NewResponseController(w.ResponseWriter).Flush() }
