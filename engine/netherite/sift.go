package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
)

// Sifted is what became of the rows of a partition of which some were lost.
type Sifted = partition.Sifted

// siftedBytes is the size of one batch of changes.
const siftedBytes = 1 << 20

// Sift makes the rows of a partition of which some are lost into ones that
// belong together. The stamp is that of the rows; zero if it is lost. Lost reports
// whether rows of a range may be lost; guessed, that they may be anywhere.
func Sift(store substrate.Store, id, partitions int, stamp substrate.Stamp, guessed bool, lost func(space substrate.Space, low, high []byte) bool) (*Sifted, error) {
	s := store.Snapshot()
	w := &batches{store: store, partition: id, stamp: stamp, b: store.NewBatch()}
	out, err := partition.Sifting{
		Rows: reader{s}, To: w, Config: partition.Config{Partition: id, Partitions: partitions},
		Lost:    func(main bool, low, high []byte) bool { return lost(space(main), low, high) },
		Guessed: guessed,
		Last:    engine.Name{Epoch: stamp.Epoch, Number: stamp.Record},
	}.Run()
	if err = errors.Join(err, w.err, s.Close()); err == nil {
		err = w.apply()
	}
	return out, err
}

// Stamp makes the stored state of a partition one of another stamp.
func Stamp(store substrate.Store, id int, stamp substrate.Stamp) error {
	return store.Apply(store.NewBatch(), id, stamp)
}

// batches applies changes when there are enough of them.
type batches struct {
	store     substrate.Store
	partition int
	stamp     substrate.Stamp
	b         substrate.Batch
	err       error
}

func (w *batches) apply() error {
	if err := w.store.Apply(w.b, w.partition, w.stamp); err != nil {
		return fmt.Errorf("write sifted rows: %w", err)
	}
	w.b = w.store.NewBatch()
	return nil
}

func (w *batches) grown() {
	if w.b.Size() > siftedBytes && w.err == nil {
		w.err = w.apply()
	}
}

func (w *batches) SetMain(key, value []byte)    { writer{w.b}.SetMain(key, value); w.grown() }
func (w *batches) SetHistory(key, value []byte) { writer{w.b}.SetHistory(key, value); w.grown() }
func (w *batches) DeleteMain(key []byte)        { writer{w.b}.DeleteMain(key) }
func (w *batches) DeleteMainRange(low, high []byte) {
	writer{w.b}.DeleteMainRange(low, high)
}
func (w *batches) DeleteHistoryRange(low, high []byte) {
	writer{w.b}.DeleteHistoryRange(low, high)
	w.grown()
}

// guard keeps records from being replayed upon an instance whose rows were not
// all there: what they would do differs from what they did, as to the messages
// that leave and the ordinals that are given out.
func (s *salvager) guard(h *host) func([]partition.Key) error {
	sifted := s.src.Sifted[h.id]
	if sifted == nil {
		return nil
	}
	return func(keys []partition.Key) error {
		for _, k := range keys {
			switch {
			case sifted.Unsound(k):
				return fmt.Errorf("%w: a record is about the instance %q (%d), of which rows were lost", engine.ErrDamaged, k.ID, k.Ord)
			case sifted.Unnamed && !h.state.Known(k):
				return fmt.Errorf("%w: a record is about the instance %q (%d), which may be one of those that were lost", engine.ErrDamaged, k.ID, k.Ord)
			}
		}
		return nil
	}
}

// receivedBefore is how far a partition that has lost its counters had received
// what another one sent. It is known if the log has what came next; else all that
// the other one retains is sent again.
func (s *salvager) receivedBefore(a, b *host) (through uint64, known bool) {
	for seq := range s.seen[[2]int{a.id, b.id}] { // order-free: a minimum
		if !known || seq-1 < through {
			through, known = seq-1, true
		}
	}
	if first, _ := a.state.OutboxRange(b.id); !known {
		through = first - 1
	}
	return through, known
}

// blanks names the messages from a to b that were lost before b had them: others
// to nobody have their numbers.
func (s *salvager) blanks(done []Mend, a, b *host) []Mend {
	sifted := s.src.Sifted[a.id]
	if sifted == nil {
		return done
	}
	first, _ := a.state.OutboxRange(b.id)
	for _, m := range sifted.Messages {
		if m.Dest == b.id && m.Seq >= first && m.Seq > b.state.Seen(a.id) {
			done = append(done, Mend{From: a.id, To: b.id, First: m.Seq, Last: m.Seq, Kind: "lost"})
		}
	}
	return done
}
