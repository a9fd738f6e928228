package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/durabletest"
	"github.com/netherite-go/netherite/internal/replaycheck"
	"github.com/netherite-go/netherite/worker"
)

type counter struct{ N int }

func (c *counter) Add(ctx *durable.EntityContext, n int) (int, error) {
	if n < 0 {
		return 0, errors.New("less than nothing")
	}
	c.N += n
	return c.N, nil
}

// Forward adds, and signals another counter.
func (c *counter) Forward(ctx *durable.EntityContext, to string) (int, error) {
	return 0, addCount.Signal(ctx, counters.Key(to), 1)
}

var (
	counters = durable.Entity[counter]("Counter")
	addCount = durable.Operation(counters, "Add", (*counter).Add)
	forward  = durable.Operation(counters, "Forward", (*counter).Forward)

	// within says what span the code of an activity is in.
	within = durable.Activity("Within", func(ctx context.Context, _ durable.None) (string, error) {
		return trace.SpanContextFromContext(ctx).SpanID().String(), nil
	})
	flaky = durable.Activity("Flaky", func(ctx context.Context, _ durable.None) (int, error) {
		if n := durable.Attempt(ctx); n < 3 {
			return 0, fmt.Errorf("attempt %d", n)
		}
		return 3, nil
	})
	errand = durable.Orchestration("Errand", func(ctx *durable.Context, _ durable.None) (string, error) {
		id, err := within.Call(ctx, durable.None{}).Await()
		if err != nil {
			return "", err
		}
		if err := durable.Sleep(ctx, time.Hour); err != nil {
			return "", err
		}
		_, err = addCount.Call(ctx, counters.Key("a"), 1).Await()
		return id, err
	})
	household = durable.Orchestration("Household", func(ctx *durable.Context, _ durable.None) (string, error) {
		if _, err := flaky.Call(ctx, durable.None{}, durable.Retry{Attempts: 3, First: time.Minute}).Await(); err != nil {
			return "", err
		}
		if err := forward.Signal(ctx, counters.Key("a"), "b"); err != nil {
			return "", err
		}
		return errand.Call(ctx, durable.None{}, durable.ID("errand")).Await()
	})
	doomed = durable.Orchestration("Doomed", func(ctx *durable.Context, n int) (int, error) {
		if n > 0 {
			return doomed2.Again(n - 1)
		}
		_, err := addCount.Call(ctx, counters.Key("c"), -1).Await()
		return 0, err
	})
	doomed2 = durable.DeclareOrchestration[int, int]("Doomed")
)

// traced is a hub whose spans are recorded.
type traced struct {
	*durabletest.Hub
	recorder *tracetest.InMemoryExporter
	provider *sdktrace.TracerProvider
}

func openTraced(t *testing.T, evict bool, sdk ...sdktrace.TracerProviderOption) *traced {
	opts := []netherite.Option{netherite.Serve(counters, within, flaky, errand, household, doomed)}
	if evict {
		opts = append(opts, netherite.Worker(func(o *worker.Options) { o.CacheCount = -1 }))
	}
	return openTracedWith(t, opts, sdk...)
}

func openTracedWith(t *testing.T, opts []netherite.Option, sdk ...sdktrace.TracerProviderOption) *traced {
	recorder := tracetest.NewInMemoryExporter()
	p := sdktrace.NewTracerProvider(append([]sdktrace.TracerProviderOption{sdktrace.WithSyncer(recorder)}, sdk...)...)
	return &traced{durabletest.NewWith(t, append(opts, netherite.Tracer(p))), recorder, p}
}

// spans returns what has been recorded, by name; names that occur more than once
// get a number, in the order of their beginnings: they are exported in any.
func (h *traced) spans(t *testing.T) map[string]tracetest.SpanStub {
	t.Helper()
	byName := map[string]tracetest.SpanStub{}
	ids := map[trace.SpanID]bool{}
	recorded := h.recorder.GetSpans()
	slices.SortStableFunc(recorded, func(a, b tracetest.SpanStub) int { return a.StartTime.Compare(b.StartTime) })
	for _, s := range recorded {
		name := s.Name
		for n := 2; ; n++ {
			if _, ok := byName[name]; !ok {
				break
			}
			name = fmt.Sprintf("%s %d", s.Name, n)
		}
		if ids[s.SpanContext.SpanID()] {
			t.Errorf("two spans have the ID of %s", name)
		}
		ids[s.SpanContext.SpanID()] = true
		byName[name] = s
	}
	return byName
}

