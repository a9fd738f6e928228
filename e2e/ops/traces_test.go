package ops_test

import (
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/remote"
)

// received is a span that a collector was sent.
type received struct{ service, name, trace, text string }

// collector takes spans by OTLP over HTTP, as those of OpenTelemetry do.
func collector(t *testing.T) (url string, spans <-chan received) {
	t.Helper()
	out := make(chan received, 1000)
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var body io.Reader = r.Body
		if r.Header.Get("Content-Encoding") == "gzip" {
			z, err := gzip.NewReader(r.Body)
			if err != nil {
				t.Error(err)
				return
			}
			body = z
		}
		b, err := io.ReadAll(body)
		q := &tracepb.ExportTraceServiceRequest{}
		if err == nil {
			err = proto.Unmarshal(b, q)
		}
		if err != nil || r.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", r.URL.Path, err)
		}
		for _, from := range q.GetResourceSpans() {
			service := ""
			for _, a := range from.GetResource().GetAttributes() {
				if a.GetKey() == "service.name" {
					service = a.GetValue().GetStringValue()
				}
			}
			for _, scope := range from.GetScopeSpans() {
				for _, span := range scope.GetSpans() {
					out <- received{service, span.GetName(), hex.EncodeToString(span.GetTraceId()), span.String()}
				}
			}
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, out
}

// What the server runs itself, an HTTP call, is in the trace of whoever started the
// orchestration that called.
func TestSpansOfTheServerGoToTheCollectorInTheTraceOfTheCaller(t *testing.T) {
	const trace, secret = "4bf92f3577b34da6a3ce929d0e0e4736", "CANARY-77c1"
	endpoint, spans := collector(t)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50")
	called := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, secret) }))
	defer called.Close()
	p := start(t, append([]string{"dev", "--memory", "--calls-hosts", called.URL, "--calls-exempt", "127.0.0.1/32"}, loopback...)...)
	call := durable.DeclareActivity[json.RawMessage, json.RawMessage]("BuiltIn::HttpActivity")
	fetch := durable.Orchestration("Fetch", func(ctx *durable.Context, request json.RawMessage) (json.RawMessage, error) {
		return call.Call(ctx, request).Await()
	})
	hub, err := remote.Dial(p.place.GRPC[0], netherite.Serve(fetch))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hub.Close(t.Context()) }()
	request := fmt.Sprintf(`{"method":"POST","uri":%q,"content":%q,"headers":{"Authorization":%[2]q}}`, called.URL, secret)
	url := "http://" + p.place.HTTP + httpapi.Base + "/orchestrators/Fetch/x?timeout=30"
	code, text := ask(t, "POST", url, request, "Content-Type", "application/json", "traceparent", "00-"+trace+"-00f067aa0ba902b7-01")
	if code != 200 || !strings.Contains(text, secret) {
		t.Fatalf("it has come to %d %s", code, text)
	}
	late := time.After(limit)
	for {
		select {
		case s := <-spans:
			if strings.Contains(s.text, secret) {
				t.Errorf("a payload is in span %s", s.text)
			}
			if strings.Contains(s.name, "HttpActivity") {
				if s.trace != trace || s.service != "netherite" {
					t.Errorf("span %q of service %q is in trace %s, want %s", s.name, s.service, s.trace, trace)
				}
				return
			}
		case <-late:
			t.Fatal("no span of the call has come")
		}
	}
}
