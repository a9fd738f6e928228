package pebblestore

import (
	"bytes"
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

// foreignTable says whose a table is by its properties; "" if it may be the hub's.
func foreignTable(properties map[string]string, own [16]byte) string {
	value := properties[ownerProperty]
	if own == ([16]byte{}) || len(value) < 1+len(own) { // Pebble puts a byte before it
		return ""
	}
	if hub := [16]byte([]byte(value[len(value)-16:])); hub != own {
		return fmt.Sprintf("it belongs to hub %x, not to %x", hub, own)
	}
	return ""
}

// foreign returns the first of some tables that says it belongs to another hub, as
// damage. Tables that early programs wrote say nothing.
func (s *Store) foreign(name string, db *pebble.DB, which ...pebble.SSTablesOption) error {
	if db == nil || s.opts.Hub == ([16]byte{}) {
		return nil
	}
	levels, err := db.SSTables(append(which, pebble.WithProperties())...)
	if err != nil {
		return s.explain(err)
	}
	for _, level := range levels {
		for _, table := range level {
			if table.Properties == nil {
				continue // not one that was asked for
			}
			if detail := foreignTable(table.Properties.UserProperties, s.opts.Hub); detail != "" {
				return &substrate.Damage{File: fmt.Sprintf("%s/%s.sst", name, table.BackingSSTNum), Kind: "foreign", Detail: detail}
			}
		}
	}
	return nil
}

// foreignSample is foreign for one table and those that overlap its first key: enough
// to tell a database that is another hub's as a whole.
func (s *Store) foreignSample(name string, db *pebble.DB) error {
	if db == nil {
		return nil
	}
	levels, err := db.SSTables()
	if err != nil {
		return s.explain(err)
	}
	for _, level := range levels {
		if len(level) > 0 {
			key := level[0].Smallest.UserKey
			return s.foreign(name, db, pebble.WithKeyRangeFilter(key, append(bytes.Clone(key), 0)))
		}
	}
	return nil
}
