package partition

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// naming is what index rows say of an instance.
type naming struct {
	id, name string
	status   model.Status
	created  model.Time
}

// names reads the index rows: they may be all that is left of an instance.
func (x *sifter) names() error {
	p := x.Config.Partition
	all := true
	for _, table := range []byte{tableID, tableName, tableCreated} {
		low, high := tableRange(p, table)
		all = all && x.Lost(true, low, high)
		err := x.Rows.Scan(true, low, high, func(key, value []byte) bool {
			x.name(table, key[len(low):], value)
			return true
		})
		if err != nil {
			return err
		}
	}
	low, high := tableRange(p, tableInstance)
	x.out.Unnamed = x.Guessed || all && x.Lost(true, low, high)
	return nil
}

// name takes note of an index row; one that makes no sense is left out.
func (x *sifter) name(table byte, rest, value []byte) {
	of := func(ord uint64) *naming {
		if x.named[ord] == nil {
			x.named[ord] = &naming{status: model.Running}
		}
		return x.named[ord]
	}
	switch {
	case table == tableID && len(value) == 8:
		of(binary.BigEndian.Uint64(value)).id = string(rest)
	case table == tableCreated && len(rest) == 1+1+8+8:
		n := of(binary.BigEndian.Uint64(rest[10:]))
		n.status, n.created = model.Status(rest[1]), model.Time(binary.BigEndian.Uint64(rest[2:]))
	case table == tableName && len(value) == 8:
		end := bytes.IndexByte(rest[min(1, len(rest)):], 0) + 1
		if end > 0 && len(rest) > end+2 {
			n := of(binary.BigEndian.Uint64(value))
			n.name, n.status, n.id = string(rest[1:end]), model.Status(rest[end+1]), string(rest[end+2:])
		}
	}
}

// clearIndexes deletes what the instances build anew.
func (x *sifter) clearIndexes() error {
	for _, table := range indexTables {
		x.To.DeleteMainRange(tableRange(x.Config.Partition, table))
	}
	return nil
}

