package partition

import (
	"fmt"
	"math"

	"github.com/netherite-go/netherite/model"
)

// AppendRecord appends the encoding of an event that was admitted.
func AppendRecord(b []byte, ev Event, t model.Time) []byte {
	b = append(b, byte(ev.Kind()))
	switch e := ev.(type) {
	case *Opened:
		b = model.AppendUvarint(b, e.Epoch)
	case *Start:
		b = appendStart(b, e, t)
	case *Command:
		b = appendCommand(b, e, t)
	case *StepDone:
		b = appendStepDone(b, e, t)
	case *EntityDone:
		b = appendEntityDone(b, e, t)
	case *TaskDone:
		b = model.AppendUvarint(b, e.Ord)
		b = model.AppendVarint(b, int64(e.Task))
		b = model.AppendOptBytes(b, e.Result)
		b = model.AppendFailure(b, e.Failure)
	case *Received:
		b = model.AppendUvarint(b, uint64(e.Origin))
		b = model.AppendUvarint(b, e.First)
		b = model.AppendUvarint(b, uint64(len(e.Messages)))
		for _, shared := range e.Messages {
			m := *shared
			m.Event.Time = t // of its arrival: costs no bytes
			b = model.AppendMessage(b, &m, t)
		}
	case *Acked:
		b = model.AppendUvarint(b, uint64(e.Dest))
		b = model.AppendUvarint(b, e.Through)
	case *TimersFired:
		b = appendTimers(b, e.Timers, t)
	case *Purged:
		b = appendOrds(b, e.Ords)
	case *Cleaned:
		b = appendOrds(b, e.Empty)
		b = model.AppendUvarint(b, uint64(len(e.Orphans)))
		for _, o := range e.Orphans {
			b = model.AppendUvarint(b, o.Ord)
			b = model.AppendString(b, o.Section)
		}
	case *QuarantinedV1:
		b = appendQuarantinedV1(b, e)
	case *Quarantined:
		b = appendQuarantined(b, e, t)
	default:
		panic(fmt.Sprintf("partition: unknown event %T", ev))
	}
	return b
}

func appendClient(b []byte, c *Client) []byte {
	b = model.AppendUvarint(b, c.Seq)
	if c.Seq != 0 {
		b = append(b, c.Session[:]...)
		b = model.AppendUvarint(b, c.Seq-min(c.Floor, c.Seq))
	}
	return model.AppendString(b, c.Key)
}

func decodeClient(r *model.Reader) (c Client) {
	if c.Seq = r.Uvarint(); c.Seq != 0 {
		c.Session = r.Fixed16()
		below := r.Uvarint()
		if below > c.Seq {
			r.Fail("floor of a client's requests below zero")
			below = 0
		}
		c.Floor = c.Seq - below
	}
	c.Key = r.String()
	return c
}

func appendStart(b []byte, e *Start, t model.Time) []byte {
	q := &e.Request
	b = appendClient(b, &e.Client)
	b = model.AppendString(b, q.Instance)
	b = model.AppendString(b, q.Name)
	b = model.AppendString(b, q.Version)
	b = model.AppendOptBytes(b, q.Input)
	b = appendTime(b, q.At, t)
	b = model.AppendTags(b, q.Tags)
	return model.AppendTrace(b, q.Trace)
}

func decodeStart(r *model.Reader, t model.Time) *Start {
	e := &Start{Client: decodeClient(r)}
	q := &e.Request
	q.Instance, q.Name, q.Version, q.Input = r.String(), r.String(), r.String(), r.OptBytes()
	q.At = readTime(r, t)
	q.Tags, _ = model.DecodeTags(r)
	q.Trace, _ = model.DecodeTrace(r)
	return e
}

// appendTime appends a time that may be absent, relative to the record's.
func appendTime(b []byte, at, t model.Time) []byte {
	if at == 0 {
		return model.AppendBool(b, false)
	}
	return model.AppendVarint(model.AppendBool(b, true), int64(at-t))
}

func readTime(r *model.Reader, t model.Time) model.Time {
	if !r.Bool() {
		return 0
	}
	at := t + model.Time(r.Varint())
	if at == 0 {
		r.Fail("time present but zero")
	}
	return at
}

func appendCommand(b []byte, e *Command, t model.Time) []byte {
	b = appendClient(b, &e.Client)
	b = append(b, byte(e.Op))
	b = model.AppendString(b, e.Instance)
	b = model.AppendString(b, e.Name)
	b = model.AppendOptBytes(b, e.Payload)
	b = appendTime(b, e.At, t)
	b = model.AppendTrace(b, e.Trace)
	return model.AppendBool(b, e.Recursive)
}

