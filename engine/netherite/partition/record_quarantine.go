package partition

import "github.com/netherite-go/netherite/model"

func appendQuarantinedV1(b []byte, e *QuarantinedV1) []byte {
	b = model.AppendString(b, e.Instance.ID)
	b = model.AppendUvarint(b, e.Instance.Ord)
	b = model.AppendFailure(b, e.Reason)
	b = model.AppendUvarint(b, uint64(e.Origin))
	return model.AppendUvarint(b, e.Through)
}

func decodeQuarantinedV1(r *model.Reader) *QuarantinedV1 {
	e := &QuarantinedV1{Instance: Key{ID: r.String(), Ord: r.Uvarint()}}
	e.Reason, _ = model.DecodeFailure(r)
	e.Origin, e.Through = readPartition(r), r.Uvarint()
	return e
}

// appendQuarantined appends what version 1 has, and the event that could not be
// applied as a record of its own; a 0 if it is not kept.
func appendQuarantined(b []byte, e *Quarantined, t model.Time) []byte {
	b = appendQuarantinedV1(b, &QuarantinedV1{e.Instance, e.Reason, e.Origin, e.Through})
	if e.Input == nil {
		return append(b, 0)
	}
	return AppendRecord(b, e.Input, t)
}

func decodeQuarantined(r *model.Reader, version uint64, t model.Time) *Quarantined {
	v1 := decodeQuarantinedV1(r)
	e := &Quarantined{Instance: v1.Instance, Reason: v1.Reason, Origin: v1.Origin, Through: v1.Through}
	switch kind := RecordKind(r.Byte()); kind {
	case 0:
	case KindReceived, KindTaskDone, KindTimersFired:
		e.Input = decodeFields(r, kind, version, t)
		if !e.fits() {
			r.Fail("a quarantine for an event that is not the instance's")
		}
	default:
		r.Fail("a quarantine for an event that comes again by itself")
	}
	return e
}

// fits reports whether the event is one that an instance can hold.
func (e *Quarantined) fits() bool {
	switch in := e.Input.(type) {
	case *Received:
		return len(in.Messages) == 1 && (e.Instance == Key{ID: in.Messages[0].To}) && in.Origin == e.Origin && in.First == e.Through && in.First > 0
	case *TaskDone:
		return e.Instance == Key{Ord: in.Ord} && e.Through == 0 && e.Origin == 0
	case *TimersFired:
		return len(in.Timers) == 1 && e.Instance == Key{Ord: in.Timers[0].Ord} && e.Through == 0 && e.Origin == 0
	}
	return false
}
