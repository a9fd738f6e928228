package netherite

import (
	"bytes"
	"fmt"

	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
)

// wholeEvery is how many records, or batches, lie between two comparisons of the
// whole state, sharedEvery how many batches between two of what belongs to no
// instance. An instance that takes more than restBytes is left out after some of the
// records that touch it: a long inbox would take the longer, and grow meanwhile.
const (
	wholeEvery  = 256
	sharedEvery = 8
	restBytes   = 8 << 10
)

// replica checks that replay is exact, and that what was stored is what was there: a
// second state that goes through the same records as recovery would, decoded from
// their bytes, and that keeps all instances, whatever the first one evicts. After each
// record the instances that it touched must have the same durable encoding in both, an
// instance that is loaded again as well, and now and then, and when the partition
// stops, everything that both have. A difference panics.
type replica struct {
	state *partition.State
	fx    partition.Effects
	keys  []partition.Key
	rest  map[partition.Key]int // how many more records leave a large instance out
	count int
	// behind: the state has begun to apply a record that the replica has not seen.
	behind bool

	batches      int
	live, replay []byte // used again
}

func newReplica(s *partition.State) (*replica, error) {
	c, err := s.Clone()
	if err != nil {
		return nil, fmt.Errorf("replay check: clone state: %w", err)
	}
	r := &replica{state: c, rest: map[partition.Key]int{}}
	if err := r.compareAll(s); err != nil {
		return nil, err
	}
	return r, nil
}

// load installs copies of what the state has and the replica does not.
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

// loaded compares what the state has just read from the store. An instance that the
// record in progress has deleted is there until that is replayed.
func (r *replica) loaded(s *partition.State, keys []partition.Key) {
	for _, k := range keys {
		live, again := s.EncodeInstance(k), r.state.EncodeInstance(k)
		if live != nil && again != nil && !bytes.Equal(live, again) {
			panic(replayDifference{fmt.Errorf("replay check: instance %v is stored as something else:\nlive   %x\nreplay %x", k, live, again)})
		}
	}
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
	r.behind = false
	for _, k := range r.keys {
		if r.rests(k) {
			continue
		}
		live, again := h.state.EncodeInstance(k), r.state.EncodeInstance(k)
		if !bytes.Equal(live, again) {
			return fmt.Errorf("replay check: after %T %v, instance %v differs:\nlive   %x\nreplay %x", in.Event, in.Name, k, live, again)
		}
		if n := len(live) / restBytes; n > 0 {
			r.rest[k] = n
		}
	}
	if r.count++; r.count%wholeEvery == 0 {
		return r.compareAll(h.state)
	}
	return nil
}

// rests reports whether an instance is left out after this record.
func (r *replica) rests(k partition.Key) bool {
	n := r.rest[k]
	if n > 1 {
		r.rest[k] = n - 1
	} else {
		delete(r.rest, k)
	}
	return n > 0
}

// compareAll compares everything that the state has in memory.
func (r *replica) compareAll(s *partition.State) error {
	if err := r.compareShared(s); err != nil {
		return err
	}
	for _, k := range s.Instances() {
		if live, again := s.EncodeInstance(k), r.state.EncodeInstance(k); !bytes.Equal(live, again) {
			return fmt.Errorf("replay check: after record %v instance %v differs:\nlive   %x\nreplay %x", s.Last(), k, live, again)
		}
	}
	return nil
}

// check panics if an input of the batch that is not logged has changed the durable
// part: now and then, and more often what belongs to no instance.
func (r *replica) check(h *host) {
	r.batches++
	var err error
	switch {
	case r.batches%wholeEvery == 0:
		err = r.compareAll(h.state)
	case r.batches%sharedEvery == 0:
		err = r.compareShared(h.state)
	}
	if err != nil {
		panic(replayDifference{err})
	}
}

// compareShared compares what belongs to no instance.
func (r *replica) compareShared(s *partition.State) error {
	r.live, r.replay = s.EncodeShared(r.live[:0]), r.state.EncodeShared(r.replay[:0])
	if !bytes.Equal(r.live, r.replay) {
		return fmt.Errorf("replay check: after record %v what is shared differs:\nlive   %x\nreplay %x", s.Last(), r.live, r.replay)
	}
	return nil
}

// checkAtEnd panics if the whole state differs when the partition stops. One that
// has parked, waits to be rebuilt, or could not load what a record needs has nothing
// that could be compared.
func (h *host) checkAtEnd() {
	if h.replica == nil || h.replica.behind || h.parked.Load() != nil || h.rebuild != nil {
		return
	}
	if err := h.replica.compareAll(h.state); err != nil {
		panic(replayDifference{err})
	}
}

// replayDifference is a bug in the core that no quarantine may cover up.
type replayDifference struct{ err error }

// Error says what differs.
func (d replayDifference) Error() string { return d.err.Error() }
