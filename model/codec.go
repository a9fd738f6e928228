package model

// The one byte encoding of model data, used in log records, store rows and
// history chunks alike. It is canonical: one value has exactly one encoding, and
// a decoder refuses every other, so that equal bytes mean equal values and a
// hash of the bytes is a hash of the value.
//
//	event    kind(1, not 0) fields(uvarint, event* bits) then each field whose bit is set, in bit order
//	ext      fields(uvarint, ext* bits, not 0) then each field whose bit is set, in bit order
//	number   zig-zag varint, minimal
//	string   uvarint length, bytes
//	time     zig-zag varint of its distance from the caller's base, so that an
//	         event recorded at the base needs no bytes for its Time
//
// A bit is set exactly if the field is not its zero value (ID: not NoID; Time:
// not the base), so absent fields cost nothing. Bits are numbered by how often
// fields occur: those of the common kinds fit one byte.
//
// The encoding has no version of its own: what contains it (a record, a row)
// carries one. Kinds are not checked against a list, so that languages may add
// their own.

const (
	eventID = 1 << iota
	eventRef
	eventTime
	eventName
	eventPayload
	eventExt
	eventInstance
	eventFireAt
	eventRequestID
	eventVersion
	eventFailure
	eventAll = 1<<iota - 1
)

const (
	extCall = 1 << iota
	extAttempt
	extTimeout
	extAfterCommit
	extParent
	extTrace
	extTags
	extExecution
	extStatus
	extRecurse
	extNewVersion
	extCarryOver
	extLockSet
	extPosition
	extAll = 1<<iota - 1
)

// MaxDepth bounds what is nested: the causes of a failure, and events carried
// over inside of carried events. Encoding cuts off what lies deeper.
const MaxDepth = 32

// minEvent is the size of the smallest encoded event.
const minEvent = 2

// AppendEvent appends the encoding of e to b. DecodeEvent needs the same base;
// the closer it is to e.Time and e.FireAt, the fewer bytes they take.
func AppendEvent(b []byte, e *Event, base Time) []byte { return appendEvent(b, e, base, 0) }

func appendEvent(b []byte, e *Event, base Time, depth int) []byte {
	fields, ext := e.fields(base, depth)
	b = append(b, byte(e.Kind))
	b = AppendUvarint(b, fields)
	if fields&eventID != 0 {
		b = AppendVarint(b, int64(e.ID))
	}
	if fields&eventRef != 0 {
		b = AppendVarint(b, int64(e.Ref))
	}
	if fields&eventTime != 0 {
		b = AppendVarint(b, int64(e.Time-base))
	}
	if fields&eventName != 0 {
		b = AppendString(b, e.Name)
	}
	if fields&eventPayload != 0 {
		b = AppendBytes(b, e.Payload)
	}
	if fields&eventExt != 0 {
		b = appendExt(b, e.Ext, ext, base, depth)
	}
	if fields&eventInstance != 0 {
		b = AppendString(b, e.Instance)
	}
	if fields&eventFireAt != 0 {
		b = AppendVarint(b, int64(e.FireAt-base))
	}
	if fields&eventRequestID != 0 {
		b = AppendString(b, e.RequestID)
	}
	if fields&eventVersion != 0 {
		b = AppendString(b, e.Version)
	}
	if fields&eventFailure != 0 {
		b = AppendFailure(b, e.Failure)
	}
	return b
}

// fields says which fields of e, and of its Ext, are encoded.
func (e *Event) fields(base Time, depth int) (fields, ext uint64) {
	fields = bit(e.ID != NoID, eventID) | bit(e.Ref != 0, eventRef) | bit(e.Time != base, eventTime) |
		bit(e.Name != "", eventName) | bit(e.Payload != nil, eventPayload) | bit(e.Instance != "", eventInstance) |
		bit(e.FireAt != 0, eventFireAt) | bit(e.RequestID != "", eventRequestID) |
		bit(e.Version != "", eventVersion) | bit(e.Failure != nil, eventFailure)
	if e.Ext != nil {
		ext = e.Ext.fields(depth)
		fields |= bit(ext != 0, eventExt)
	}
	return fields, ext
}

func (x *Ext) fields(depth int) uint64 {
	return bit(x.Call != 0, extCall) | bit(x.Attempt != 0, extAttempt) | bit(x.Timeout != 0, extTimeout) |
		bit(x.AfterCommit, extAfterCommit) | bit(x.Parent != nil, extParent) | bit(x.Trace != nil, extTrace) |
		bit(len(x.Tags) > 0, extTags) | bit(!x.Execution.IsZero(), extExecution) | bit(x.Status != 0, extStatus) |
		bit(x.Recurse, extRecurse) | bit(x.NewVersion != nil, extNewVersion) |
		bit(len(x.CarryOver) > 0 && depth < MaxDepth, extCarryOver) |
		bit(len(x.LockSet) > 0, extLockSet) | bit(x.Position != 0, extPosition)
}

func bit(set bool, b uint64) uint64 {
	if set {
		return b
	}
	return 0
}

func appendExt(b []byte, x *Ext, fields uint64, base Time, depth int) []byte {
	b = AppendUvarint(b, fields)
	if fields&extCall != 0 {
		b = AppendVarint(b, int64(x.Call))
	}
	if fields&extAttempt != 0 {
		b = AppendVarint(b, int64(x.Attempt))
	}
	if fields&extTimeout != 0 {
		b = AppendVarint(b, x.Timeout)
	}
	if fields&extParent != 0 {
		b = AppendParent(b, x.Parent)
	}
	if fields&extTrace != 0 {
		b = AppendTrace(b, x.Trace)
	}
	if fields&extTags != 0 {
		b = AppendTags(b, x.Tags)
	}
	if fields&extExecution != 0 {
		b = append(b, x.Execution[:]...)
	}
	if fields&extStatus != 0 {
		b = append(b, byte(x.Status))
	}
	if fields&extNewVersion != 0 {
		b = AppendString(b, *x.NewVersion)
	}
	if fields&extCarryOver != 0 {
		b = appendEvents(b, x.CarryOver, base, depth+1)
	}
	if fields&extLockSet != 0 {
		b = AppendUvarint(b, uint64(len(x.LockSet)))
		for _, s := range x.LockSet {
			b = AppendString(b, s)
		}
	}
	if fields&extPosition != 0 {
		b = AppendVarint(b, int64(x.Position))
	}
	return b
}

