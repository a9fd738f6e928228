package server

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"go.opentelemetry.io/otel/trace"
	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// collector takes what a server exports, as an OpenTelemetry collector does.
type collector struct {
	tracepb.UnimplementedTraceServiceServer
	url string

	mu      sync.Mutex
	spans   []*spanpb.Span
	metrics map[string]bool // names
	came    chan struct{}   // closed, and made anew, when something came
}

// collect starts a collector for a protocol, and points servers that are started
// from now on to it.
func collect(t *testing.T, protocol string) *collector {
	t.Helper()
	c := &collector{metrics: map[string]bool{}, came: make(chan struct{})}
	t.Setenv(otlpProtocol, protocol)
	if protocol == "grpc" {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		s := grpc.NewServer()
		tracepb.RegisterTraceServiceServer(s, c)
		metricspb.RegisterMetricsServiceServer(s, figuresTaken{collector: c})
		served := make(chan error, 1)
		go func() { served <- s.Serve(l) }()
		t.Cleanup(func() { s.Stop(); <-served })
		c.url = "http://" + l.Addr().String()
		return c
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", taking(t, c.Export))
	mux.HandleFunc("POST /v1/metrics", taking(t, figuresTaken{collector: c}.Export))
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	c.url = s.URL
	return c
}

// taking takes messages over HTTP.
func taking[Q any, P interface {
	*Q
	proto.Message
}, R proto.Message](t *testing.T, export func(context.Context, P) (R, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		q := P(new(Q))
		if err == nil {
			err = proto.Unmarshal(body, q)
		}
		if err != nil {
			t.Errorf("what was exported cannot be read: %v", err)
		}
		answer, _ := export(r.Context(), q)
		b, _ := proto.Marshal(answer)
		w.Header().Set("Content-Type", "application/x-protobuf")
		_, _ = w.Write(b)
	}
}

func (c *collector) Export(_ context.Context, q *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range q.ResourceSpans {
		for _, s := range r.ScopeSpans {
			c.spans = append(c.spans, s.Spans...)
		}
	}
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// figuresTaken is the collector as it takes figures.
type figuresTaken struct {
	metricspb.UnimplementedMetricsServiceServer
	*collector
}

func (f figuresTaken) Export(_ context.Context, q *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, r := range q.ResourceMetrics {
		for _, s := range r.ScopeMetrics {
			for _, m := range s.Metrics {
				f.metrics[m.Name] = true
			}
		}
	}
	close(f.came)
	f.came = make(chan struct{})
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// await waits until a figure has come.
func (c *collector) await(t *testing.T, name string) {
	t.Helper()
	for {
		c.mu.Lock()
		has, came := c.metrics[name], c.came
		c.mu.Unlock()
		if has {
			return
		}
		select {
		case <-came:
		case <-t.Context().Done():
			t.Fatalf("%s has not come", name)
		}
	}
}

// named returns the spans by their names, each of which is to be there once.
func (c *collector) named(t *testing.T) map[string]*spanpb.Span {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	list := map[string]*spanpb.Span{}
	for _, s := range c.spans {
		if list[s.Name] != nil {
			t.Errorf("there are two spans %s", s.Name)
		}
		list[s.Name] = s
	}
	return list
}

func spanID(s *spanpb.Span) string   { return trace.SpanID(s.GetSpanId()).String() }
func parentID(s *spanpb.Span) string { return trace.SpanID(s.GetParentSpanId()).String() }

// attributes are those of a span, as texts.
func attributes(s *spanpb.Span) map[string]string {
	list := map[string]string{}
	for _, a := range s.Attributes {
		switch v := a.Value.Value.(type) {
		case *commonpb.AnyValue_StringValue:
			list[a.Key] = v.StringValue
		default:
			list[a.Key] = a.Value.String()
		}
	}
	return list
}
