package server

import (
	"cmp"
	"context"
	"fmt"
	"os"
	"slices"
	"strings"

	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// The variables by which all programs with OpenTelemetry find their collector. The
// exporters read more of them by themselves: headers, certificates, timeouts.
const (
	otlpEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	otlpTraces   = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"
	otlpMetrics  = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
	otlpProtocol = "OTEL_EXPORTER_OTLP_PROTOCOL"

	otlpTracesProtocol  = "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"
	otlpMetricsProtocol = "OTEL_EXPORTER_OTLP_METRICS_PROTOCOL"
	metricsExporter     = "OTEL_METRICS_EXPORTER"
)

// newSpanExporter makes what sends traces, by the protocol that the environment
// says; nil if it names no collector. It connects when there is something to send.
func newSpanExporter() (sdktrace.SpanExporter, error) {
	if os.Getenv(otlpEndpoint) == "" && os.Getenv(otlpTraces) == "" {
		return nil, nil
	}
	switch p := cmp.Or(os.Getenv(otlpTracesProtocol), os.Getenv(otlpProtocol)); p {
	case "grpc":
		return otlptracegrpc.New(context.Background())
	case "http/protobuf", "":
		return otlptracehttp.New(context.Background())
	default:
		return nil, fmt.Errorf("%s is %q: traces can be sent by grpc and http/protobuf", said(otlpTracesProtocol, otlpProtocol), p)
	}
}

// newMetricReader makes what sends figures, every minute or as often as
// OTEL_METRIC_EXPORT_INTERVAL says; nil if the environment does not ask for it.
// A collector of everything does not: most scrape figures, and few take them twice.
func newMetricReader() (sdkmetric.Reader, error) {
	wanted := os.Getenv(otlpMetrics) != ""
	if list := os.Getenv(metricsExporter); list != "" {
		names := strings.Split(list, ",")
		for _, n := range names {
			if !slices.Contains([]string{"otlp", "prometheus", "none"}, strings.TrimSpace(n)) {
				return nil, fmt.Errorf("%s is %q: figures can be sent by otlp; prometheus, at the admin listener, and none are known, too", metricsExporter, list)
			}
		}
		wanted = slices.ContainsFunc(names, func(n string) bool { return strings.TrimSpace(n) == "otlp" })
	}
	if !wanted {
		return nil, nil
	}
	var exporter sdkmetric.Exporter
	var err error
	switch p := cmp.Or(os.Getenv(otlpMetricsProtocol), os.Getenv(otlpProtocol)); p {
	case "grpc":
		exporter, err = otlpmetricgrpc.New(context.Background())
	case "http/protobuf", "":
		exporter, err = otlpmetrichttp.New(context.Background())
	default:
		err = fmt.Errorf("%s is %q: figures can be sent by grpc and http/protobuf", said(otlpMetricsProtocol, otlpProtocol), p)
	}
	if err != nil {
		return nil, err
	}
	return sdkmetric.NewPeriodicReader(exporter), nil
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