// tree describes spans by the names of them and their parents.
func tree(spans map[string]tracetest.SpanStub) (lines []string) {
	names := map[trace.SpanID]string{}
	for name, s := range spans {
		names[s.SpanContext.SpanID()] = name
	}
	for name, s := range spans {
		parent, ok := names[s.Parent.SpanID()]
		if !ok {
			parent = "nothing"
			if s.Parent.IsValid() {
				parent = "a lost span"
			}
		}
		lines = append(lines, name+" in "+parent)
	}
	slices.Sort(lines)
	return lines
}

// compareTree waits for the spans: they end after the work that they stand for.
func compareTree(t *testing.T, h *traced, want ...string) map[string]tracetest.SpanStub {
	t.Helper()
	slices.Sort(want)
	began := time.Now()
	for len(h.recorder.GetSpans()) < len(want) && time.Since(began) < 10*time.Second {
		runtime.Gosched()
	}
	spans := h.spans(t)
	if got := tree(spans); !slices.Equal(got, want) {
		t.Errorf("spans:\n  %s\nwant:\n  %s", strings.Join(got, "\n  "), strings.Join(want, "\n  "))
	}
	return spans
}

var householdTree = []string{
	"caller in nothing",
	"create_orchestration:Household in caller",
	"orchestration:Household in create_orchestration:Household",
	"activity:Flaky in orchestration:Household",
	"activity:Flaky 2 in orchestration:Household",
	"activity:Flaky 3 in orchestration:Household",
	"entity:counter:Forward in orchestration:Household",
	"entity:counter:Add in entity:counter:Forward",
	"orchestration:Errand in orchestration:Household",
	"activity:Within in orchestration:Errand",
	"entity:counter:Add 2 in orchestration:Errand",
}

