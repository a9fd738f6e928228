package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	netherite "github.com/netherite-go/netherite"
)

// telemetry is where figures and traces go: figures to whoever scrapes the admin
// listener, traces to the collector that the environment names.
type telemetry struct {
	registry *prometheus.Registry
	meters   *sdkmetric.MeterProvider
	traces   *sdktrace.TracerProvider // nil: there is no collector
}

// The variables by which all programs with OpenTelemetry find their collector.
const (
	otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otlpTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otlpProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"
)

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
	t.meters = sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(about))
	if os.Getenv(otlpEndpoint) == "" && os.Getenv(otlpTraces) == "" {
		return t, nil
	}
	spans, err := newExporter()
	if err != nil {
		return nil, errors.Join(err, t.stop(context.Background()))
	}
	t.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(spans), sdktrace.WithResource(about), sdktrace.WithIDGenerator(netherite.SpanIDs()))
	return t, nil
}

// newExporter makes what sends traces, by the protocol that the environment says.
// It connects when there is something to send.
func newExporter() (sdktrace.SpanExporter, error) {
	switch p := cmp.Or(os.Getenv("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"), os.Getenv(otlpProtocol)); p {
	case "grpc":
		return otlptracegrpc.New(context.Background())
	case "http/protobuf", "":
		return otlptracehttp.New(context.Background())
	default:
		return nil, fmt.Errorf("%s is %q: traces can be sent by grpc and http/protobuf", otlpProtocol, p)
	}
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

// stop sends what is left, until ctx ends.
func (t *telemetry) stop(ctx context.Context) error {
	err := t.meters.Shutdown(ctx)
	if t.traces != nil {
		err = errors.Join(err, t.traces.Shutdown(ctx))
	}
	if err != nil {
		return fmt.Errorf("send the last figures and traces: %w", err)
	}
	return nil
}
