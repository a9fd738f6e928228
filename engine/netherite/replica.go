package netherite

import (
	"bytes"
	"fmt"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// wholeEvery is how many records lie between two comparisons of the whole state.
const wholeEvery = 256

// replica checks that replay is exact: a second state that goes through the
// same records as recovery would, decoded from their bytes. After each the
// instances that it touched must have the same durable encoding in both, and
// now and then everything must. A difference panics.
type replica struct {
	state *partition.State
	fx    partition.Effects
	keys  []partition.Key
	count int

	batches int
}

func newReplica(s *partition.State) (*replica, error) {
	c, err := s.Clone()
	if err != nil {
		return nil, fmt.Errorf("replay check: clone state: %w", err)
	}
	r := &replica{state: c}
	if err := r.compareAll(s); err != nil {
		return nil, err
	}
	return r, nil
}

// load installs copies of what the state has just loaded.
func (r *replica) load(s *partition.State, keys []partition.Key) error {
	for _, k := range r.state.Missing(nil, keys) {
		l, err := s.CloneInstance(k)
		if err != nil {
			return fmt.Errorf("replay check: copy %v: %w", k, err)
		}
		r.state.Install(l)
	}
	return nil
}

// step applies a record's bytes and compares.
func (r *replica) step(h *host, in partition.Input, record []byte) error {
	chunk := partition.AppendChunk(nil, partition.ChunkHeader{Partition: h.id, First: in.Name, Time: in.Time}, record)
	c, err := partition.ReadChunk(model.NewReader(chunk))
	if err != nil {
		return fmt.Errorf("replay check: %w", err)
	}
	again, ok, err := c.Next()
	if err != nil || !ok {
		return fmt.Errorf("replay check: record of %T cannot be read back: %w", in.Event, err)
	}
	if _, more, err := c.Next(); more || err != nil {
		return fmt.Errorf("replay check: record of %T has a rest: %w", in.Event, err)
	}
	r.keys = again.Event.Keys(r.keys[:0])
	r.state.Step(again, &r.fx)
	for {
		keys, more := r.state.FollowUp(nil)
		if !more {
			break
		}
		r.keys = append(r.keys, keys...)
		r.state.Continue(&r.fx)
	}
	r.fx.Reset()
	for _, k := range r.keys {
		if live, again := h.state.EncodeInstance(k), r.state.EncodeInstance(k); !bytes.Equal(live, again) {
			return fmt.Errorf("replay check: after %T %v, instance %v differs:\nlive   %x\nreplay %x", in.Event, in.Name, k, live, again)
		}
	}
	if r.count++; r.count%wholeEvery == 0 {
		return r.compareAll(h.state)
	}
	return nil
}

// compareAll compares everything that is in memory.
func (r *replica) compareAll(s *partition.State) error {
	if live, again := s.EncodeDurable(), r.state.EncodeDurable(); !bytes.Equal(live, again) {
		return fmt.Errorf("replay check: after record %v the state as a whole differs:\nlive   %x\nreplay %x", s.Last(), live, again)
	}
	return nil
}

// check panics, now and then, if an input that is not logged has changed the
// durable part.
func (r *replica) check(h *host) {
	if r.batches++; r.batches%wholeEvery != 0 {
		return
	}
	if err := r.compareAll(h.state); err != nil {
		panic(replayDifference{err})
	}
}

// replayDifference is a bug in the core that no quarantine may cover up.
type replayDifference struct{ err error }

// Error says what differs.
func (d replayDifference) Error() string { return d.err.Error() }
