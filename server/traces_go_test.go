package server

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/remote"
)

// The programs of the test of Go workers behind a server.
type tally struct{ N int }

func (t *tally) Add(_ *durable.EntityContext, n int) (int, error) { t.N += n; return t.N, nil }

// Pass signals another tally.
func (t *tally) Pass(ctx *durable.EntityContext, to string) (int, error) {
	return 0, addTally.Signal(ctx, tallies.Key(to), 1)
}

var (
	tallies   = durable.Entity[tally]("Tally")
	addTally  = durable.Operation(tallies, "Add", (*tally).Add)
	passTally = durable.Operation(tallies, "Pass", (*tally).Pass)
	echo      = durable.Activity("Echo", func(_ context.Context, s string) (string, error) { return s, nil })
	inner     = durable.Orchestration("Inner", func(ctx *durable.Context, _ durable.None) (int, error) {
		return passTally.Call(ctx, tallies.Key("a"), "b").Await()
	})
	outer = durable.Orchestration("Outer", func(ctx *durable.Context, s string) (string, error) {
		if _, err := inner.Call(ctx, durable.None{}).Await(); err != nil {
			return "", err
		}
		return echo.Call(ctx, s).Await()
	})
)

// TestAGoWorkerBehindAServerHasEachSpanOnce: who makes them is whoever has a tracer,
// and if both have, the worker.
func TestAGoWorkerBehindAServerHasEachSpanOnce(t *testing.T) {
	want := map[string]string{
		"orchestration:Outer": "", "orchestration:Inner": "orchestration:Outer", "activity:Echo": "orchestration:Outer",
		"entity:tally:Pass": "orchestration:Inner", "entity:tally:Add": "entity:tally:Pass",
	}
	for _, both := range []bool{false, true} {
		t.Run(fmt.Sprintf("both=%v", both), func(t *testing.T) {
			c := collect(t, "grpc")
			t.Setenv(otlpEndpoint, c.url)
			s := start(t, nil)
			code := []netherite.Option{netherite.Serve(outer, inner, echo, tallies)}
			program := &telemetry{}
			if both {
				exporter, err := newSpanExporter()
				if err != nil {
					t.Fatal(err)
				}
				program.traces = sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter), sdktrace.WithIDGenerator(netherite.SpanIDs()))
				code = append(code, netherite.Tracer(program.traces))
				want["create_orchestration:Outer"] = ""
				want["orchestration:Outer"] = "create_orchestration:Outer"
			}
			hub, err := remote.Dial(s.Place().GRPC[0], code...)
			if err != nil {
				t.Fatal(err)
			}
			run, err := outer.Start(t.Context(), hub, "s")
			if err == nil {
				_, err = run.Wait(t.Context())
			}
			if err == nil {
				_, _, err = tallies.Read(t.Context(), hub, tallies.Key("b"))
			}
			if err = errors.Join(err, hub.Close(t.Context())); err != nil {
				t.Fatal(err)
			}
			stopNow(t, s)
			if both {
				if err := program.traces.Shutdown(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			spans := c.named(t)
			if got := slices.Sorted(maps.Keys(spans)); !slices.Equal(got, slices.Sorted(maps.Keys(want))) {
				t.Fatalf("spans %q, want those of %v", got, want)
			}
			for name, parent := range want {
				if p := spans[parent]; p == nil && len(spans[name].ParentSpanId) > 0 || p != nil && parentID(spans[name]) != spanID(p) {
					t.Errorf("the parent of %s is %s, want %q", name, parentID(spans[name]), parent)
				}
			}
		})
	}
}
