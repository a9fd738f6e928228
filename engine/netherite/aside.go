package netherite

import (
	"errors"
	"fmt"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// What a parked partition needs of the log is saved to a side file of its own,
// so that the log can be trimmed for the others. Four steps, each durable before
// the next: the side file; a note of it in the store, with the partition's stamp
// unchanged; the trim. Recovery reads the stored state, then the side file if
// there is a note, then the log from where the note says. The first checkpoint
// that contains all of it deletes the note; once that is durable the file is removed.
// A file without a note is void: the log still has what is in it. So is one that ends
// at the stored state or before: a partition that parks between a checkpoint and its
// flush leaves such a one, with a note.

// SideStorage is a Storage with a place for side files. Without one the log is
// kept from where on the parked partition needs it.
type SideStorage interface {
	Storage
	// OpenSideFiles is called once per incarnation.
	OpenSideFiles() (substrate.SideFiles, error)
}

// sideRetry lies between two attempts to save what cannot be saved.
const sideRetry = 5 * time.Second

// sideNote says, in the store, what is in a partition's side file.
type sideNote struct {
	covered substrate.Offset // the log is needed from here on only
	last    substrate.Offset // end of the last chunk
}

const noteVersion = 1

func (s *sideNote) encode() []byte {
	b := model.AppendUvarint([]byte{noteVersion}, uint64(s.covered))
	return model.AppendUvarint(b, uint64(s.last))
}

// readNote returns the note of a partition, nil if there is none.
func readNote(store substrate.Reader, id int) (*sideNote, error) {
	row, err := store.Get(substrate.Main, partition.ParkedKey(id))
	if err != nil || row == nil {
		return nil, err
	}
	note, err := decodeNote(row)
	if err != nil {
		return nil, fmt.Errorf("partition %d: note of the side file: %w", id, err)
	}
	return note, nil
}

func decodeNote(row []byte) (*sideNote, error) {
	r := model.NewReader(row)
	switch v := r.Byte(); {
	case v > noteVersion:
		return nil, fmt.Errorf("%w: it has version %d, this program reads up to %d", engine.ErrNewerFormat, v, noteVersion)
	case v < 1:
		r.Fail("version 0")
	}
	n := &sideNote{covered: substrate.Offset(r.Uvarint()), last: substrate.Offset(r.Uvarint())}
	if err := r.Done(); err != nil {
		return nil, fmt.Errorf("%w: %w", engine.ErrDamaged, err)
	}
	return n, nil
}

// aside is how far a partition's part of the log is saved.
type aside struct {
	unknown bool          // there may be a note, or a stored state, that is not to be had: the log is kept
	state   asideState    // of a parked partition
	retry   time.Duration // not tried again before
}

// asideState is how far what a parked partition needs of the log is saved.
type asideState uint8

const (
	asideMissing asideState = iota
	asideSaved              // but the note of it is not flushed
	asideDurable            // nothing of it is needed in the log any more
)

// neededFrom is where in the log begins what the partition would have to replay.
func (p *progress) neededFrom() substrate.Offset {
	from := p.flushed.Offset
	if note := p.note.Load(); note != nil {
		from = max(from, note.covered)
	}
	return from
}

// setAside saves what parked partitions need. It reports whether something is
// left to be tried again.
func (k *keeper) setAside(now time.Duration) (more bool) {
	n := k.n
	if n.side == nil || k.stuck != nil {
		return false // without a note that is durable the log is needed, and has it
	}
	for id := range k.parts {
		p, h := &k.parts[id], n.hosts[id]
		if h.parked.Load() == nil || p.aside.state != asideMissing || p.aside.unknown {
			continue
		}
		more = true
		if !n.commit.isDurable(substrate.Offset(h.appended.Load())) {
			n.commit.flush() // it appends nothing more
			continue
		}
		if now < p.aside.retry {
			continue
		}
		var err error
		if !n.keeping.unless(func() { err = k.saveAside(id) }) {
			continue // a copy has the note of the file that is there, and the log stays
		}
		if err != nil {
			p.aside.retry = now + sideRetry
			n.log.Warn("the log is kept: what a parked partition needs of it could not be saved", "partition", id, "error", err)
			continue
		}
		p.aside.state = asideSaved
	}
	return more
}

// saveAside writes the side file of a parked partition, and a note of it to the
// store. The log may go when that is flushed.
func (k *keeper) saveAside(id int) error {
	n, p := k.n, &k.parts[id]
	from, covered := max(p.neededFrom(), n.wal.Begin()), substrate.Offset(n.commit.durable.Load())
	found := false
	err := k.chunksOf(id, from, covered, func(substrate.Offset, []byte) error {
		found = true
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	stamp, err := n.store.Stamp(id)
	if err != nil {
		return err
	}
	if !found && (p.note.Load() != nil || stamp != (substrate.Stamp{})) {
		return nil // nothing that store and side file do not have
	}
	// Without any record and stored state, a note tells it from one that lost them.
	note := &sideNote{covered: covered}
	err = n.side.Put(id, func(add func(substrate.Offset, []byte) error) error {
		keep := func(end substrate.Offset, chunk []byte) error {
			if end <= p.flushed.Offset || end <= note.last {
				return nil
			}
			note.last = end
			return add(end, chunk)
		}
		if old := p.note.Load(); old != nil && old.last > p.flushed.Offset {
			mark.Hit(mark.SideFileGrown)
			if err := n.side.Read(id, keep); err != nil {
				return err
			}
		}
		return k.chunksOf(id, from, covered, keep)
	})
	if err != nil {
		return err
	}
	if err := n.mayKeep(); err != nil {
		return err
	}
	b := n.store.NewBatch()
	b.Set(substrate.Main, partition.ParkedKey(id), note.encode())
	if err := n.store.Apply(b, id, stamp); err != nil {
		return err
	}
	p.note.Store(note)
	p.noteless = false
	mark.Hit(mark.RecordsSetAside)
	n.log.Info("saved what a parked partition needs of the log", "partition", id, "from", from, "to", covered)
	return nil
}

// chunksOf calls f for each chunk of a partition in a part of the log, with
// where it ends.
func (k *keeper) chunksOf(id int, from, to substrate.Offset, f func(end substrate.Offset, chunk []byte) error) error {
	err := k.n.wal.Replay(from, func(at substrate.Offset, group []byte) error {
		if at >= to {
			return errReached
		}
		r := model.NewReader(group)
		for r.Len() > 0 {
			began := r.Offset()
			c, err := partition.ReadChunk(r)
			if err != nil {
				return fmt.Errorf("group at log position %d: %w", at, err)
			}
			if end := at + substrate.Offset(r.Offset()); c.Partition == id && end > from {
				if err := f(end, group[began:r.Offset()]); err != nil {
					return err
				}
			}
		}
		return r.Err()
	})
	if errors.Is(err, errReached) {
		return nil
	}
	return err
}

var errReached = errors.New("the end of the part is reached")

// asideFlushed takes in that the notes of side files are durable.
func (k *keeper) asideFlushed() {
	for id := range k.parts {
		p := &k.parts[id]
		if p.aside.state == asideSaved {
			p.aside.state = asideDurable
		}
		if !p.noteless || k.n.hosts[id].parked.Load() != nil {
			continue
		}
		// The checkpoint that contains all of the side file has deleted its note.
		k.n.keeping.unless(func() {
			p.note.Store(nil)
			p.noteless = false
			mark.Hit(mark.SideFileOutlived)
			if err := k.n.side.Remove(id); err != nil {
				k.n.log.Warn("a side file that nobody needs could not be removed; the next opening tries again", "partition", id, "error", err)
			}
		})
	}
}

// asideUnflushed reports whether a trim waits for a flush.
func (k *keeper) asideUnflushed() bool {
	for id := range k.parts {
		if k.parts[id].aside.state == asideSaved && k.stuck == nil {
			return true
		}
	}
	return false
}

// restoreAside finds out whether a side file belongs to the partition.
func (h *host) restoreAside(stamp substrate.Stamp) error {
	n, p := h.n, &h.n.keeper.parts[h.id]
	p.aside.unknown = true
	note, err := readNote(n.store, h.id)
	if err != nil {
		return err
	}
	p.aside.unknown = false
	p.note.Store(note)
	switch {
	case note == nil && stamp == (substrate.Stamp{}) && n.wal.Begin() > 0: // its stored state is missing, and the note may be as well
	case note == nil && n.side != nil:
		if err := n.side.Remove(h.id); err != nil {
			h.log.Warn("a side file that nobody needs could not be removed", "error", err)
		}
	case note != nil && n.side == nil:
		return fmt.Errorf("%w: partition %d has a side file, and this storage has none", engine.ErrDamaged, h.id)
	case note != nil && note.covered < stamp.Offset:
		return h.beyondEnd(stamp.Offset, note.covered)
	}
	return nil
}

// beyondEnd is the damage of a stored state that the log does not lead to. All
// that the log has of the partition is kept.
func (h *host) beyondEnd(stamp, end substrate.Offset) error {
	p := &h.n.keeper.parts[h.id]
	p.applied.Offset, p.flushed.Offset = 0, 0
	h.appended.Store(0)
	return fmt.Errorf("%w: the stored state of partition %d is of log position %d, but the log ended at %d", engine.ErrDamaged, h.id, stamp, end)
}

// replaySide steps through the records of the partition's side file, if it has one.
func (h *host) replaySide() error {
	note := h.n.keeper.parts[h.id].note.Load()
	if note == nil || note.last <= h.tail || planted.SideFileIgnored {
		return nil
	}
	last := substrate.Offset(0)
	err := h.n.side.Read(h.id, func(end substrate.Offset, chunk []byte) error {
		last = end
		if end <= h.tail {
			return nil
		}
		c, err := partition.ReadChunk(model.NewReader(chunk))
		if err != nil {
			return err
		}
		return h.replayChunk(&logged{c, end})
	})
	switch {
	case errors.Is(err, substrate.ErrNoSideFile):
		return fmt.Errorf("%w: partition %d: its records up to log position %d are missing: %w", engine.ErrDamaged, h.id, note.covered, err)
	case err == nil && last < note.last:
		return fmt.Errorf("%w: partition %d: its side file ends at log position %d, not at %d", engine.ErrDamaged, h.id, last, note.last)
	}
	return err
}
