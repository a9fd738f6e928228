package server

import (
	"errors"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
)

func TestACollectorThatCannotBeIsRefusedAtTheStart(t *testing.T) {
	for _, c := range []struct{ name, value, protocol string }{
		{otlpEndpoint, "collector:4318", ""}, {otlpEndpoint, "::bad::", ""}, {otlpEndpoint, "127.0.0.1:4318", "http/protobuf"},
		{otlpEndpoint, "http://", ""}, {otlpEndpoint, "ftp://collector", ""}, {otlpEndpoint, "//collector:4317", "grpc"},
		{otlpTraces, "collector:4317", "grpc"}, {otlpMetrics, "collector:4318/v1/metrics", ""}, {otlpEndpoint, "unix:///run/otel", ""},
		{otlpEndpoint, "http://collector:4318", "http/json"},
	} {
		t.Run(c.value+" "+c.protocol, func(t *testing.T) {
			t.Setenv(c.name, c.value)
			t.Setenv(otlpProtocol, c.protocol)
			err := tryStart(t, Config{Hub: "default"}, &strings.Builder{})
			if _, ok := errors.AsType[*ConfigError](err); !ok || !strings.Contains(err.Error(), "OTEL_EXPORTER_OTLP_") {
				t.Errorf("start: %v", err)
			}
			if err := (&Config{Hub: "default"}).Check(); err == nil {
				t.Error("a check accepts it")
			}
		})
	}
}

func TestCollectorsThatCanBeAreAccepted(t *testing.T) {
	for _, c := range []struct{ general, traces, protocol string }{
		{"http://collector:4318", "", ""}, {"https://collector", "", "grpc"}, {"HTTPS://collector/otel", "", ""}, {" http://[::1]:4318 ", "", ""},
		{"unix:///run/otel.sock", "", "grpc"}, {"dns:///collector:4317", "", "grpc"}, {"::bad::", "http://collector:4318/v1/traces", ""}, // not asked
	} {
		t.Setenv(otlpEndpoint, c.general)
		t.Setenv(otlpTraces, c.traces)
		t.Setenv(otlpProtocol, c.protocol)
		if err := checkExports(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestTimesOfExportsThatAreNoneAreRefused(t *testing.T) {
	t.Setenv(otlpEndpoint, "http://collector:4318")
	for _, name := range []string{metricsInterval, metricsTimeout, otlpTimeout, otlpMetricsTimeout} {
		for _, value := range []string{"abc", "10s", "-1", "0"} {
			t.Setenv(metricsExporter, "otlp")
			t.Setenv(name, value)
			if err := checkExports(); err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), value) {
				t.Errorf("%s=%s: %v", name, value, err)
			}
		}
		t.Setenv(name, "")
	}
}

func TestWhatOpenTelemetrySaysOfItselfIsInTheLog(t *testing.T) {
	t.Setenv(otlpEndpoint, "http://127.0.0.1:1")
	t.Setenv("OTEL_EXPORTER_OTLP_CERTIFICATE", "/nowhere/ca.pem")
	s := start(t, nil)
	otel.Handle(errors.New("upload failed"))
	for _, want := range []string{"/nowhere/ca.pem", "upload failed"} {
		if len(s.log.lines("level=WARN", "OpenTelemetry", want)) == 0 {
			t.Errorf("the log has nothing of %s:\n%s", want, s.log)
		}
	}
}
