package translate

import (
	"encoding/base64"
	"encoding/json"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/timestamppb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/model"
)

// Payload says a payload; nil if there is none.
func Payload(b []byte) *wrapperspb.StringValue {
	if b == nil {
		return nil
	}
	if !utf8.Valid(b) {
		return wrapperspb.String(binary + base64.StdEncoding.EncodeToString(b))
	}
	return wrapperspb.String(string(b))
}

// binary begins the text of a payload that is none, as the protocol has only those.
const binary = "data:application/octet-stream;base64,"

// Bytes is the inverse of Payload.
func Bytes(s *wrapperspb.StringValue) []byte {
	if s == nil {
		return nil
	}
	return bytesOf(s.GetValue())
}

func bytesOf(s string) []byte {
	if text, ok := strings.CutPrefix(s, binary); ok {
		if b, err := base64.StdEncoding.Strict().DecodeString(text); err == nil && !utf8.Valid(b) {
			return b
		}
	}
	return append([]byte{}, s...)
}

// optional says a text that is absent if it is empty.
func optional(s string) *wrapperspb.StringValue {
	if s == "" {
		return nil
	}
	return wrapperspb.String(valid(s))
}

// valid is what can be said of a text.
func valid(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// validAll is what can be said of texts.
func validAll(list []string) []string {
	for i, s := range list {
		if !utf8.ValidString(s) {
			list = slices.Clone(list)
			for j := i; j < len(list); j++ {
				list[j] = valid(list[j])
			}
			break
		}
	}
	return list
}

// Timestamp says a time; nil if there is none.
func Timestamp(t model.Time) *timestamppb.Timestamp {
	if t == 0 {
		return nil
	}
	return timestamppb.New(t.Std())
}

// Time is the inverse of Timestamp. What cannot be represented is cut to what can,
// and the one instant that means none in the model is told from it.
func Time(t *timestamppb.Timestamp) model.Time {
	switch {
	case t == nil:
		return 0
	case t.GetSeconds() < -farSeconds:
		return math.MinInt64
	case t.GetSeconds() > farSeconds:
		return math.MaxInt64
	}
	if m := model.TimeOf(t.AsTime()); m != 0 {
		return m
	}
	return 1
}

// farSeconds is further from 1970 than any year of the protocol, and near enough
// for time.Time to reckon with.
const farSeconds = 1 << 40

// Failure says a failure with its causes; nil if there is none.
func Failure(f *model.Failure) *wire.TaskFailureDetails {
	if f == nil {
		return nil
	}
	return &wire.TaskFailureDetails{
		ErrorType: valid(f.Type), ErrorMessage: valid(f.Message), StackTrace: optional(f.Stack), InnerFailure: Failure(f.Cause),
		IsNonRetriable: f.NonRetriable, Properties: values(f.Properties),
	}
}

// ToFailure is the inverse of Failure.
func ToFailure(d *wire.TaskFailureDetails) *model.Failure {
	if d == nil {
		return nil
	}
	return &model.Failure{
		Type: d.GetErrorType(), Message: d.GetErrorMessage(), Stack: d.GetStackTrace().GetValue(), Cause: ToFailure(d.GetInnerFailure()),
		NonRetriable: d.GetIsNonRetriable(), Properties: properties(d.GetProperties()),
	}
}

func values(p map[string][]byte) map[string]*structpb.Value {
	if len(p) == 0 {
		return nil
	}
	m := make(map[string]*structpb.Value, len(p))
	for name, text := range p { // order-free: fills a map
		v := new(structpb.Value)
		if v.UnmarshalJSON(text) != nil {
			v = structpb.NewStringValue(valid(string(text)))
		}
		m[valid(name)] = v
	}
	return m
}

func properties(m map[string]*structpb.Value) map[string][]byte {
	if len(m) == 0 {
		return nil
	}
	p := make(map[string][]byte, len(m))
	for name, v := range m { // order-free: fills a map
		text, err := json.Marshal(v.AsInterface())
		if err != nil {
			text = []byte("null") // not a number, or no value at all
		}
		p[name] = text
	}
	return p
}

// Trace says a trace context; nil if there is none.
func Trace(t *model.Trace) *wire.TraceContext {
	if t == nil {
		return nil
	}
	return &wire.TraceContext{TraceParent: valid(t.Parent), SpanID: valid(t.SpanID), TraceState: optional(t.State)}
}

// ToTrace is the inverse of Trace.
func ToTrace(c *wire.TraceContext) *model.Trace {
	if c == nil {
		return nil
	}
	return &model.Trace{Parent: c.GetTraceParent(), State: c.GetTraceState().GetValue(), SpanID: c.GetSpanID()}
}

// instance says an instance and its execution, if that is known.
func instance(id string, e model.ExecutionID) *wire.OrchestrationInstance {
	o := &wire.OrchestrationInstance{InstanceId: valid(id)}
	if !e.IsZero() {
		o.ExecutionId = wrapperspb.String(e.String())
	}
	return o
}

// parent says who waits for an answer; nil if nobody does.
func parent(p *model.Parent) *wire.ParentInstanceInfo {
	if p == nil {
		return nil
	}
	return &wire.ParentInstanceInfo{
		TaskScheduledId: p.ID, Name: optional(p.Name), Version: optional(p.Version), OrchestrationInstance: instance(p.Instance, p.Execution),
	}
}

// toParent is the inverse of parent.
func toParent(p *wire.ParentInstanceInfo) (*model.Parent, error) {
	if p == nil {
		return nil, nil
	}
	execution, err := toExecution(p.GetOrchestrationInstance().GetExecutionId().GetValue())
	return &model.Parent{
		Instance: p.GetOrchestrationInstance().GetInstanceId(), Execution: execution,
		Name: p.GetName().GetValue(), Version: p.GetVersion().GetValue(), ID: p.GetTaskScheduledId(),
	}, err
}

func toExecution(s string) (model.ExecutionID, error) {
	if s == "" {
		return model.ExecutionID{}, nil
	}
	return model.ParseExecutionID(s)
}

// tags says tags; nil if there are none.
func tags(t map[string]string) map[string]string {
	if len(t) == 0 {
		return nil
	}
	m := make(map[string]string, len(t))
	for k, v := range t { // order-free: fills a map
		m[valid(k)] = valid(v)
	}
	return m
}

// Status says a status; the model numbers them as the protocol does.
func Status(s model.Status) wire.OrchestrationStatus { return wire.OrchestrationStatus(s) }

// ToStatus is the inverse of Status. It reports whether there is such a status.
func ToStatus(s wire.OrchestrationStatus) (model.Status, bool) {
	_, ok := wire.OrchestrationStatus_name[int32(s)]
	return model.Status(s), ok
}
