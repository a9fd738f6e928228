package spans

import (
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"

	"github.com/netherite-go/netherite/model"
)

// The traceparent header: version, trace ID, span ID and flags, in hex.
const (
	parentVersion = "00-"
	parentLength  = len(parentVersion) + 32 + 1 + 16 + 1 + 2
)

// Carry returns a span context in the form that messages carry; nil if it is
// not valid.
func Carry(sc trace.SpanContext) *model.Trace {
	if !sc.IsValid() {
		return nil
	}
	id, span := sc.TraceID(), sc.SpanID()
	b := make([]byte, 0, parentLength)
	b = append(b, parentVersion...)
	b = append(hex.AppendEncode(b, id[:]), '-')
	b = append(hex.AppendEncode(b, span[:]), '-')
	b = hex.AppendEncode(b, []byte{byte(sc.TraceFlags())})
	return &model.Trace{Parent: string(b), State: sc.TraceState().String()}
}

// Carried is the inverse of Carry. What is not a valid trace context, in the
// words of the W3C, is ignored: the result is not valid.
func Carried(t *model.Trace) trace.SpanContext {
	var none trace.SpanContext
	// A later version may have more after the flags; ff is never a version.
	if t == nil || len(t.Parent) < parentLength || t.Parent[2] != '-' || t.Parent[35] != '-' || t.Parent[52] != '-' {
		return none
	}
	if version := t.Parent[:2]; version == "ff" || version == "00" && len(t.Parent) != parentLength {
		return none
	}
	if len(t.Parent) > parentLength && t.Parent[parentLength] != '-' {
		return none
	}
	id, err := trace.TraceIDFromHex(t.Parent[3:35])
	if err != nil {
		return none
	}
	span, err := trace.SpanIDFromHex(t.Parent[36:52])
	if err != nil {
		return none
	}
	flags, err := hex.DecodeString(t.Parent[53:55])
	if err != nil {
		return none
	}
	state, _ := trace.ParseTraceState(t.State) // a bad one is dropped, as the W3C says
	return trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: id, SpanID: span, TraceFlags: trace.TraceFlags(flags[0]) & trace.FlagsSampled, TraceState: state, Remote: true,
	})
}
