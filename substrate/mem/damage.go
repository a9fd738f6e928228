package mem

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/substrate"
)

// damage is the rows whose bytes do not fit their checksums any more. Whoever
// reads one is told so, and gets nothing else.
type damage []damagedRow

type damagedRow struct {
	space substrate.Space
	key   []byte
}

// Damage damages a row where it lies: reading it is an error from now on, for
// whoever opens the store later, too, until Mend. As in files, what it was is not
// gone, but not to be had.
func (d *StoreDisk) Damage(space substrate.Space, key []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.damaged = append(slices.Clone(d.damaged), damagedRow{space, bytes.Clone(key)})
}

// Mend puts all damaged rows back as they were.
func (d *StoreDisk) Mend() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.damaged = nil
}

// Keys lists the keys in [low, high) of what is durable.
func (d *StoreDisk) Keys(space substrate.Space, low, high []byte) (keys [][]byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.durable.spaces[space].scan(low, high, func(key, _ []byte) bool {
		keys = append(keys, bytes.Clone(key))
		return true
	})
	return keys
}

// read returns an error if the row is damaged.
func (d damage) read(space substrate.Space, key []byte) error {
	for i := range d {
		if d[i].space == space && bytes.Equal(d[i].key, key) {
			return fmt.Errorf("%w: the row %x does not have its checksum", substrate.ErrDamaged, key)
		}
	}
	return nil
}

// scan calls f for the keys in [low, high) up to the first that is damaged.
func (c *contents) scan(space substrate.Space, low, high []byte, bad damage, f func(key, value []byte) bool) (err error) {
	if len(bad) > 0 {
		rows := f
		f = func(key, value []byte) bool {
			err = bad.read(space, key)
			return err == nil && rows(key, value)
		}
	}
	c.spaces[space].scan(low, high, f)
	return err
}