func decodeCommand(r *model.Reader, t model.Time) *Command {
	e := &Command{Client: decodeClient(r), Op: Op(r.Byte()), Instance: r.String(), Name: r.String(), Payload: r.OptBytes()}
	e.At = readTime(r, t)
	e.Trace, _ = model.DecodeTrace(r)
	e.Recursive = r.Bool()
	if e.Op < OpRaise || e.Op > OpSignal {
		r.Fail(fmt.Sprintf("unknown command %d", e.Op))
	}
	return e
}

func appendTimers(b []byte, refs []TimerRef, t model.Time) []byte {
	b = model.AppendUvarint(b, uint64(len(refs)))
	for _, ref := range refs {
		b = model.AppendVarint(b, int64(ref.FireAt-t))
		b = model.AppendUvarint(b, ref.Ord)
		b = model.AppendVarint(b, int64(ref.ID))
	}
	return b
}

func appendOrds(b []byte, ords []uint64) []byte {
	b = model.AppendUvarint(b, uint64(len(ords)))
	for _, ord := range ords {
		b = model.AppendUvarint(b, ord)
	}
	return b
}

func decodeOrds(r *model.Reader) []uint64 {
	ords := make([]uint64, 0, min(r.Len(), 1024))
	for n := r.Count(1); n > 0 && r.Err() == nil; n-- {
		ords = append(ords, r.Uvarint())
	}
	return ords
}

// maxPartition bounds what is read as a partition's number.
const maxPartition = 1 << 16

func readPartition(r *model.Reader) int {
	n := r.Uvarint()
	if n >= maxPartition {
		r.Fail("number of a partition too large")
		return 0
	}
	return int(n)
}

// readMany is Count for a list that is there only if it is not empty, so that
// none has one encoding.
func readMany(r *model.Reader, min int) int {
	n := r.Count(min)
	if n == 0 {
		r.Fail("list present but empty")
	}
	return n
}

// readInt reads a count of what is not in the input itself.
func readInt(r *model.Reader) int64 {
	n := r.Uvarint()
	if n > math.MaxInt32<<20 {
		r.Fail("count too large")
		return 0
	}
	return int64(n)
}

// readID reads the ID of a task, a timer or a child.
func readID(r *model.Reader) int32 {
	v := r.Varint()
	if v < math.MinInt32 || v > math.MaxInt32 {
		r.Fail("ID beyond 32 bits")
		return 0
	}
	return int32(v)
}

// decodeFields reads the fields of a record of a kind.
func decodeFields(r *model.Reader, kind RecordKind, version uint64, t model.Time) (ev Event) {
	switch kind {
	case KindOpened:
		ev = &Opened{Epoch: r.Uvarint()}
	case KindStart:
		ev = decodeStart(r, t)
	case KindCommand:
		ev = decodeCommand(r, t)
	case KindStepDone:
		ev = decodeStepDone(r, t)
	case KindEntityDone:
		ev = decodeEntityDone(r, t)
	case KindTaskDone:
		e := &TaskDone{Ord: r.Uvarint(), Task: readID(r), Result: r.OptBytes()}
		e.Failure, _ = model.DecodeFailure(r)
		ev = e
	case KindReceived:
		ev = decodeReceived(r, t)
	case KindAcked:
		ev = &Acked{Dest: readPartition(r), Through: r.Uvarint()}
	case KindTimersFired:
		e := &TimersFired{}
		for n := r.Count(3); n > 0 && r.Err() == nil; n-- {
			e.Timers = append(e.Timers, TimerRef{FireAt: t + model.Time(r.Varint()), Ord: r.Uvarint(), ID: readID(r)})
		}
		ev = e
	case KindPurged:
		ev = &Purged{Ords: decodeOrds(r)}
	case KindCleaned:
		e := &Cleaned{Empty: decodeOrds(r)}
		for n := r.Count(2); n > 0 && r.Err() == nil; n-- {
			e.Orphans = append(e.Orphans, Orphan{Ord: r.Uvarint(), Section: r.String()})
		}
		ev = e
	case KindQuarantinedV1:
		ev = decodeQuarantinedV1(r)
	case KindQuarantined:
		if version < 2 {
			r.Fail("a record of step version 2 in a chunk of version 1")
		}
		ev = decodeQuarantined(r, version, t)
	default:
		r.Fail(fmt.Sprintf("unknown record kind %d", kind))
	}
	return ev
}

func decodeReceived(r *model.Reader, t model.Time) *Received {
	e := &Received{Origin: readPartition(r), First: r.Uvarint()}
	n := r.Count(4)
	messages := make([]model.Message, 0, min(n, 1024))
	for ; n > 0 && r.Err() == nil; n-- {
		m, _ := model.DecodeMessage(r, t)
		if m.Event.Time != t {
			r.Fail("message received at another time than its record's")
		}
		messages = append(messages, m)
	}
	e.Messages = make([]*model.Message, len(messages))
	for i := range messages {
		e.Messages[i] = &messages[i]
	}
	return e
}