// DecodeEvent reads what AppendEvent wrote with the same base. Whether the
// event shares memory with the input depends on the Reader.
func DecodeEvent(r *Reader, base Time) (Event, error) {
	var e Event
	r.event(&e, base, 0)
	return e, r.err
}

func (r *Reader) event(e *Event, base Time, depth int) {
	e.ID, e.Time = NoID, base
	if e.Kind = Kind(r.Byte()); e.Kind == 0 {
		r.Fail("event of kind 0")
	}
	fields := r.fields("event", eventAll)
	if fields&eventID != 0 {
		e.ID = r.int32()
		r.refuse(e.ID == NoID, "event ID")
	}
	if fields&eventRef != 0 {
		e.Ref = r.int32()
		r.refuse(e.Ref == 0, "event ref")
	}
	if fields&eventTime != 0 {
		e.Time = base + Time(r.Varint())
		r.refuse(e.Time == base, "event time")
	}
	if fields&eventName != 0 {
		e.Name = r.text("event name")
	}
	if fields&eventPayload != 0 {
		e.Payload = r.payload()
	}
	if fields&eventExt != 0 {
		e.Ext = r.ext(base, depth)
	}
	if fields&eventInstance != 0 {
		e.Instance = r.text("event instance")
	}
	if fields&eventFireAt != 0 {
		e.FireAt = base + Time(r.Varint())
		r.refuse(e.FireAt == 0, "event fire time")
	}
	if fields&eventRequestID != 0 {
		e.RequestID = r.text("event request ID")
	}
	if fields&eventVersion != 0 {
		e.Version = r.text("event version")
	}
	if fields&eventFailure != 0 {
		e.Failure = r.failure(0)
		r.refuse(e.Failure == nil, "event failure")
	}
}

func (r *Reader) ext(base Time, depth int) *Ext {
	fields := r.fields("event extension", extAll)
	if r.refuse(fields == 0, "event extension"); r.err != nil {
		return nil
	}
	x := &Ext{AfterCommit: fields&extAfterCommit != 0, Recurse: fields&extRecurse != 0}
	if fields&extCall != 0 {
		x.Call = r.int32()
		r.refuse(x.Call == 0, "call ordinal")
	}
	if fields&extAttempt != 0 {
		x.Attempt = r.int32()
		r.refuse(x.Attempt == 0, "attempt")
	}
	if fields&extTimeout != 0 {
		x.Timeout = r.Varint()
		r.refuse(x.Timeout == 0, "timeout")
	}
	if fields&extParent != 0 {
		x.Parent = r.parent()
		r.refuse(x.Parent == nil, "parent")
	}
	if fields&extTrace != 0 {
		x.Trace = r.trace()
		r.refuse(x.Trace == nil, "trace context")
	}
	if fields&extTags != 0 {
		x.Tags = r.tags()
		r.refuse(x.Tags == nil, "tags")
	}
	if fields&extExecution != 0 {
		x.Execution = r.Fixed16()
		r.refuse(x.Execution.IsZero(), "execution ID")
	}
	r.extRest(x, fields, base, depth)
	return x
}

// extRest reads the fields from extStatus on, which few kinds have.
func (r *Reader) extRest(x *Ext, fields uint64, base Time, depth int) {
	if fields&extStatus != 0 {
		x.Status = Status(r.Byte())
		r.refuse(x.Status == 0, "status")
	}
	if fields&extNewVersion != 0 {
		v := r.String()
		x.NewVersion = &v
	}
	if fields&extCarryOver != 0 {
		if depth >= MaxDepth {
			r.Fail("carried events nested too deeply")
			return
		}
		x.CarryOver = r.events(base, depth+1)
		r.refuse(x.CarryOver == nil, "carried events")
	}
	if fields&extLockSet != 0 {
		n := r.Count(1)
		r.refuse(n == 0, "lock set")
		x.LockSet = make([]string, 0, r.capacity(n))
		for i := 0; i < n && r.err == nil; i++ {
			x.LockSet = append(x.LockSet, r.String())
		}
	}
	if fields&extPosition != 0 {
		x.Position = r.int32()
		r.refuse(x.Position == 0, "position")
	}
}

// AppendEvents appends a count and the events, all with the same base.
func AppendEvents(b []byte, events []Event, base Time) []byte {
	return appendEvents(b, events, base, 0)
}

func appendEvents(b []byte, events []Event, base Time, depth int) []byte {
	b = AppendUvarint(b, uint64(len(events)))
	for i := range events {
		b = appendEvent(b, &events[i], base, depth)
	}
	return b
}

// DecodeEvents reads what AppendEvents wrote; nil if there were none.
func DecodeEvents(r *Reader, base Time) ([]Event, error) {
	events := r.events(base, 0)
	return events, r.err
}

func (r *Reader) events(base Time, depth int) []Event {
	n := r.Count(minEvent)
	if n == 0 {
		return nil
	}
	events := make([]Event, 0, r.capacity(n))
	for i := 0; i < n && r.err == nil; i++ {
		events = append(events, Event{})
		r.event(&events[i], base, depth)
	}
	return events
}
