package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate"
)

// telemetry is where figures and traces go: figures to whoever scrapes the admin
// listener, both to the collectors that the environment names.
type telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider // nil: there is no collector
	spans    sdktrace.SpanExporter
}

func newTelemetry(version string) (*telemetry, error) {
	t := &telemetry{registry: prometheus.NewRegistry()}
	t.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	exporter, err := otelprom.New(otelprom.WithRegisterer(t.registry), otelprom.WithoutScopeInfo())
	if err != nil {
		return nil, fmt.Errorf("set up the figures: %w", err)
	}
	about, err := resource.New(context.Background(), resource.WithTelemetrySDK(),
		resource.WithAttributes(attribute.String("service.name", "netherite"), attribute.String("service.version", version)), resource.WithFromEnv())
	if err != nil {
		return nil, fmt.Errorf("describe the server for its figures and traces: %w", err)
	}
	spans, err := newSpanExporter()
	if err != nil {
		return nil, fmt.Errorf("set up the traces: %w", err)
	}
	push, err := newMetricReader()
	if err != nil {
		return nil, fmt.Errorf("set up the figures: %w", err)
	}
	figures := []sdkmetric.Option{sdkmetric.WithReader(exporter), sdkmetric.WithResource(about)}
	if push != nil {
		figures = append(figures, sdkmetric.WithReader(push))
	}
	t.meters = sdkmetric.NewMeterProvider(figures...)
	if spans == nil {
		return t, nil
	}
	t.spans = spans
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(about), sdktrace.WithIDGenerator(netherite.SpanIDs()))
	return t, nil
}

// tracer is what makes spans; nil if nobody takes them.
func (t *telemetry) tracer() trace.TracerProvider {
	if t.traces == nil {
		return nil
	}
	return t.traces
}

// scrape answers with the figures as they are now.
func (t *telemetry) scrape() http.Handler {
	return promhttp.HandlerFor(t.registry, promhttp.HandlerOpts{})
}

// flushGrace is how long a server that stops waits for its collector, and flushLate
// if the time to stop is over already.
const flushGrace, flushLate = 3 * time.Second, time.Second

// stop sends what is left, until the time for it has passed. That a collector is away
// is no failure of the server.
func (t *telemetry) stop(ctx context.Context, clock substrate.Clock, log *slog.Logger) {
	grace := flushGrace
	if ctx.Err() != nil {
		grace = flushLate
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	defer clock.AfterFunc(grace, cancel)()
	var traces error
	var wg sync.WaitGroup
	if t.traces != nil {
		wg.Go(func() {
			if traces = t.traces.Shutdown(ctx); traces != nil {
				// The provider has given up waiting for an export, which would go on trying.
				_ = t.spans.Shutdown(ctx) // only says that the time is up
			}
		})
	}
	err := t.meters.Shutdown(ctx)
	wg.Wait()
	if err = errors.Join(err, traces); err != nil {
		log.Warn("the last figures and traces could not be sent to their collector", "error", err)
	}
}
