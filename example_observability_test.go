package netherite_test

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"

	"github.com/netherite-go/netherite"
)

// A real program gives its provider an exporter, for OTLP say, in place of this one.
func ExampleTracer() {
	ctx := context.Background()
	exporter := tracetest.NewInMemoryExporter()
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSyncer(exporter),
		sdktrace.WithIDGenerator(netherite.SpanIDs()), // spans that a restart interrupts keep their IDs
	)
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet, tour), netherite.Tracer(provider))
	if err != nil {
		panic(err)
	}
	run, err := tour.Start(ctx, hub, []string{"Tokyo"})
	if err != nil {
		panic(err)
	}
	if _, err := run.Wait(ctx); err != nil {
		panic(err)
	}
	if err := hub.Close(ctx); err != nil { // before the provider is shut down
		panic(err)
	}
	for _, span := range exporter.GetSpans() {
		fmt.Println(span.Name)
	}
	// Unordered output:
	// create_orchestration:Tour
	// activity:Greet
	// orchestration:Tour
}

func ExampleMeter() {
	ctx := context.Background()
	reader := metric.NewManualReader()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet, tour),
		netherite.Meter(metric.NewMeterProvider(metric.WithReader(reader))))
	if err != nil {
		panic(err)
	}
	var figures metricdata.ResourceMetrics
	if err := reader.Collect(ctx, &figures); err != nil {
		panic(err)
	}
	for _, m := range figures.ScopeMetrics[0].Metrics[:3] {
		fmt.Println(m.Name)
	}
	if err := hub.Close(ctx); err != nil {
		panic(err)
	}
	// Output:
	// netherite.records
	// netherite.commits
	// netherite.log.syncs
}
