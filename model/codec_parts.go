package model

import (
	"maps"
	"slices"
)

// The parts of events that may be absent begin with a byte of flags whose bit 0
// says present: nil is one zero byte.

const partPresent = 1

const (
	failureType = 2 << iota
	failureMessage
	failureStack
	failureNonRetriable
	failureProperties
	failureCause
	failureAll = 2<<iota - 1
)

// AppendFailure appends f, which may be nil. Causes deeper than MaxDepth are
// cut off.
func AppendFailure(b []byte, f *Failure) []byte {
	if f == nil {
		return append(b, 0)
	}
	return appendFailure(b, f, 0)
}

func appendFailure(b []byte, f *Failure, depth int) []byte {
	flags := partPresent | bit(f.Type != "", failureType) | bit(f.Message != "", failureMessage) |
		bit(f.Stack != "", failureStack) | bit(f.NonRetriable, failureNonRetriable) |
		bit(len(f.Properties) > 0, failureProperties) | bit(f.Cause != nil && depth < MaxDepth, failureCause)
	b = append(b, byte(flags))
	b = appendTexts(b, f.Type, f.Message, f.Stack)
	if flags&failureProperties != 0 {
		b = AppendUvarint(b, uint64(len(f.Properties)))
		var room [16]string
		for _, k := range sortedKeys(room[:0], f.Properties) {
			b = AppendString(b, k)
			b = AppendOptBytes(b, f.Properties[k])
		}
	}
	if flags&failureCause != 0 {
		b = appendFailure(b, f.Cause, depth+1)
	}
	return b
}

// DecodeFailure reads what AppendFailure wrote.
func DecodeFailure(r *Reader) (*Failure, error) {
	f := r.failure(0)
	return f, r.err
}

func (r *Reader) failure(depth int) *Failure {
	flags := r.part("failure", failureAll)
	if flags == 0 {
		return nil
	}
	f := &Failure{NonRetriable: flags&failureNonRetriable != 0}
	if flags&failureType != 0 {
		f.Type = r.text("failure type")
	}
	if flags&failureMessage != 0 {
		f.Message = r.text("failure message")
	}
	if flags&failureStack != 0 {
		f.Stack = r.text("failure stack")
	}
	if flags&failureProperties != 0 {
		f.Properties = r.properties()
	}
	if flags&failureCause != 0 {
		if depth >= MaxDepth {
			r.Fail("failure causes nested too deeply")
			return f
		}
		f.Cause = r.failure(depth + 1)
		r.refuse(f.Cause == nil, "failure cause")
	}
	return f
}

func (r *Reader) properties() map[string][]byte {
	n := r.Count(2)
	r.refuse(n == 0, "failure properties")
	m := make(map[string][]byte, r.capacity(n))
	for i, last := 0, ""; i < n && r.err == nil; i++ {
		last = r.key(i, last)
		m[last] = r.OptBytes()
	}
	return m
}

const (
	parentInstance = 2 << iota
	parentName
	parentVersion
	parentExecution
	parentID
	parentAll = 2<<iota - 1
)

// AppendParent appends p, which may be nil.
func AppendParent(b []byte, p *Parent) []byte {
	if p == nil {
		return append(b, 0)
	}
	flags := partPresent | bit(p.Instance != "", parentInstance) | bit(p.Name != "", parentName) |
		bit(p.Version != "", parentVersion) | bit(!p.Execution.IsZero(), parentExecution) | bit(p.ID != 0, parentID)
	b = append(b, byte(flags))
	b = appendTexts(b, p.Instance, p.Name, p.Version)
	if flags&parentExecution != 0 {
		b = append(b, p.Execution[:]...)
	}
	if flags&parentID != 0 {
		b = AppendVarint(b, int64(p.ID))
	}
	return b
}

// DecodeParent reads what AppendParent wrote.
func DecodeParent(r *Reader) (*Parent, error) {
	p := r.parent()
	return p, r.err
}

func (r *Reader) parent() *Parent {
	flags := r.part("parent", parentAll)
	if flags == 0 {
		return nil
	}
	p := &Parent{}
	if flags&parentInstance != 0 {
		p.Instance = r.text("parent instance")
	}
	if flags&parentName != 0 {
		p.Name = r.text("parent name")
	}
	if flags&parentVersion != 0 {
		p.Version = r.text("parent version")
	}
	if flags&parentExecution != 0 {
		p.Execution = r.Fixed16()
		r.refuse(p.Execution.IsZero(), "parent execution")
	}
	if flags&parentID != 0 {
		p.ID = r.int32()
		r.refuse(p.ID == 0, "parent action")
	}
	return p
}

