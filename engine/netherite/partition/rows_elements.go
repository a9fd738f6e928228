package partition

import (
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// The rows of what belongs to an instance. Times are relative to the instance's
// creation.

// appendEntry appends an inbox or backlog row; base is the instance's creation.
func appendEntry(b []byte, e *entry, base model.Time) []byte {
	b = append(b, rowVersion1)
	b = model.AppendBool(b, e.backlog)
	b = model.AppendString(b, e.from)
	return model.AppendEvent(b, &e.event, base)
}

func decodeEntry(row []byte, base model.Time) (e entry, err error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return e, err
	}
	e.backlog, e.from = r.Bool(), r.String()
	e.event, _ = model.DecodeEvent(r, base)
	return e, r.Done()
}

// appendHeld appends the row of what an instance holds that is set aside.
func appendHeld(b []byte, h *heldMessage, base model.Time) []byte {
	b = append(b, rowVersion)
	b = append(b, h.to[:]...)
	b = model.AppendString(b, h.from)
	return model.AppendEvent(b, &h.event, base)
}

func decodeHeld(row []byte, base model.Time) (h heldMessage, err error) {
	r, err := rowReader(row, rowVersion)
	if err != nil {
		return h, err
	}
	h.to, h.from = r.Fixed16(), r.String()
	h.event, _ = model.DecodeEvent(r, base)
	return h, r.Done()
}

func appendTask(b []byte, t *task, base model.Time) []byte {
	b = append(b, rowVersion1)
	b = model.AppendUvarint(b, t.name.Epoch)
	b = model.AppendUvarint(b, t.name.Number)
	b = model.AppendBool(b, t.dropped)
	return model.AppendEvent(b, t.event, base)
}

func decodeTask(row []byte, base model.Time) (*task, error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return nil, err
	}
	t := &task{name: engine.Name{Epoch: r.Uvarint(), Number: r.Uvarint()}, dropped: r.Bool()}
	ev, _ := model.DecodeEvent(r, base)
	t.event = &ev
	return t, r.Done()
}

func appendWake(b []byte, t *timer, base model.Time) []byte {
	b = append(b, rowVersion1)
	b = model.AppendVarint(b, int64(t.fireAt-base))
	if t.msg == nil {
		b = model.AppendString(model.AppendBool(b, false), t.name)
		return model.AppendUvarint(b, uint64(t.attempt))
	}
	b = model.AppendBool(b, true)
	b = model.AppendUvarint(b, t.msg.seq)
	b = model.AppendString(b, t.msg.from)
	return model.AppendEvent(b, &t.msg.event, base)
}

func decodeWake(id int32, row []byte, base model.Time) (*timer, error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return nil, err
	}
	t := &timer{id: id, fireAt: base + model.Time(r.Varint())}
	if r.Bool() {
		t.msg = &entry{seq: r.Uvarint(), from: r.String()}
		t.msg.event, _ = model.DecodeEvent(r, base)
	} else {
		t.name = r.String()
		attempt := readInt(r)
		if t.attempt = int32(attempt); int64(t.attempt) != attempt {
			r.Fail("attempt beyond 32 bits")
		}
	}
	return t, r.Done()
}

func appendChild(b []byte, c *child) []byte {
	b = append(b, rowVersion1)
	b = model.AppendString(b, c.instance)
	b = model.AppendString(b, c.name)
	return model.AppendBool(b, c.done)
}

func decodeChild(id int32, row []byte) (*child, error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return nil, err
	}
	c := &child{id: id, instance: r.String(), name: r.String(), done: r.Bool()}
	return c, r.Done()
}

// elementNumber reads the end of an element's key. IDs of tasks, timers and
// children have 32 bits.
func elementNumber(sub byte, number uint64) (id int32, err error) {
	if sub != subInbox && sub != subHeld && number != uint64(uint32(number)) {
		return 0, fmt.Errorf("%w: element %q has the number %d", engine.ErrDamaged, sub, number)
	}
	return int32(uint32(number)), nil
}
