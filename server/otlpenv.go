package server

import (
	"fmt"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
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
	metricsInterval     = "OTEL_METRIC_EXPORT_INTERVAL"

	otlpTimeout        = "OTEL_EXPORTER_OTLP_TIMEOUT"
	otlpTracesTimeout  = "OTEL_EXPORTER_OTLP_TRACES_TIMEOUT"
	otlpMetricsTimeout = "OTEL_EXPORTER_OTLP_METRICS_TIMEOUT"
	metricsTimeout     = "OTEL_METRIC_EXPORT_TIMEOUT"
)

// The protocols to a collector.
const (
	overGRPC = "grpc"
	overHTTP = "http/protobuf"
)

// tracesBy is the protocol by which the environment has traces sent; empty if it names
// no collector.
func tracesBy() (protocol string, err error) {
	if os.Getenv(otlpEndpoint) == "" && os.Getenv(otlpTraces) == "" {
		return "", nil
	}
	if protocol, err = protocolOf("traces", otlpTracesProtocol, otlpProtocol); err == nil {
		err = checkEndpoint(said(otlpTraces, otlpEndpoint), protocol)
	}
	if err == nil {
		err = checkMillis(otlpTimeout, otlpTracesTimeout)
	}
	return protocol, err
}

// figuresBy is the protocol by which the environment has figures sent; empty if it does
// not ask for it. A collector of everything does not: most scrape figures, and few take
// them twice.
func figuresBy() (protocol string, err error) {
	wanted := os.Getenv(otlpMetrics) != ""
	if list := os.Getenv(metricsExporter); list != "" {
		if wanted, err = namesOTLP(list); err != nil {
			return "", err
		}
	}
	if !wanted {
		return "", nil
	}
	if protocol, err = protocolOf("figures", otlpMetricsProtocol, otlpProtocol); err == nil {
		err = checkEndpoint(said(otlpMetrics, otlpEndpoint), protocol)
	}
	if err == nil {
		err = checkMillis(metricsInterval, metricsTimeout, otlpTimeout, otlpMetricsTimeout)
	}
	return protocol, err
}

// namesOTLP reports whether a list of exporters of figures has that of collectors in it.
func namesOTLP(list string) (found bool, err error) {
	for n := range strings.SplitSeq(list, ",") {
		switch strings.TrimSpace(n) {
		case "otlp":
			found = true
		case "prometheus", "none":
		default:
			return false, fmt.Errorf("%s is %q: figures can be sent by otlp; prometheus, at the admin listener, and none are known, too", metricsExporter, list)
		}
	}
	return found, nil
}

// protocolOf is what the first of the variables that is set says.
func protocolOf(what string, names ...string) (string, error) {
	name := said(names...)
	switch p := os.Getenv(name); p {
	case "":
		return overHTTP, nil
	case overGRPC, overHTTP:
		return p, nil
	default:
		return "", fmt.Errorf("%s is %q: %s can be sent by %s and %s", name, p, what, overGRPC, overHTTP)
	}
}

// schemes are those of collectors, by protocol.
var schemes = map[string][]string{overHTTP: {"http", "https"}, overGRPC: {"http", "https", "unix", "dns"}}

// checkEndpoint refuses the address of a collector that names no scheme, with or without
// a host: host:port reads as a scheme and a path, and would never be asked.
func checkEndpoint(name, protocol string) error {
	value := strings.TrimSpace(os.Getenv(name))
	u, err := url.Parse(value)
	known := err == nil && slices.Contains(schemes[protocol], strings.ToLower(u.Scheme))
	web := known && strings.HasPrefix(strings.ToLower(u.Scheme), "http")
	if value == "" || known && (!web || u.Host != "") {
		return nil
	}
	return fmt.Errorf("%s is %q: it is the URL of a collector, with its scheme, such as http://collector:4318, or https:// with TLS", name, value)
}

// checkMillis refuses times that are no numbers of milliseconds.
func checkMillis(names ...string) error {
	for _, name := range names {
		value := strings.TrimSpace(os.Getenv(name))
		if n, err := strconv.Atoi(value); value != "" && (err != nil || n < 1) {
			return fmt.Errorf("%s is %q: it is a number of milliseconds, from 1 on", name, value)
		}
	}
	return nil
}
