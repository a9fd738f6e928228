package netherite

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/substrate"
)

// A full disk fails nothing. The committer keeps the group that does not fit and
// writes it again and again; so does the keeper with what the store does not
// take. Until that succeeds, clients' requests that would have to be written are
// refused at once, with the substrate's error, which names the directory. What
// was accepted before waits.

// shortage is the last refusal of a substrate for lack of space; none while it
// has space.
type shortage struct{ refusal atomic.Pointer[error] }

// note takes in the outcome of a write.
func (s *shortage) note(err error) {
	if err == nil {
		if s.refusal.Load() != nil { // seldom: a load is cheaper than a store
			s.refusal.Store(nil)
		}
		return
	}
	if errors.Is(err, substrate.ErrDiskFull) {
		err = storageError(err)
		s.refusal.Store(&err)
	}
}

// is reports whether there is no space.
func (s *shortage) is() bool { return s.refusal.Load() != nil }

// err is why, nil if there is space.
func (s *shortage) err() error {
	if p := s.refusal.Load(); p != nil {
		return *p
	}
	return nil
}

// short says why a kind of request cannot be written to the disk. When the log
// is only low on space, what may end work under way is still taken. When the
// store is full, the log soon will be, too; a purge makes room in both.
func (n *node) short(k intakeKind) error {
	if err := n.commit.full.err(); err != nil {
		mark.Hit(mark.LogFull)
		return err
	}
	if err := n.keeper.full.err(); err != nil && k != purgeIntake {
		mark.Hit(mark.StoreFull)
		return err
	}
	if k == startIntake && n.wal.LowOnSpace() {
		mark.Hit(mark.LowOnSpace)
		return fmt.Errorf("%w: no new instances until the disk of the commit log%s has more space", engine.ErrDiskFull, n.place())
	}
	return nil
}

// place names the hub's directory in messages.
func (n *node) place() string {
	if n.params.Place == "" {
		return ""
	}
	return " in " + n.params.Place
}

// full is the lack of space that holds up the node, if any.
func (n *node) full() error { return errors.Join(n.commit.full.err(), n.keeper.full.err()) }

// Health says what keeps the hub from serving everything: nil if nothing does.
// It wraps engine.ErrDiskFull while a disk is full, engine.ErrUnavailable for
// each partition that is parked, and while there is no node the reason.
func (e *Engine) Health() error {
	if e.closing.Load() {
		return engine.ErrClosed
	}
	e.mu.Lock()
	n, reason := e.current, e.reason
	e.mu.Unlock()
	if n == nil {
		return fmt.Errorf("%w: the hub recovers: %w", engine.ErrUnavailable, reason)
	}
	errs := []error{n.full()}
	for _, h := range n.hosts {
		if p := h.parked.Load(); p != nil {
			errs = append(errs, p.err)
		}
	}
	return errors.Join(errs...)
}

// marks remembers where in the log the partition's last records end, so that a
// read on a full disk can be answered if what it read is durable. Of older ones
// only the newest durable one is kept.
type marks struct {
	ring [32]recordEnd
	next int
	safe engine.Name // records up to this one are durable
}

type recordEnd struct {
	end  substrate.Offset
	name engine.Name
}

// add notes that the record of that name ends there; durable is how far the log is.
func (m *marks) add(end substrate.Offset, name engine.Name, durable substrate.Offset) {
	slot := &m.ring[m.next%len(m.ring)]
	if slot.end > 0 && slot.end <= durable {
		m.safe = slot.name
	}
	*slot = recordEnd{end, name}
	m.next++
}

// durable is the last record known to be durable.
func (m *marks) durable(at substrate.Offset) engine.Name {
	name := m.safe
	for i := range m.ring {
		if k := &m.ring[i]; k.end > 0 && k.end <= at && newer(k.name, name) {
			name = k.name
		}
	}
	return name
}

// newer reports whether record a comes after record b.
func newer(a, b engine.Name) bool {
	return a.Epoch > b.Epoch || a.Epoch == b.Epoch && a.Number > b.Number
}

// answeredOnFullDisk answers a read while what the partition has appended cannot
// be made durable. What it read may go if it has not changed since the last
// record that is. Else patient ones wait, and others are told why not.
func (h *host) answeredOnFullDisk(c *call) {
	mark.Hit(mark.ReadOnFullDisk)
	at := substrate.Offset(h.n.commit.durable.Load())
	switch {
	case h.batch.count == 0 && h.tail <= at,
		c.key != (partition.Key{}) && h.state.UnchangedSince(c.key, h.marks.durable(at)):
		if h.owned() {
			c.release()
		}
	case c.patient:
		h.batch.out = append(h.batch.out, c)
	default:
		c.closeViews()
		c.inst = nil
		c.ans.Err = fmt.Errorf("what it reads has changed, and the change does not fit on the disk: %w", h.n.commit.full.err())
		c.release()
	}
}
