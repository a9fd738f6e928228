package pebblestore

import (
	"bytes"
	"sort"
)

// merging goes through what is left of the tables of one database in the order of
// keys, with one table of each level in memory, and all of level 0.
type merging struct {
	space     *remainingSpace
	low, high []byte
	lost      []*Lost
	cursors   []*tables
	withheld  func(*candidate) // is told of what is not certain; may be nil
}

// tables is a place in tables that follow each other.
type tables struct {
	rest  []*table
	at    *table
	items []item
}

// candidate is an entry with the table that it is from.
type candidate struct {
	item
	from *table
}

func (m *merging) run(f func(key, value []byte) bool) error {
	for _, t := range m.space.tables {
		if bytes.Compare(t.keys.High, m.low) <= 0 || bytes.Compare(t.keys.Low, m.high) >= 0 {
			continue
		}
		if n := len(m.cursors); n > 0 && t.level > 0 && m.cursors[n-1].rest[0].level == t.level {
			m.cursors[n-1].rest = append(m.cursors[n-1].rest, t)
			continue
		}
		m.cursors = append(m.cursors, &tables{rest: []*table{t}})
	}
	for _, c := range m.cursors {
		if err := m.fill(c, m.low); err != nil {
			return err
		}
	}
	for {
		newest, ok, err := m.next()
		if err != nil || !ok {
			return err
		}
		switch certain := m.certain(&newest); {
		case certain && !f(newest.key, newest.value):
			return nil
		case !certain && m.withheld != nil:
			m.withheld(&newest)
		}
	}
}

// fill reads on in a cursor that is at the end of a table.
func (m *merging) fill(c *tables, low []byte) error {
	for len(c.items) == 0 && len(c.rest) > 0 {
		found, err := m.space.load(c.rest[0])
		if err != nil {
			return err
		}
		c.at, c.rest = c.rest[0], c.rest[1:]
		i := sort.Search(len(found.items), func(i int) bool { return bytes.Compare(found.items[i].key, low) >= 0 })
		c.items = found.items[i:]
	}
	return nil
}

// next takes all entries of the lowest key and returns the newest.
func (m *merging) next() (newest candidate, ok bool, err error) {
	var key []byte
	for _, c := range m.cursors {
		if len(c.items) > 0 && (key == nil || bytes.Compare(c.items[0].key, key) < 0) {
			key = c.items[0].key
		}
	}
	if key == nil || bytes.Compare(key, m.high) >= 0 {
		return newest, false, nil
	}
	for _, c := range m.cursors {
		for len(c.items) > 0 && bytes.Equal(c.items[0].key, key) {
			if i := c.items[0]; !ok || i.seq > newest.seq {
				newest, ok = candidate{i, c.at}, true
			}
			if c.items = c.items[1:]; len(c.items) == 0 {
				if err := m.fill(c, m.low); err != nil {
					return newest, false, err
				}
			}
		}
	}
	return newest, true, nil
}

// certain reports whether an entry is a row, and the newest of its key.
func (m *merging) certain(c *candidate) bool {
	if m.deleted(c) {
		return false
	}
	for _, l := range m.lost {
		if l.mayReplace(c) {
			return false
		}
	}
	return true
}

// deleted reports whether it is certain that an entry is no row. One that is replaced,
// and by nothing that can be read, is below a hole or a deletion.
func (m *merging) deleted(c *candidate) bool {
	if c.item.deleted || c.replaced {
		return true
	}
	for _, s := range m.space.spans {
		if s.seq > c.seq && s.has(c.key) {
			return true
		}
	}
	return false
}

// mayReplace reports whether something newer than an entry may have been lost. A table
// marks those of its own entries that it deletes.
func (l *Lost) mayReplace(c *candidate) bool {
	if l.deletions && l.from == c.from {
		return false
	}
	return l.has(c.key) && l.from.newer(c.from, c.seq) && (l.deletions || l.filter.mayHave(c.key))
}

func (r *Range) has(key []byte) bool {
	return bytes.Compare(r.Low, key) <= 0 && bytes.Compare(key, r.High) < 0
}
