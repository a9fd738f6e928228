package server

import (
	"bytes"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestFiguresArePushedWhereTheEnvironmentSaysSo(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		for _, variable := range []string{otlpMetrics, otlpEndpoint} {
			t.Run(strings.ReplaceAll(protocol, "/", " ")+" "+variable, func(t *testing.T) {
				c := collect(t, protocol)
				t.Setenv("OTEL_METRIC_EXPORT_INTERVAL", "10")
				t.Setenv(variable, c.url)
				if variable == otlpEndpoint {
					t.Setenv(metricsExporter, "prometheus,otlp")
				} else if protocol != "grpc" {
					t.Setenv(variable, c.url+"/v1/metrics")
				}
				s := start(t, nil)
				if a := s.ask(t, "GET", "/readyz", "", nil); a.code != 200 {
					t.Fatal(a.code)
				}
				for _, name := range []string{"netherite.records", "netherite.server.hubs", "netherite.build.info"} {
					c.await(t, name)
				}
				stopNow(t, s)
			})
		}
	}
}

func TestFiguresAreNotPushedUnlessSomebodyAsks(t *testing.T) {
	for _, set := range []map[string]string{
		{}, {otlpEndpoint: "http://127.0.0.1:1"}, {otlpMetrics: "http://127.0.0.1:1", metricsExporter: "none"}, {otlpMetrics: "http://127.0.0.1:1", metricsExporter: "prometheus"},
	} {
		for k, v := range set {
			t.Setenv(k, v)
		}
		if r, err := newMetricReader(); r != nil || err != nil {
			t.Errorf("%v: %v, %v", set, r, err)
		}
		for k := range set {
			t.Setenv(k, "")
		}
	}
	t.Setenv(metricsExporter, "statsd")
	if _, err := newMetricReader(); err == nil || !strings.Contains(err.Error(), metricsExporter) || !strings.Contains(err.Error(), "statsd") {
		t.Errorf("an exporter that is not known: %v", err)
	}
	t.Setenv(metricsExporter, "otlp")
	t.Setenv(otlpMetricsProtocol, "http/json")
	if _, err := newMetricReader(); err == nil || !strings.Contains(err.Error(), otlpMetricsProtocol) {
		t.Errorf("a protocol that is not known: %v", err)
	}
}

func TestACollectorThatIsAwayDoesNotFailTheStop(t *testing.T) {
	for _, protocol := range []string{"grpc", "http/protobuf"} {
		t.Run(strings.ReplaceAll(protocol, "/", " "), func(t *testing.T) {
			l, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv(otlpEndpoint, "http://"+l.Addr().String())
			t.Setenv(otlpProtocol, protocol)
			t.Setenv(metricsExporter, "otlp")
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			s := start(t, nil)
			w := &tracedWorker{t: t, told: map[string]string{}, request: &wire.GetWorkItemsRequest{}}
			w.connect(s)
			w.start("Alone")
			w.run("Alone")
			began := time.Now()
			stopNow(t, s)
			if took := time.Since(began); took > 2*flushGrace {
				t.Errorf("the stop took %v", took)
			}
			if len(s.log.lines("WARN", "collector")) != 1 {
				t.Errorf("the log says %s", s.log)
			}
			for deadline := time.Now().Add(flushLate); exporting(); runtime.Gosched() {
				if time.Now().After(deadline) {
					t.Fatal("the exporter goes on trying after the stop")
				}
			}
		})
	}
}

// exporting reports whether traces are on their way.
func exporting() bool {
	buf := make([]byte, 4<<20)
	return bytes.Contains(buf[:runtime.Stack(buf, true)], []byte("/otlptrace"))
}
