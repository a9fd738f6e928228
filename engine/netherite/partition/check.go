package partition

import (
	"encoding/binary"
	"fmt"

	"github.com/cespare/xxhash/v2"

	"github.com/netherite-go/netherite/engine"
)

// checkOutboxBytes bounds what Check keeps of the messages to one partition.
const checkOutboxBytes = 1 << 20

// Check reads and decodes all that is stored of a partition, and holds that what
// belongs together is there: instances and their histories, the rows of each
// index, the outbox without holes. It calls bad for each thing that is not right.
// The error says that it could not go on reading.
func Check(r Reader, cfg Config, bad func(error)) error {
	cfg.OutboxBytes = checkOutboxBytes
	m, err := FetchMeta(r, cfg)
	if err != nil {
		bad(err)
		m = &Meta{New(cfg)}
	}
	c := checker{r: r, s: m.state, bad: bad, want: map[byte]*digest{}, got: map[byte]*digest{}}
	ords, err := Ordinals(r, cfg.Partition)
	if err != nil {
		return err
	}
	for _, ord := range ords {
		c.instance(ord)
	}
	return c.indexes()
}

// Ordinals lists the instances of a partition that have rows.
func Ordinals(r Reader, partition int) (ords []uint64, err error) {
	low, high := tableRange(partition, tableInstance)
	err = r.Scan(true, low, high, func(key, _ []byte) bool {
		if len(key) < len(low)+8 {
			return true
		}
		ord := binary.BigEndian.Uint64(key[len(low):])
		if n := len(ords); n == 0 || ords[n-1] != ord {
			ords = append(ords, ord)
		}
		return true
	})
	return ords, err
}

// indexTables are the tables whose rows follow from those of the instances.
var indexTables = []byte{tableID, tableActive, tableTimer, tableName, tableCreated, tableTag}

// checker compares index rows with what the instances ask for, by their number
// and the sum of their hashes.
type checker struct {
	r         Reader
	s         *State
	bad       func(error)
	want, got map[byte]*digest
}

// digest describes a set of rows.
type digest struct{ rows, sum uint64 }

func add(to map[byte]*digest, key, value []byte) {
	table := key[2]
	d := to[table]
	if d == nil {
		d = &digest{}
		to[table] = d
	}
	d.rows++
	d.sum += xxhash.Sum64(key) ^ 3*xxhash.Sum64(value)
}

// instance checks one instance and notes which index rows it has.
func (c *checker) instance(ord uint64) {
	p := c.s.cfg.Partition
	inst, err := fetchInstance(c.r, p, ord)
	if err != nil {
		c.bad(fmt.Errorf("instance %d of partition %d: %w", ord, p, err))
		return
	}
	if inst == nil {
		return // other rows of its range
	}
	if ord >= c.s.nextOrd {
		c.bad(fmt.Errorf("%w: instance %d (%q) of partition %d, which has given out ordinals up to %d", engine.ErrDamaged, ord, inst.id, p, c.s.nextOrd-1))
	}
	h := HistoryRef{hist: inst.hist, stored: inst.events, events: inst.events}
	if _, err := FetchHistory(c.r, p, h); err != nil {
		c.bad(fmt.Errorf("instance %d (%q) of partition %d: %w", ord, inst.id, p, err))
	}
	c.s.encodeIndexes(inst, func(key, value []byte) { add(c.want, key, value) })
}

// encodeIndexes calls f for each index row of an instance.
func (s *State) encodeIndexes(inst *instance, f func(key, value []byte)) {
	p, entity := s.cfg.Partition, inst.isEntity()
	ord := binary.BigEndian.AppendUint64(nil, inst.ord)
	f(idKey(nil, p, inst.id), ord)
	f(nameKey(nil, p, entity, inst.name, inst.status, inst.id), ord)
	f(createdKey(nil, p, entity, inst.status, inst.created, inst.ord), nil)
	for tag, value := range inst.tags { // order-free: a set of rows
		f(tagKey(nil, p, tag, value, inst.id), ord)
	}
	inst.timers.all(func(id int32, t *timer) bool {
		f(timerKey(nil, p, TimerRef{FireAt: t.fireAt, Ord: inst.ord, ID: id}), nil)
		return true
	})
	if s.active(inst) {
		f(activeKey(nil, p, inst.ord), nil)
	}
}

func (c *checker) indexes() error {
	p := c.s.cfg.Partition
	for _, table := range indexTables {
		low, high := tableRange(p, table)
		err := c.r.Scan(true, low, high, func(key, value []byte) bool {
			add(c.got, key, value)
			return true
		})
		if err != nil {
			return err
		}
		got, want := c.got[table], c.want[table]
		if got == nil {
			got = &digest{}
		}
		if want == nil {
			want = &digest{}
		}
		if *got != *want {
			c.bad(fmt.Errorf("%w: index %q of partition %d has %d rows, and the instances ask for %d; they differ", engine.ErrDamaged, table, p, got.rows, want.rows))
		}
	}
	return nil
}
