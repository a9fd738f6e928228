package partition

import (
	"fmt"
	"math"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// The versions of rows. Each begins with the first one that can say what it says.
// Only the singletons always have the newest, so that an older program looks no
// further.
const (
	rowVersion1 = 1
	rowVersion  = 2 // quarantines that hold what comes
)

// Bits of a main row: which fields are not empty.
const (
	rowSuspended = 1 << iota
	rowMore
	rowCompleted
	rowScheduled
	rowFailure
	rowTags
	rowParent
	rowAwaits
	rowSections
	rowCalls
	rowQuarantine
	rowEntity
	rowVersionName
	rowRequest
	rowTrace
	rowHolds // since version 2
	rowAll   = 1<<iota - 1
)

// appendRow appends an instance's main row.
func appendRow(b []byte, inst *instance) []byte {
	bits := rowBits(inst)
	b = append(b, versionOf(bits))
	b = model.AppendUvarint(b, bits)
	b = model.AppendUvarint(b, inst.hist)
	b = model.AppendString(b, inst.id)
	b = model.AppendString(b, inst.name)
	b = append(b, inst.execution[:]...)
	b = append(b, byte(inst.status))
	b = model.AppendVarint(b, int64(inst.created))
	b = model.AppendVarint(b, int64(inst.updated-inst.created))
	input := inst.input
	if planted.InputForgotten && inst.status == model.Completed {
		input = nil
	}
	b = model.AppendOptBytes(b, input)
	b = model.AppendOptBytes(b, inst.output)
	b = model.AppendOptBytes(b, inst.custom)
	b = model.AppendUvarint(b, uint64(inst.events))
	b = model.AppendUvarint(b, uint64(inst.bytes))
	b = model.AppendUvarint(b, inst.steps)
	b = model.AppendUvarint(b, inst.nextSeq)
	b = model.AppendUvarint(b, uint64(inst.nextWake-wakeBase))
	return appendRare(b, inst, bits)
}

func rowBits(inst *instance) uint64 {
	var bits uint64
	set := func(on bool, bit uint64) {
		if on {
			bits |= bit
		}
	}
	set(inst.suspended, rowSuspended)
	set(inst.more, rowMore)
	set(inst.completed != 0, rowCompleted)
	set(inst.scheduled != 0, rowScheduled)
	set(inst.failure != nil, rowFailure)
	set(len(inst.tags) > 0, rowTags)
	set(inst.parent != nil, rowParent)
	set(len(inst.awaits) > 0, rowAwaits)
	set(len(inst.sections) > 0, rowSections)
	set(len(inst.calls) > 0, rowCalls)
	set(inst.quarantine != nil, rowQuarantine)
	set(inst.entity != nil, rowEntity)
	set(inst.version != "", rowVersionName)
	set(inst.request.seq != 0, rowRequest)
	set(inst.trace != nil, rowTrace)
	set(inst.holds, rowHolds)
	return bits
}

// versionOf is that of a main row with certain fields.
func versionOf(bits uint64) byte {
	if bits&rowHolds != 0 {
		return rowVersion
	}
	return rowVersion1
}

// appendRare appends the fields that bits says are there.
func appendRare(b []byte, inst *instance, bits uint64) []byte {
	if bits&rowVersionName != 0 {
		b = model.AppendString(b, inst.version)
	}
	if bits&rowRequest != 0 {
		b = append(b, inst.request.session[:]...)
		b = model.AppendUvarint(b, inst.request.seq)
	}
	if bits&rowCompleted != 0 {
		b = model.AppendVarint(b, int64(inst.completed-inst.created))
	}
	if bits&rowScheduled != 0 {
		b = model.AppendVarint(b, int64(inst.scheduled-inst.created))
	}
	if bits&rowFailure != 0 {
		b = model.AppendFailure(b, inst.failure)
	}
	if bits&rowTags != 0 {
		b = model.AppendTags(b, inst.tags)
	}
	if bits&rowParent != 0 {
		b = model.AppendParent(b, inst.parent)
	}
	if bits&rowAwaits != 0 {
		b = appendStrings(b, inst.awaits)
	}
	if bits&rowSections != 0 {
		b = model.AppendUvarint(b, uint64(len(inst.sections)))
		for _, sec := range inst.sections {
			b = model.AppendString(b, sec.id)
			b = model.AppendString(b, sec.key)
			b = model.AppendBool(b, sec.granted)
			b = appendStrings(b, sec.lockSet)
		}
	}
	if bits&rowCalls != 0 {
		b = model.AppendUvarint(b, uint64(len(inst.calls)))
		for _, c := range inst.calls {
			b = model.AppendVarint(b, int64(c.id))
			b = model.AppendString(b, c.request)
			b = model.AppendString(b, c.entity)
			b = model.AppendString(b, c.operation)
		}
	}
	if bits&rowQuarantine != 0 {
		reason := inst.quarantine
		if planted.EvidenceNotStored {
			reason = &model.Failure{Type: reason.Type, Message: reason.Message}
		}
		b = model.AppendFailure(b, reason)
	}
	if bits&rowEntity != 0 {
		b = model.AppendOptBytes(b, inst.entity.state)
		b = model.AppendString(b, inst.entity.section)
		b = model.AppendString(b, inst.entity.holder)
	}
	if bits&rowTrace != 0 {
		b = model.AppendTrace(b, inst.trace)
	}
	return b
}

// decodeRow reads a main row.
func decodeRow(ord uint64, row []byte) (*instance, error) {
	r, version, err := versionedReader(row)
	if err != nil {
		return nil, fmt.Errorf("instance row %d: %w", ord, err)
	}
	bits := r.Uvarint()
	if bits&^rowAll != 0 || versionOf(bits) != version {
		r.Fail("unknown field of instance")
	}
	inst := &instance{ord: ord}
	inst.hist = r.Uvarint()
	inst.id, inst.name = r.String(), r.String()
	inst.execution = r.Fixed16()
	inst.status = model.Status(r.Byte())
	inst.created = model.Time(r.Varint())
	inst.updated = inst.created + model.Time(r.Varint())
	inst.input, inst.output, inst.custom = r.OptBytes(), r.OptBytes(), r.OptBytes()
	inst.events, inst.bytes = readInt(r), readInt(r)
	inst.steps, inst.nextSeq = r.Uvarint(), r.Uvarint()
	wakes := readInt(r)
	if wakes > math.MaxInt32-wakeBase {
		r.Fail("count of timers too large")
		wakes = 0
	}
	inst.nextWake = wakeBase + int32(wakes)
	inst.suspended, inst.more, inst.holds = bits&rowSuspended != 0, bits&rowMore != 0, bits&rowHolds != 0
	decodeRare(r, inst, bits)
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("instance row %d: %w", ord, err)
	}
	if inst.holds && inst.quarantine == nil {
		return nil, fmt.Errorf("instance row %d: %w: it holds messages and is not quarantined", ord, model.ErrMalformed)
	}
	if rowBits(inst) != bits {
		return nil, fmt.Errorf("instance row %d: %w: a field is present but zero", ord, model.ErrMalformed)
	}
	return inst, nil
}