// keepHouse runs a household to its end and returns what Within saw.
func keepHouse(t *testing.T, h *traced, meanwhile func()) string {
	t.Helper()
	ctx, caller := h.provider.Tracer("test").Start(t.Context(), "caller")
	run, err := household.Start(ctx, h, durable.None{}, durable.ID("house"))
	if err != nil {
		t.Fatal(err)
	}
	caller.End()
	h.Advance(30 * time.Minute)
	meanwhile()
	h.Advance(2 * time.Hour)
	within, err := run.Wait(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return within
}

func TestSpansOfAWorkflowAreOneTraceHoweverOftenItIsReplayed(t *testing.T) {
	for _, evict := range []bool{false, true} {
		t.Run(fmt.Sprintf("evict=%v", evict), func(t *testing.T) {
			h := openTraced(t, evict, sdktrace.WithIDGenerator(netherite.SpanIDs()))
			seen := keepHouse(t, h, func() {})
			spans := compareTree(t, h, householdTree...)
			if id := spans["activity:Within"].SpanContext.SpanID().String(); seen != id {
				t.Errorf("the activity ran in span %s, its own is %s", seen, id)
			}
			root := spans["caller"].SpanContext.TraceID()
			for name, s := range spans {
				if s.SpanContext.TraceID() != root {
					t.Errorf("%s is in trace %s, want %s", name, s.SpanContext.TraceID(), root)
				}
			}
		})
	}
}

func TestSpansOfAnOrchestrationOutliveTheProcess(t *testing.T) {
	h := openTraced(t, false, sdktrace.WithIDGenerator(netherite.SpanIDs()))
	keepHouse(t, h, h.Crash)
	spans := compareTree(t, h, householdTree...)
	errand := spans["orchestration:Errand"]
	if d := errand.EndTime.Sub(errand.StartTime); d < time.Hour {
		t.Errorf("the orchestration took %v, it slept for an hour", d)
	}
}

func TestSpanWithoutItsIDLinksToTheLostOne(t *testing.T) {
	h := openTraced(t, false)
	keepHouse(t, h, h.Crash)
	lost := func(line string) string {
		for _, name := range []string{"Household", "Errand"} {
			line = strings.ReplaceAll(line, " in orchestration:"+name, " in a lost span")
		}
		return line
	}
	var want []string
	for _, line := range householdTree {
		want = append(want, lost(line))
	}
	spans := compareTree(t, h, want...)
	s, child := spans["orchestration:Errand"], spans["activity:Within"]
	if len(s.Links) != 1 || s.Links[0].SpanContext.SpanID() != child.Parent.SpanID() {
		t.Errorf("links %v, the activity's parent was %s", s.Links, child.Parent.SpanID())
	}
}

func TestSpansNestWithoutHelpAsLongAsTheProcessLives(t *testing.T) {
	h := openTraced(t, false)
	keepHouse(t, h, func() {})
	compareTree(t, h, householdTree...)
}

func TestSpansSayWhatFailedAndWhatContinued(t *testing.T) {
	h := openTraced(t, false)
	run, err := doomed.Start(t.Context(), h, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Wait(t.Context()); err == nil {
		t.Fatal("it did not fail")
	}
	spans := compareTree(t, h,
		"create_orchestration:Doomed in nothing",
		"orchestration:Doomed in create_orchestration:Doomed",
		"orchestration:Doomed 2 in create_orchestration:Doomed",
		"entity:counter:Add in orchestration:Doomed 2",
	)
	for name, want := range map[string]string{"orchestration:Doomed": "ContinuedAsNew", "orchestration:Doomed 2": "Failed"} {
		if s := spans[name]; !slices.Contains(s.Attributes, attribute.String("durabletask.task.status", want)) {
			t.Errorf("%s has attributes %v, want status %s", name, s.Attributes, want)
		}
	}
	for name, want := range map[string]codes.Code{"orchestration:Doomed": codes.Unset, "orchestration:Doomed 2": codes.Error, "entity:counter:Add": codes.Error} {
		if s := spans[name]; s.Status.Code != want {
			t.Errorf("%s has status %v, want %v", name, s.Status, want)
		}
	}
}

func TestRewoundOrchestrationHasOneMoreSpan(t *testing.T) {
	h := openTraced(t, true, sdktrace.WithIDGenerator(netherite.SpanIDs()))
	run, err := doomed.Start(t.Context(), h, 0)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = run.Wait(t.Context())
	if err := run.Rewind(t.Context(), "again"); err != nil {
		t.Fatal(err)
	}
	_, _ = run.Wait(t.Context())
	spans := compareTree(t, h,
		"create_orchestration:Doomed in nothing",
		"orchestration:Doomed in create_orchestration:Doomed",
		"orchestration:Doomed 2 in create_orchestration:Doomed",
		"entity:counter:Add in orchestration:Doomed",
	)
	first, second := spans["orchestration:Doomed"], spans["orchestration:Doomed 2"]
	if first.SpanContext.SpanID() == second.SpanContext.SpanID() || !second.SpanContext.IsValid() {
		t.Errorf("spans %s and %s", first.SpanContext.SpanID(), second.SpanContext.SpanID())
	}
}

// TestTerminatedOrchestrationHasItsSpan: the engine ends it without its worker, and
// what is below it as well.
func TestTerminatedOrchestrationHasItsSpan(t *testing.T) {
	for _, with := range []struct {
		name string
		sdk  []sdktrace.TracerProviderOption
	}{{"IDs", []sdktrace.TracerProviderOption{sdktrace.WithIDGenerator(netherite.SpanIDs())}}, {"no IDs", nil}} {
		t.Run(with.name, func(t *testing.T) {
			h := openTraced(t, false, with.sdk...)
			run, err := household.Start(t.Context(), h, durable.None{}, durable.ID("house"))
			if err != nil {
				t.Fatal(err)
			}
			h.Advance(30 * time.Minute)
			if err := run.Terminate(t.Context(), "enough", true); err != nil {
				t.Fatal(err)
			}
			parent, child := "orchestration:Household", "orchestration:Errand"
			if with.sdk == nil {
				parent, child = "a lost span", "a lost span"
			}
			spans := compareTree(t, h,
				"create_orchestration:Household in nothing",
				"orchestration:Household in create_orchestration:Household",
				"activity:Flaky in "+parent, "activity:Flaky 2 in "+parent, "activity:Flaky 3 in "+parent,
				"entity:counter:Forward in "+parent,
				"entity:counter:Add in entity:counter:Forward",
				"activity:Within in "+child,
				"orchestration:Errand in "+parent,
			)
			for _, name := range []string{"orchestration:Household", "orchestration:Errand"} {
				s := spans[name]
				if links := len(s.Links); links > 0 != (with.sdk == nil) {
					t.Errorf("%s has %d links", name, links)
				}
				if !slices.Contains(s.Attributes, attribute.String("durabletask.task.status", "Terminated")) || s.Status.Code != codes.Unset {
					t.Errorf("%s has attributes %v and status %v", name, s.Attributes, s.Status)
				}
			}
			if s := spans["orchestration:Household"]; s.EndTime.Sub(s.StartTime) != 30*time.Minute {
				t.Errorf("it took %v, want half an hour", s.EndTime.Sub(s.StartTime))
			}
		})
	}
}

// TestOrchestrationWhoseHistoryIsTooLargeHasItsSpan: the engine fails it before its
// worker hears of it. What fails with that failure has a span as ever.
func TestOrchestrationWhoseHistoryIsTooLargeHasItsSpan(t *testing.T) {
	endless := durable.Orchestration("Endless", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		for {
			if err := durable.Sleep(ctx, time.Second); err != nil {
				return durable.None{}, err
			}
		}
	})
	above := durable.Orchestration("Above", func(ctx *durable.Context, _ durable.None) (durable.None, error) {
		return endless.Call(ctx, durable.None{}).Await()
	})
	h := openTracedWith(t, []netherite.Option{netherite.Serve(endless, above), netherite.HistoryLimit(30, 1<<20)}, sdktrace.WithIDGenerator(netherite.SpanIDs()))
	run, err := above.Start(t.Context(), h, durable.None{})
	if err != nil {
		t.Fatal(err)
	}
	h.Advance(time.Minute)
	if _, err := run.Wait(t.Context()); !errors.Is(err, durable.ErrHistoryTooLarge) {
		t.Fatal(err)
	}
	spans := compareTree(t, h,
		"create_orchestration:Above in nothing",
		"orchestration:Above in create_orchestration:Above",
		"orchestration:Endless in orchestration:Above",
	)
	if s := spans["orchestration:Endless"]; s.Status.Code != codes.Error || !strings.Contains(s.Status.Description, "HistoryTooLarge") {
		t.Errorf("its status is %v", s.Status)
	}
}

func TestPostedSignalIsInTheTraceOfItsClient(t *testing.T) {
	h := openTraced(t, false)
	if err := forward.Post(t.Context(), h, counters.Key("x"), "y"); err != nil {
		t.Fatal(err)
	}
	compareTree(t, h,
		"signal_entity:counter:Forward in nothing",
		"entity:counter:Forward in signal_entity:counter:Forward",
		"entity:counter:Add in entity:counter:Forward",
	)
}

func TestUnsampledTracesStayUnsampled(t *testing.T) {
	h := openTraced(t, true, sdktrace.WithSampler(sdktrace.ParentBased(sdktrace.NeverSample())))
	keepHouse(t, h, func() {})
	compareTree(t, h)
}

// BenchmarkTracing is a visit of two cities by itself. Without a tracer it must cost what
// it did before there was one.
func BenchmarkTracing(b *testing.B) {
	replaycheck.Not(b)
	for name, opts := range map[string][]netherite.Option{
		"none":      nil,
		"unsampled": {netherite.Tracer(sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())))},
		"sampled":   {netherite.Tracer(sdktrace.NewTracerProvider())},
	} {
		b.Run(name, func(b *testing.B) {
			hub, err := netherite.Open("", append(opts, netherite.InMemory(), netherite.Serve(greet, tour))...)
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				visit(b, hub)
			}
			if err := hub.Close(b.Context()); err != nil {
				b.Fatal(err)
			}
		})
	}
}
