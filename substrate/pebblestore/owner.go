package pebblestore

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"

	"github.com/netherite-go/netherite/substrate"
)

// ownerProperty is the property of a table that names the hub that it belongs to.
// Checksums tell a table that was changed; they do not tell one of another hub
// that has the same name and length.
const ownerProperty = "netherite.hub"

// owner writes the property, for a table as a whole and for no block of it.
type owner struct{ hub [16]byte }

var _ pebble.BlockPropertyCollector = (*owner)(nil)

// Name implements pebble.BlockPropertyCollector.
func (*owner) Name() string { return ownerProperty }

// AddPointKey implements pebble.BlockPropertyCollector.
func (*owner) AddPointKey(pebble.InternalKey, []byte) error { return nil }

// AddRangeKeys implements pebble.BlockPropertyCollector.
func (*owner) AddRangeKeys(sstable.Span) error { return nil }

// AddCollectedWithSuffixReplacement implements pebble.BlockPropertyCollector.
func (*owner) AddCollectedWithSuffixReplacement([]byte, []byte, []byte) error { return nil }

// SupportsSuffixReplacement implements pebble.BlockPropertyCollector.
func (*owner) SupportsSuffixReplacement() bool { return false }

// FinishDataBlock implements pebble.BlockPropertyCollector.
func (*owner) FinishDataBlock(buf []byte) ([]byte, error) { return buf, nil }

// AddPrevDataBlockToIndexBlock implements pebble.BlockPropertyCollector.
func (*owner) AddPrevDataBlockToIndexBlock() {}

// FinishIndexBlock implements pebble.BlockPropertyCollector.
func (*owner) FinishIndexBlock(buf []byte) ([]byte, error) { return buf, nil }

// FinishTable implements pebble.BlockPropertyCollector.
func (o *owner) FinishTable(buf []byte) ([]byte, error) { return append(buf, o.hub[:]...), nil }

// foreign returns the first table that says it belongs to another hub, as
// damage. Tables that early programs wrote say nothing.
func (s *Store) foreign(name string, db *pebble.DB) error {
	if db == nil || s.opts.Hub == ([16]byte{}) {
		return nil
	}
	levels, err := db.SSTables(pebble.WithProperties())
	if err != nil {
		return s.explain(err)
	}
	for _, level := range levels {
		for _, table := range level {
			value := table.Properties.UserProperties[ownerProperty]
			if len(value) < 1+len(s.opts.Hub) { // Pebble puts a byte before it
				continue
			}
			if hub := [16]byte([]byte(value[len(value)-16:])); hub != s.opts.Hub {
				return &substrate.Damage{
					File: fmt.Sprintf("%s/%s.sst", name, table.BackingSSTNum), Kind: "foreign",
					Detail: fmt.Sprintf("it belongs to hub %x, not to %x", hub, s.opts.Hub),
				}
			}
		}
	}
	return nil
}

// verifyOwner adds the tables of other hubs to a report, and what keeps it from
// asking, unless that is known already.
func (s *Store) verifyOwner(r *Report) error {
	for _, d := range []struct {
		name string
		db   *pebble.DB
	}{{mainDir, s.main}, {historyDir, s.history}} {
		err := s.foreign(d.name, d.db)
		damage, ok := errors.AsType[*substrate.Damage](err)
		switch {
		case !ok && err != nil:
			return err
		case ok && (damage.Kind == "foreign" || len(r.Damage) == 0):
			r.Damage = append(r.Damage, Damage{-1, damage})
		}
	}
	return nil
}