func decodeRare(r *model.Reader, inst *instance, bits uint64) {
	if bits&rowVersionName != 0 {
		inst.version = r.String()
	}
	if bits&rowRequest != 0 {
		inst.request = request{r.Fixed16(), r.Uvarint()}
	}
	if bits&rowCompleted != 0 {
		inst.completed = inst.created + model.Time(r.Varint())
	}
	if bits&rowScheduled != 0 {
		inst.scheduled = inst.created + model.Time(r.Varint())
	}
	if bits&rowFailure != 0 {
		inst.failure, _ = model.DecodeFailure(r)
	}
	if bits&rowTags != 0 {
		inst.tags, _ = model.DecodeTags(r)
	}
	if bits&rowParent != 0 {
		inst.parent, _ = model.DecodeParent(r)
	}
	if bits&rowAwaits != 0 {
		inst.awaits = decodeStrings(r)
	}
	if bits&rowSections != 0 {
		for n := r.Count(4); n > 0 && r.Err() == nil; n-- {
			inst.sections = append(inst.sections, section{id: r.String(), key: r.String(), granted: r.Bool(), lockSet: decodeStrings(r)})
		}
	}
	if bits&rowCalls != 0 {
		for n := r.Count(4); n > 0 && r.Err() == nil; n-- {
			inst.calls = append(inst.calls, pendingCall{id: readID(r), request: r.String(), entity: r.String(), operation: r.String()})
		}
	}
	if bits&rowQuarantine != 0 {
		inst.quarantine, _ = model.DecodeFailure(r)
	}
	if bits&rowEntity != 0 {
		inst.entity = &entity{state: r.OptBytes(), section: r.String(), holder: r.String()}
	}
	if bits&rowTrace != 0 {
		inst.trace, _ = model.DecodeTrace(r)
	}
}

// versionedReader checks a row's version: a newer one is engine.ErrNewerFormat.
func versionedReader(row []byte) (*model.Reader, byte, error) {
	r := model.NewOwnedReader(row)
	v := r.Byte()
	switch {
	case r.Err() == nil && v > rowVersion:
		return nil, v, newerRow("row", v, rowVersion)
	case v < 1:
		r.Fail("row version 0")
	}
	return r, v, r.Err()
}

// rowReader is versionedReader for a row that has only ever had one version.
func rowReader(row []byte, version byte) (*model.Reader, error) {
	r, v, err := versionedReader(row)
	if err == nil && v != version {
		r.Fail("a version that this kind of row does not have")
		err = r.Err()
	}
	return r, err
}

func newerRow(what string, version, known byte) error {
	return fmt.Errorf("%w: a %s has version %d, this program reads up to %d", engine.ErrNewerFormat, what, version, known)
}
