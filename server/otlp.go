package server

import (
	"context"
	"errors"
	"os"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// newSpanExporter makes what sends traces, by the protocol that the environment
// says; nil if it names no collector. It connects when there is something to send.
func newSpanExporter() (sdktrace.SpanExporter, error) {
	protocol, err := tracesBy()
	switch {
	case err != nil || protocol == "":
		return nil, err
	case protocol == overGRPC:
		return otlptracegrpc.New(context.Background())
	}
	return otlptracehttp.New(context.Background())
}

// newMetricReader makes what sends figures, every minute or as often as
// OTEL_METRIC_EXPORT_INTERVAL says; nil if the environment does not ask for it.
func newMetricReader() (sdkmetric.Reader, error) {
	protocol, err := figuresBy()
	if err != nil || protocol == "" {
		return nil, err
	}
	var exporter sdkmetric.Exporter
	if protocol == overGRPC {
		exporter, err = otlpmetricgrpc.New(context.Background())
	} else {
		exporter, err = otlpmetrichttp.New(context.Background())
	}
	if err != nil {
		return nil, err
	}
	return sdkmetric.NewPeriodicReader(exporter), nil
}

// checkExports refuses what the environment says of collectors, if the exporters would
// send nothing, or elsewhere, for it: they themselves do not fail then.
func checkExports() error {
	_, traces := tracesBy()
	_, figures := figuresBy()
	return errors.Join(traces, figures)
}

// said is which of the variables counts: the first that is set.
func said(names ...string) string {
	for _, n := range names {
		if os.Getenv(n) != "" {
			return n
		}
	}
	return names[0]
}