const (
	traceParent = 2 << iota
	traceState
	traceSpanID
	traceAll = 2<<iota - 1
)

// AppendTrace appends t, which may be nil.
func AppendTrace(b []byte, t *Trace) []byte {
	if t == nil {
		return append(b, 0)
	}
	flags := partPresent | bit(t.Parent != "", traceParent) | bit(t.State != "", traceState) | bit(t.SpanID != "", traceSpanID)
	return appendTexts(append(b, byte(flags)), t.Parent, t.State, t.SpanID)
}

// DecodeTrace reads what AppendTrace wrote.
func DecodeTrace(r *Reader) (*Trace, error) {
	t := r.trace()
	return t, r.err
}

func (r *Reader) trace() *Trace {
	flags := r.part("trace context", traceAll)
	if flags == 0 {
		return nil
	}
	t := &Trace{}
	if flags&traceParent != 0 {
		t.Parent = r.text("traceparent")
	}
	if flags&traceState != 0 {
		t.State = r.text("tracestate")
	}
	if flags&traceSpanID != 0 {
		t.SpanID = r.text("span ID")
	}
	return t
}

// AppendTags appends the number of tags, then each in the order of its key. No
// tags and nil are the same.
func AppendTags(b []byte, tags map[string]string) []byte {
	b = AppendUvarint(b, uint64(len(tags)))
	if len(tags) == 0 {
		return b
	}
	var room [16]string
	for _, k := range sortedKeys(room[:0], tags) {
		b = AppendString(b, k)
		b = AppendString(b, tags[k])
	}
	return b
}

// DecodeTags reads what AppendTags wrote; nil if there are none.
func DecodeTags(r *Reader) (map[string]string, error) {
	tags := r.tags()
	return tags, r.err
}

func (r *Reader) tags() map[string]string {
	n := r.Count(2)
	if n == 0 {
		return nil
	}
	m := make(map[string]string, r.capacity(n))
	for i, last := 0, ""; i < n && r.err == nil; i++ {
		last = r.key(i, last)
		m[last] = r.String()
	}
	return m
}

const (
	messageToExecution = 1 << iota
	messageFrom
	messageAll = 1<<iota - 1
)

// AppendMessage appends m. DecodeMessage needs the same base; see AppendEvent.
func AppendMessage(b []byte, m *Message, base Time) []byte {
	flags := bit(!m.ToExecution.IsZero(), messageToExecution) | bit(m.From != "", messageFrom)
	b = append(b, byte(flags))
	b = AppendString(b, m.To)
	if flags&messageToExecution != 0 {
		b = append(b, m.ToExecution[:]...)
	}
	b = appendTexts(b, m.From)
	return AppendEvent(b, &m.Event, base)
}

// DecodeMessage reads what AppendMessage wrote with the same base.
func DecodeMessage(r *Reader, base Time) (Message, error) {
	flags := r.fields("message", messageAll)
	m := Message{To: r.String()}
	if flags&messageToExecution != 0 {
		m.ToExecution = r.Fixed16()
		r.refuse(m.ToExecution.IsZero(), "message execution")
	}
	if flags&messageFrom != 0 {
		m.From = r.text("message sender")
	}
	r.event(&m.Event, base, 0)
	return m, r.err
}

// appendTexts appends those strings that are not empty; flags say which.
func appendTexts(b []byte, texts ...string) []byte {
	for _, s := range texts {
		if s != "" {
			b = AppendString(b, s)
		}
	}
	return b
}

// part reads the flags of a part that may be absent (0).
func (r *Reader) part(what string, known uint64) uint64 {
	flags := r.fields(what, known|partPresent)
	if flags != 0 && flags&partPresent == 0 {
		r.Fail("flags of an absent " + what)
		return 0
	}
	return flags
}

// key reads the i-th key of a map; keys ascend strictly.
func (r *Reader) key(i int, last string) string {
	k := r.String()
	if i > 0 && k <= last {
		r.Fail("map keys out of order")
	}
	return k
}

// sortedKeys appends the keys of m in order to room, which saves the allocation
// for small maps.
func sortedKeys[V any](room []string, m map[string]V) []string {
	room = slices.AppendSeq(room, maps.Keys(m))
	slices.Sort(room)
	return room
}
