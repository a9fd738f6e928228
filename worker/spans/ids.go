package spans

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/model"
)

// IDs makes the span IDs of a telemetry SDK: random ones, except for the spans of
// orchestrations, whose ID is derived from the execution, and of what is given to
// other programs (see Tracer.Given). With it, the span of an
// execution that outlives a process is the one that everything else in the trace
// refers to. It is an IDGenerator of the OpenTelemetry SDK:
//
//	sdktrace.NewTracerProvider(sdktrace.WithIDGenerator(netherite.SpanIDs()), ...)
type IDs struct{}

// NewIDs implements the SDK's IDGenerator, for the first span of a trace.
func (IDs) NewIDs(ctx context.Context) (id trace.TraceID, span trace.SpanID) {
	if w, ok := ctx.Value(wantedKey{}).(*wanted); ok {
		return w.trace, w.span
	}
	for !id.IsValid() {
		_, _ = rand.Read(id[:]) // never fails
	}
	return id, randomSpan()
}

// NewSpanID implements the SDK's IDGenerator, for the others.
func (IDs) NewSpanID(ctx context.Context, _ trace.TraceID) trace.SpanID {
	if w, ok := ctx.Value(wantedKey{}).(*wanted); ok {
		return w.span
	}
	return randomSpan()
}

func randomSpan() (span trace.SpanID) {
	for !span.IsValid() {
		_, _ = rand.Read(span[:])
	}
	return span
}

// wanted are the IDs that a span should get, in the context that it is begun with.
type wanted struct {
	trace trace.TraceID
	span  trace.SpanID
}

type wantedKey struct{}

// derived returns the IDs of an execution's span. A rewound execution ends once
// more, with another span.
func derived(execution model.ExecutionID, rewinds int) *wanted {
	h := sha256.New()
	h.Write([]byte("netherite span"))
	h.Write(execution[:])
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(rewinds)))
	return wantedOf([sha256.Size]byte(h.Sum(nil)))
}

// wantedOf makes IDs of a hash.
func wantedOf(sum [sha256.Size]byte) *wanted {
	w := &wanted{trace: trace.TraceID(sum[:16]), span: trace.SpanID(sum[16:24])}
	w.trace[0] |= 1 // neither may be zero
	w.span[0] |= 1
	return w
}