func (x *sifter) instances() error {
	ords, err := Ordinals(x.Rows, x.Config.Partition)
	if err != nil {
		return err
	}
	for ord := range x.named { // sorted: below
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	for _, ord := range slices.Compact(ords) {
		x.newest = max(x.newest, ord)
		if err := x.instance(ord); err != nil {
			return err
		}
	}
	return nil
}

// instance keeps what is whole of an instance.
func (x *sifter) instance(ord uint64) error {
	p := x.Config.Partition
	inst, reasons, err := x.fetch(ord)
	if err != nil {
		return err
	}
	low, high := instanceKey(nil, p, ord), instanceKey(nil, p, ord+1)
	unsound, stub := len(reasons) > 0, inst == nil
	switch n := x.named[ord]; {
	case inst != nil:
		if len(inst.held) > 0 && !inst.holds {
			reasons, unsound, inst.holds = append(reasons, "it has held messages, and is not set aside"), true, true
		}
		if (inst.holds || !inst.ended()) && x.Lost(true, append(bytes.Clone(low), 0), high) {
			reasons, unsound = append(reasons, "what it waits for or was sent may be missing: rows behind its main row were lost"), true
		}
	default:
		x.To.DeleteMainRange(low, high)
		unsound = true
		if n == nil || n.id == "" {
			x.out.unsound[ord], x.unowned[ord+1] = true, true
			x.out.Unnamed = true
			x.out.Instances = append(x.out.Instances, SiftedInstance{Ord: ord, Reason: "its main row was lost, and its ID with it"})
			return nil
		}
		inst, reasons = x.stub(ord, n), []string{"its main row was lost: its state, input and output are not known"}
	}
	x.newest, x.owned[inst.hist] = max(x.newest, inst.hist), true
	why, err := x.history(inst, stub)
	if err != nil {
		return err
	}
	if stub && inst.hist > 0 && inst.events == 0 {
		x.unowned[inst.hist] = true
	}
	if reasons = append(reasons, why...); len(reasons) > 0 {
		x.setAside(inst, reasons, unsound)
	}
	x.s.encodeIndexes(inst, x.To.SetMain)
	return nil
}

// setAside quarantines an instance.
func (x *sifter) setAside(inst *instance, reasons []string, unsound bool) {
	text := reasons[0]
	for _, r := range reasons[1:] {
		text += "; " + r
	}
	if unsound {
		x.out.unsound[inst.ord], x.out.ids[inst.id] = true, true
	}
	f := &model.Failure{Type: model.FailureQuarantined, Message: "damaged and repaired: " + text}
	if before := inst.quarantine; before != nil { // a retry applies what is left of what it holds
		f.Message += "; it was quarantined before: " + before.Message
		f.Properties, f.Stack = before.Properties, before.Stack
	}
	inst.quarantine = f
	x.To.SetMain(instanceKey(nil, x.Config.Partition, inst.ord), appendRow(nil, inst))
	x.out.Instances = append(x.out.Instances, SiftedInstance{Ord: inst.ord, ID: inst.id, Kept: true, Reason: text})
}

// fetch reads an instance and drops elements that cannot be decoded.
func (x *sifter) fetch(ord uint64) (inst *instance, reasons []string, err error) {
	low, high := instanceKey(nil, x.Config.Partition, ord), instanceKey(nil, x.Config.Partition, ord+1)
	err = x.Rows.Scan(true, low, high, func(key, value []byte) bool {
		sub := key[len(low):]
		var bad error
		switch {
		case len(sub) == 0:
			inst, bad = decodeRow(ord, slices.Clone(value))
			if bad == nil && model.PartitionOf(inst.id, x.Config.Partitions) != x.Config.Partition {
				inst, bad = nil, fmt.Errorf("%w: %q is not of this partition", engine.ErrDamaged, inst.id)
			}
		case inst == nil:
			bad = fmt.Errorf("%w: an element without its instance", engine.ErrDamaged)
		case len(sub) != 9:
			bad = fmt.Errorf("%w: element key %x", engine.ErrDamaged, sub)
		default:
			bad = inst.addRow(sub[0], binary.BigEndian.Uint64(sub[1:]), slices.Clone(value))
		}
		if bad != nil {
			reasons = append(reasons, bad.Error())
			x.To.DeleteMain(key)
		}
		return true
	})
	return inst, reasons, err
}

// stub is what index rows and the first history say of an instance.
func (x *sifter) stub(ord uint64, n *naming) *instance {
	inst := &instance{
		ord: ord, hist: ord + 1, id: n.id, name: n.name, status: n.status, created: n.created, updated: n.created,
		nextSeq: startSeq + 1, nextWake: wakeBase, steps: 1,
	}
	switch {
	case inst.ended():
		inst.completed = inst.updated
	case n.status == model.Pending: // it has no history, and may have stood in for one that could not begin
		inst.hist, inst.holds = 0, true
	}
	if model.IsEntity(n.id) {
		inst.entity, inst.status, inst.completed, inst.hist = &entity{}, model.Running, 0, 0
		inst.holds = false
		if e, err := model.ParseEntityID(n.id); err == nil {
			inst.name = e.Name
		}
	}
	return inst
}

// history makes a history dense again: in the place of events that are lost there
// are others that say so, with the same numbers.
func (x *sifter) history(inst *instance, stub bool) (reasons []string, err error) {
	p := x.Config.Partition
	if inst.events == 0 && !stub || inst.hist == 0 {
		return nil, nil
	}
	low, high := historyRange(p, inst.hist)
	next := int64(0)
	lost := int64(0)
	fill := func(to int64) {
		if n := to - next; n > 0 {
			lost += n
			x.fillHistory(inst, next, n)
			next = to
		}
	}
	err = x.Rows.Scan(false, low, high, func(key, value []byte) bool {
		var first int64
		if bad := keyLength(key, 2+8+8); bad == nil {
			first = int64(binary.BigEndian.Uint64(key[2+8:]))
		} else {
			return true
		}
		events, bad := decodeChunk(nil, slices.Clone(value))
		if first < next || !stub && first >= inst.events || bad != nil || stub && first != next || !stub && first+int64(len(events)) > inst.events {
			if bad != nil || stub || first >= next && first < inst.events {
				x.To.DeleteHistoryRange(historyKey(nil, p, inst.hist, first), historyKey(nil, p, inst.hist, first+1))
			}
			return true // unreadable, or of a lost future that was written over
		}
		fill(first)
		if next = first + int64(len(events)); stub {
			inst.tell(events)
			inst.events = next
		}
		return true
	})
	if err != nil {
		return nil, err
	}
	if fill(inst.events); lost > 0 {
		reasons = append(reasons, fmt.Sprintf("%d of %d events of its history were lost", lost, inst.events))
	}
	return reasons, nil
}

// filledAt is how many events are put into one chunk.
const filledAt = 1000

func (x *sifter) fillHistory(inst *instance, from, n int64) {
	ev := model.Event{Kind: model.GenericEvent, ID: model.NoID, Time: inst.created, Name: "netherite.lost"}
	for n > 0 {
		chunk := model.AppendVarint([]byte{chunkVersion}, int64(ev.Time))
		some := min(n, filledAt)
		for range some {
			chunk = model.AppendEvent(chunk, &ev, ev.Time)
		}
		x.To.SetHistory(historyKey(nil, x.Config.Partition, inst.hist, from), chunk)
		from, n = from+some, n-some
	}
}

// tell takes over what events say of an instance whose row is lost.
func (inst *instance) tell(events []model.Event) {
	for i := range events {
		ev := &events[i]
		inst.updated = max(inst.updated, ev.Time)
		switch e := ev.Extra(); ev.Kind {
		case model.ExecutionStarted:
			inst.name, inst.version, inst.input = cmp.Or(inst.name, ev.Name), ev.Version, ev.Payload
			inst.execution, inst.parent, inst.trace, inst.tags = e.Execution, e.Parent, e.Trace, maps.Clone(e.Tags)
		case model.ExecutionCompleted:
			inst.output, inst.failure = ev.Payload, ev.Failure
		}
	}
}
