package partition

import (
	"math/bits"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// tail is the part of an instance's history that is not stored yet, encoded as
// the chunk that the next checkpoint will store: one chunk for each checkpoint
// in which the instance made progress.
type tail struct {
	first int64 // index in the history of the first event in buf
	base  model.Time
	buf   []byte
	// held is a chunk that was captured and is not known to be applied yet.
	held      []byte
	heldFirst int64
}

// tailBytes is the room that a tail begins with: a few steps.
const tailBytes = 256

// chunkVersion begins every history chunk.
const chunkVersion = 1

// record appends an event to the instance's history.
func (s *State) record(inst *instance, ev *model.Event) {
	t := &inst.tail
	if len(t.buf) == 0 {
		if t.buf == nil {
			t.buf = make([]byte, 0, tailBytes)
		}
		t.base = ev.Time
		t.buf = append(t.buf, chunkVersion)
		t.buf = model.AppendVarint(t.buf, int64(t.base))
	}
	before := len(t.buf)
	t.buf = model.AppendEvent(t.buf, ev, t.base)
	inst.bytes += int64(len(t.buf)-before) - timeBytes(ev, t.base)
	inst.events++
}

// timeBytes is how many bytes of an encoded event depend on the base. The size of
// a history leaves them out: it is durable, and where chunks begin is not.
func timeBytes(ev *model.Event, base model.Time) (n int64) {
	if ev.Time != base {
		n += varintBytes(int64(ev.Time - base))
	}
	if ev.FireAt != 0 {
		n += varintBytes(int64(ev.FireAt - base))
	}
	return n
}

func varintBytes(v int64) int64 {
	return int64(bits.Len64(uint64(v)<<1^uint64(v>>63)|1)+6) / 7
}

// whole is the history, encoded, if nothing of it has been stored yet; else nil.
// What is recorded later does not change it.
func (t *tail) whole() []byte {
	if t.first != 0 || t.held != nil {
		return nil
	}
	return t.buf[:len(t.buf):len(t.buf)]
}

// PastOf decodes the past of a hand-out that came with it. An engine that finds
// none asks for HistoryOf.
func PastOf(item *engine.OrchestrationItem) ([]model.Event, error) {
	return decodeChunk(make([]model.Event, 0, item.PastEvents), item.Past)
}

// restart forgets the tail: another history begins.
func (t *tail) restart() { *t = tail{} }

// hold takes the tail out as a chunk to be stored; next is the number of events
// in the history so far.
func (t *tail) hold(next int64) (first int64, chunk []byte) {
	first, chunk = t.first, t.buf
	t.held, t.heldFirst = chunk, first
	t.first, t.buf = next, nil
	return first, chunk
}

// decodeChunk appends a chunk's events.
func decodeChunk(dst []model.Event, chunk []byte) ([]model.Event, error) {
	r := model.NewReader(chunk)
	switch v := r.Byte(); {
	case v > chunkVersion:
		return dst, newerRow("chunk of history", v, chunkVersion)
	case v < 1:
		r.Fail("history chunk version 0")
	}
	base := model.Time(r.Varint())
	for first := true; first && r.Err() == nil || r.Len() > 0; first = false {
		ev, err := model.DecodeEvent(r, base)
		if err == nil && first && ev.Time != base {
			r.Fail("history chunk has another base than its first event's time")
			err = r.Err()
		}
		if err != nil {
			return dst, err
		}
		dst = append(dst, ev)
	}
	return dst, r.Done()
}
