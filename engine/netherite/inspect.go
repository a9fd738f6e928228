package netherite

import (
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
)

// Run is a run of log records of one partition, as ReadGroup finds it.
type Run struct {
	Partition int
	First     engine.Name
	Records   int
	End       substrate.Offset
}

// ReadGroup decodes all records of a log group, for inspection.
func ReadGroup(at substrate.Offset, group []byte, f func(Run)) error {
	return eachChunk(at, group, func(l logged) error {
		run := Run{Partition: l.chunk.Partition, First: l.chunk.First, End: l.end}
		for {
			_, ok, err := l.chunk.Next()
			if err != nil {
				return fmt.Errorf("%w: %w", engine.ErrDamaged, err)
			}
			if !ok {
				break
			}
			run.Records++
		}
		f(run)
		return nil
	})
}

// CheckPartition reads all that the store has of a partition and calls bad for
// each thing that is not as the engine writes it. The error says that it could
// not go on.
func CheckPartition(store substrate.Reader, id, partitions int, bad func(error)) error {
	return partition.Check(reader{store}, partition.Config{Partition: id, Partitions: partitions}, bad)
}

// StoredPartitions finds out from the rows of a store how many partitions the hub
// has; 0 if no row tells.
func StoredPartitions(store substrate.Reader) (int, error) {
	for id := range MaxPartitions {
		n, err := partition.StoredPartitions(reader{store}, id)
		if n > 0 || err != nil {
			return n, err
		}
	}
	return 0, nil
}

// SideNote is what the store says about a partition's side file.
type SideNote struct {
	Covered substrate.Offset // the log is needed from here on only
	Last    substrate.Offset // where the file's last chunk ended in the log; 0 if it is empty
}

// ReadSideNote returns the note of a partition; nil if it has no side file.
func ReadSideNote(store substrate.Reader, id int) (*SideNote, error) {
	n, err := readNote(store, id)
	if n == nil || err != nil {
		return nil, err
	}
	return &SideNote{n.covered, n.last}, nil
}

// Sequence checks that the runs of each partition continue each other, as
// replay would. It starts from the stamps of the stored states.
type Sequence struct {
	last   []engine.Name
	stamps []substrate.Stamp
}

// NewSequence returns a sequence that begins after the stamps.
func NewSequence(stamps []substrate.Stamp) *Sequence {
	s := &Sequence{stamps: stamps, last: make([]engine.Name, len(stamps))}
	for i, st := range stamps {
		s.last[i] = engine.Name{Epoch: st.Epoch, Number: st.Record}
	}
	return s
}

// Add takes the next run of the log. pending says whether replay would need it.
func (s *Sequence) Add(r Run) (pending bool, err error) {
	if r.Partition < 0 || r.Partition >= len(s.last) {
		return false, fmt.Errorf("%w: records of partition %d of %d", engine.ErrDamaged, r.Partition, len(s.last))
	}
	if r.End <= s.stamps[r.Partition].Offset {
		return false, nil
	}
	err = follows(r.Partition, s.last[r.Partition], r.First)
	s.last[r.Partition] = engine.Name{Epoch: r.First.Epoch, Number: r.First.Number + uint64(r.Records) - 1}
	return true, err
}

// follows checks that a run of records continues what was replayed: records are
// dense within an epoch, and epochs are dense, as each begins with a record.
func follows(partition int, last, first engine.Name) error {
	next := engine.Name{Epoch: last.Epoch, Number: last.Number + 1}
	if first == next || first == (engine.Name{Epoch: last.Epoch + 1, Number: 1}) {
		return nil
	}
	return fmt.Errorf("%w: partition %d: record %d of epoch %d follows record %d of epoch %d: those in between are missing",
		engine.ErrDamaged, partition, first.Number, first.Epoch, last.Number, last.Epoch)
}

var errEnough = errors.New("enough")
