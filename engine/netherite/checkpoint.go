package netherite

import (
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// captureSlice is how many instances are encoded between two batches, so that a
// checkpoint does not hold up the partition.
const captureSlice = 64

// upkeep is a partition's part in checkpoints and in the memory limit.
type upkeep struct {
	capture   *capture
	published int64 // bytes as last added to the node's total
	replayed  int64 // records since the last eviction during replay
	scan      scan
}

// capture is a checkpoint of one partition on its way to the store: captured at
// the end of the log as it was then, held until that is durable, then applied.
type capture struct {
	h        *host
	batch    substrate.Batch // nil: nothing had changed
	stamp    substrate.Stamp
	records  int64 // appended to the log by all partitions when it began
	bytes    int64 // of the batch, once it is encoded
	encoded  bool
	noteless bool // it deletes the note of the side file

	mu        sync.Mutex
	cancelled bool
}

// release passes the capture, which is durable in the log, on to the store.
func (c *capture) release() { c.h.n.keeper.ready <- c }

// beginCapture freezes the partition's state between two inputs.
func (h *host) beginCapture() {
	if h.upkeep.capture != nil || h.rebuild != nil {
		return
	}
	h.n.keeper.parts[h.id].wanted.Store(false)
	for _, in := range h.ackEvents(nil, true) {
		mark.Hit(mark.AcksLoggedAtCheckpoint)
		h.event(in.ev)
	}
	h.cut()
	c := &capture{h: h, records: h.n.commit.records.Load()}
	c.stamp = substrate.Stamp{Offset: h.tail, Epoch: h.name.Epoch, Record: h.name.Number}
	batch := h.n.store.NewBatch()
	if h.n.keeper.parts[h.id].note.Load() != nil {
		// What the side file has is in this checkpoint.
		batch.Delete(substrate.Main, partition.ParkedKey(h.id))
		c.batch, c.noteless = batch, true
	}
	if h.state.BeginCapture(writer{batch}) {
		c.batch = batch
	} else {
		c.encoded = true
	}
	h.upkeep.capture = c
	if c.encoded {
		h.passOn(c)
	}
}

// goOn encodes another slice of the capture in progress.
func (h *host) goOn() {
	c := h.upkeep.capture
	if c == nil || c.encoded {
		return
	}
	if c.encoded = h.state.CaptureSome(captureSlice); !c.encoded {
		h.poke()
		return
	}
	h.passOn(c)
}

func (h *host) passOn(c *capture) {
	if c.batch != nil {
		c.bytes = int64(c.batch.Size())
		h.n.captured.Add(c.bytes)
	}
	if planted.CheckpointAhead || !h.n.commit.hold(c.stamp.Offset, c) {
		c.release()
	}
}

// cancel gives up a capture: what it holds is of a state that is dropped. If it
// is being applied, that is awaited: it is valid, as its position is durable.
func (u *upkeep) cancel() {
	c := u.capture
	if c == nil {
		return
	}
	c.mu.Lock()
	c.cancelled = true
	c.mu.Unlock()
	if !c.encoded {
		c.release() // so that the keeper does not wait for it
	}
	u.capture = nil
}

// apply writes the capture to the store. It reports whether it did.
func (c *capture) apply(s substrate.Store) (bool, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.cancelled {
		return false, nil
	}
	if c.batch == nil {
		c.batch = s.NewBatch() // only the stamp moves
	}
	return true, s.Apply(c.batch, c.h.id, c.stamp)
}

// applied tells the partition that what it captured can be read from the store.
func (c *capture) applied() {
	c.h.do(func(h *host) {
		if h.upkeep.capture == c {
			h.upkeep.capture = nil
			h.state.CaptureApplied()
			h.shelve()
		}
	})
}

// shelve leaves to the store what waits for parked partitions: the memory it
// takes does not grow with the time that they are.
func (h *host) shelve() {
	for i := range h.peers {
		if h.peers[i].gone && h.replica == nil {
			h.state.Shelve(i)
		}
	}
}

// keepUp does what is due between two batches.
func (h *host) keepUp() {
	h.goOn()
	h.resumeMore()
	h.account()
	h.setAlarm()
}

// progress is the keeper's view of one partition.
type progress struct {
	wanted    atomic.Bool // for its memory
	capturing bool
	applied   substrate.Stamp
	flushed   substrate.Stamp
	// Records appended to the log when the applied and the flushed checkpoint began.
	appliedRecords, flushedRecords int64

	note     atomic.Pointer[sideNote] // of the partition's side file; nil if there is none
	noteless bool                     // the note is deleted by what was applied, which may not be flushed
	aside    aside
}

var _ partition.Writer = writer{}
