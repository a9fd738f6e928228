package spans

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/model"
)

// scope names this library as the one whose spans they are.
const scope = "github.com/netherite-go/netherite"

// The attributes have the names that the Durable Task SDKs gave them, so that
// dashboards made for those work. Payloads are in none of them.
const (
	attrType      = attribute.Key("durabletask.type")
	attrName      = attribute.Key("durabletask.task.name")
	attrVersion   = attribute.Key("durabletask.task.version")
	attrInstance  = attribute.Key("durabletask.task.instance_id")
	attrExecution = attribute.Key("durabletask.task.execution_id")
	attrTask      = attribute.Key("durabletask.task.task_id")
	attrStatus    = attribute.Key("durabletask.task.status")
	attrAttempt   = attribute.Key("netherite.attempt")
	attrOperation = attribute.Key("netherite.operation")
)

// Tracer begins spans. It is nil where nothing is traced: whoever calls it
// checks that, so that nothing is spent.
type Tracer struct{ tracer trace.Tracer }

// New returns a tracer that begins its spans with p; nil if p is nil.
func New(p trace.TracerProvider) *Tracer {
	if p == nil {
		return nil
	}
	return &Tracer{p.Tracer(scope)}
}

// Span is one piece of work under way.
type Span struct {
	span  trace.Span
	trace *model.Trace
}

// Trace is what the messages that the work sends carry on.
func (s *Span) Trace() *model.Trace { return s.trace }

// End ends the span at the given time. f, if not nil, says that the work failed.
func (s *Span) End(at time.Time, f *model.Failure) {
	fail(s.span, f)
	s.span.End(trace.WithTimestamp(at))
}

// EndWith ends the span now, with the error that the work came to, if any.
func (s *Span) EndWith(err error) {
	if err != nil {
		s.span.SetStatus(codes.Error, shortened(err.Error()))
	}
	s.span.End()
}

// begin begins a span under what ctx says.
func (t *Tracer) begin(ctx context.Context, name string, kind trace.SpanKind, at time.Time, attrs ...attribute.KeyValue) (context.Context, *Span) {
	options := []trace.SpanStartOption{trace.WithSpanKind(kind), trace.WithAttributes(attrs...)}
	if !at.IsZero() {
		options = append(options, trace.WithTimestamp(at))
	}
	ctx, span := t.tracer.Start(ctx, name, options...)
	return ctx, &Span{span: span, trace: Carry(span.SpanContext())}
}

// Create begins the span of a client's request to start an orchestration, under
// the span that ctx is in.
func (t *Tracer) Create(ctx context.Context, name, version, instance string) *Span {
	attrs := []attribute.KeyValue{attrType.String("orchestration"), attrName.String(name)}
	if version != "" {
		attrs = append(attrs, attrVersion.String(version))
	}
	if instance != "" {
		attrs = append(attrs, attrInstance.String(instance))
	}
	_, s := t.begin(ctx, "create_orchestration:"+name, trace.SpanKindProducer, time.Time{}, attrs...)
	return s
}

// Signal begins the span of a client's request to signal an entity, under the
// span that ctx is in.
func (t *Tracer) Signal(ctx context.Context, entity, instance, operation string) *Span {
	_, s := t.begin(ctx, "signal_entity:"+entity+":"+operation, trace.SpanKindProducer, time.Time{},
		attrType.String("entity"), attrName.String(entity), attrInstance.String(instance), attrOperation.String(operation))
	return s
}

// carriedIn returns a context in the span that a message carries.
func carriedIn(t *model.Trace) context.Context {
	return trace.ContextWithRemoteSpanContext(context.Background(), Carried(t))
}

// fail marks the span of failed work.
func fail(span trace.Span, f *model.Failure) {
	if f == nil {
		return
	}
	text := f.Message
	if f.Type != "" {
		text = f.Type + ": " + text
	}
	span.SetStatus(codes.Error, shortened(text))
}

// maxText bounds the text of a failure in a span, in bytes.
const maxText = 512

// shortened cuts a text that is too long, at the beginning of a character.
func shortened(s string) string {
	if len(s) <= maxText {
		return s
	}
	end := maxText
	for end > 0 && s[end]&0xc0 == 0x80 {
		end--
	}
	return s[:end] + "..."
}
