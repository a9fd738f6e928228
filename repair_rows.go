package netherite

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"

	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// LostRows is a place in the store that could not be read. What became of those
// whose rows were there, the partitions say, see RepairReport.Sifted.
type LostRows struct {
	File      string // relative to the hub's directory
	Low, High string // the keys, in hex: from Low up to, and without, High
	Entries   int64  // that could not be read, deletions included; -1: nobody knows
	Detail    string
	// Unlisted: nothing says which tables belong to the store. What had been
	// deleted last may be back, and a table may be missing.
	Unlisted bool
}

// SiftedPartition is what became of a partition of whose rows some were lost.
type SiftedPartition struct {
	Partition int
	*core.Sifted
}

// Loses reports whether anything acknowledged is lost, or may be.
func (r *RepairReport) Loses() bool {
	return len(r.Losses) > 0 ||
		slices.ContainsFunc(r.Rows, func(l LostRows) bool { return l.Unlisted }) ||
		slices.ContainsFunc(r.Sifted, func(s SiftedPartition) bool { return !s.Harmless() }) ||
		slices.ContainsFunc(r.Mends, func(m core.Mend) bool { return m.Kind == "lost" || m.Kind == "again" })
}

// lookAtRows decides what is done about partitions whose rows are damaged: if the
// log has all that was ever recorded, they are built from that, and lose nothing.
func (m *mender) lookAtRows() (err error) {
	d := m.d
	// The log lets go only of what is stored: a state that is older is not the last
	// one. Tables that the damaged end of a manifest named may have that.
	gap := false
	for p, stamp := range m.found.Stamps {
		gap = gap || stamp.Offset < m.salvaged.Begin && m.found.notes[p] == nil
	}
	if len(m.hurt) == 0 && !gap {
		return nil
	}
	opts := m.oldStore()
	if m.remains, err = pebblestore.Salvage(opts, false); err == nil && gap && m.remains.Strays {
		m.remains, err = pebblestore.Salvage(opts, true)
	}
	if err != nil {
		return err
	}
	for p, keys := range partitionRanges(d.params.Partitions) {
		for _, l := range m.remains.Lost {
			if l.Overlaps(substrate.Main, keys) || l.Overlaps(substrate.History, keys) {
				m.hurt[p] = l.Detail
			}
		}
	}
	if m.emptied = m.salvaged.Begin == 0 && len(m.salvaged.Holes)+len(m.salvaged.Damage) == 0; m.emptied {
		m.report.Emptied = slices.Sorted(maps.Keys(m.hurt))
		return nil
	}
	for _, l := range m.remains.Lost {
		m.report.Rows = append(m.report.Rows, LostRows{
			File: d.fs.PathJoin(storeName, l.File), Low: hex.EncodeToString(l.Low), High: hex.EncodeToString(l.High),
			Entries: l.Entries, Detail: l.Detail, Unlisted: l.Unlisted,
		})
	}
	return nil
}

// copiedBytes is the size of one batch of rows.
const copiedBytes = 1 << 20

// copyRows makes a store of the rows that are whole, and of these rows partitions.
func (m *mender) copyRows(ctx context.Context) (err error) {
	store, err := pebblestore.Open(m.storeOptions(0))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	stamps, err := m.remains.Stamps()
	if err != nil {
		return err
	}
	for _, space := range []substrate.Space{substrate.History, substrate.Main} {
		c := &copying{m: m, ctx: ctx, store: store, space: space, stamps: stamps}
		if err := c.run(); err != nil {
			return err
		}
	}
	if m.emptied {
		return store.Flush()
	}
	for _, p := range slices.Sorted(maps.Keys(m.hurt)) {
		if err := errors.Join(context.Cause(ctx), m.sift(store, p, stamps)); err != nil {
			return err
		}
	}
	return store.Flush()
}

// copying copies the rows of one space.
type copying struct {
	m      *mender
	ctx    context.Context
	store  substrate.Store
	space  substrate.Space
	stamps map[int]substrate.Stamp
	b      substrate.Batch
	of     int // the partition that the batch is of
}

func (c *copying) run() error {
	var bad error
	c.b = c.store.NewBatch()
	high := partitionRanges(c.m.d.params.Partitions)[c.m.d.params.Partitions-1].High
	err := c.m.remains.Scan(c.space, []byte{0}, high, func(key, value []byte) bool {
		if len(key) < 2 {
			return true
		}
		p := int(key[0])<<8 | int(key[1])
		if _, hurt := c.m.hurt[p]; hurt && c.m.emptied {
			return true
		}
		if p != c.of || c.b.Size() > copiedBytes {
			bad = c.apply()
		}
		c.of = p
		c.b.Set(c.space, key, value)
		return bad == nil
	})
	if err = errors.Join(err, bad); err == nil {
		err = c.apply()
	}
	return err
}

func (c *copying) apply() error {
	if c.b.Size() == 0 {
		return context.Cause(c.ctx)
	}
	err := c.store.Apply(c.b, c.of, c.stamps[c.of])
	c.b = c.store.NewBatch()
	if err != nil {
		return fmt.Errorf("partition %d: %w", c.of, err)
	}
	return context.Cause(c.ctx)
}

// sift makes the rows that are left of a partition belong together.
func (m *mender) sift(store substrate.Store, p int, stamps map[int]substrate.Stamp) error {
	stamp, stamped := stamps[p]
	guessed := slices.ContainsFunc(m.remains.Lost, func(l pebblestore.Lost) bool { return l.Unlisted })
	// The log lets go only of what the store has of every partition.
	gone := !stamped && m.salvaged.Begin > 0 && !slices.ContainsFunc(m.remains.Lost, func(l pebblestore.Lost) bool {
		return !l.Unlisted && l.Overlaps(substrate.Main, pebblestore.StampOf(p))
	})
	sifted, err := core.Sift(store, p, m.d.params.Partitions, stamp, guessed || gone, func(space substrate.Space, low, high []byte) bool {
		return gone || slices.ContainsFunc(m.remains.Lost, func(l pebblestore.Lost) bool {
			return !l.Unlisted && l.Overlaps(space, pebblestore.Range{Low: low, High: high})
		})
	})
	if err != nil {
		return err
	}
	if !stamped {
		if stamp, err = m.stampOf(p, sifted); err != nil {
			return err
		}
	}
	m.sifted[p] = sifted
	m.report.Sifted = append(m.report.Sifted, SiftedPartition{p, sifted})
	return core.Stamp(store, p, stamp)
}

// stampOf finds out from the log where the stored state belongs whose stamp is
// lost, but not the record that it is of.
func (m *mender) stampOf(p int, sifted *core.Sifted) (substrate.Stamp, error) {
	stamp := substrate.Stamp{Offset: m.salvaged.Begin, Epoch: sifted.Last.Epoch, Record: sifted.Last.Number}
	err := m.salvaged.Groups(func(at substrate.Offset, group []byte) error {
		err := core.ReadGroup(at, group, func(run core.Run) {
			last := run.First
			last.Number += uint64(run.Records) - 1
			if run.Partition == p && (last.Epoch < sifted.Last.Epoch || last.Epoch == sifted.Last.Epoch && last.Number <= sifted.Last.Number) {
				stamp.Offset = run.End
			}
		})
		if errors.Is(err, substrate.ErrDamaged) {
			return nil // that of others
		}
		return err
	})
	return stamp, err
}

var _ substrate.Reader = (*pebblestore.Remains)(nil)
