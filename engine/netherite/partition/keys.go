package partition

import (
	"encoding/binary"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Store keys. All begin with the partition (2 bytes) and a table (1 byte);
// numbers are big-endian so that keys sort as they do.
//
// Main space:
//
//	M                                    the singletons
//	s session(16)                        a client session
//	k key                                a request key that a caller chose
//	o dest(2) seq(8)                     an outbox entry
//	i ord(8)                             an instance's main row
//	i ord(8) sub(1) number(8)            an element of the instance
//	n id                                 -> ord
//	a ord(8)                             the instance has something to run
//	t fireAt(8) ord(8) id(4)             a timer
//	x e(1) name 0 status(1) id           -> ord, for queries by name and status
//	c e(1) status(1) created(8) ord(8)   -> nothing, for queries by time
//	g tag 0 value 0 id                   -> ord, for queries by tag
//	p                                    of the shell: a note about the side file
//
// History space:
//
//	hist(8) first(8)                     a chunk of events from index first on
//
// e is 1 for entities. Text before a 0 byte has its zero bytes replaced, which
// only makes the query look at a few more rows.
const (
	tableMeta     = 'M'
	tableSession  = 's'
	tableKey      = 'k'
	tableOutbox   = 'o'
	tableInstance = 'i'
	tableID       = 'n'
	tableActive   = 'a'
	tableTimer    = 't'
	tableName     = 'x'
	tableCreated  = 'c'
	tableTag      = 'g'
	tableParked   = 'p'
)

// Sub-tables of an instance.
const (
	subInbox = 'm'
	subTask  = 't'
	subWake  = 'w'
	subChild = 'c'
	subHeld  = 'h'
)

// ParkedKey is the key under which the shell notes, in the main space, that a
// partition has records in a side file.
func ParkedKey(partition int) []byte { return tableKeyOf(nil, partition, tableParked) }

// Key layouts begin with the partition, so one store can hold all of a node. The
// functions write over b, which may be nil: memory that is used again for keys
// that nobody keeps.
func (s *State) key(table byte) []byte { return tableKeyOf(nil, s.cfg.Partition, table) }

func tableKeyOf(b []byte, partition int, table byte) []byte {
	if b == nil {
		b = make([]byte, 0, 48)
	}
	return append(binary.BigEndian.AppendUint16(b[:0], uint16(partition)), table)
}

func instanceKey(b []byte, partition int, ord uint64) []byte {
	return binary.BigEndian.AppendUint64(tableKeyOf(b, partition, tableInstance), ord)
}

func subKey(b []byte, partition int, ord uint64, sub byte, number uint64) []byte {
	return binary.BigEndian.AppendUint64(append(instanceKey(b, partition, ord), sub), number)
}

func idKey(b []byte, partition int, id string) []byte {
	return append(tableKeyOf(b, partition, tableID), id...)
}

func activeKey(b []byte, partition int, ord uint64) []byte {
	return binary.BigEndian.AppendUint64(tableKeyOf(b, partition, tableActive), ord)
}

func outboxKey(b []byte, partition, dest int, seq uint64) []byte {
	b = binary.BigEndian.AppendUint16(tableKeyOf(b, partition, tableOutbox), uint16(dest))
	return binary.BigEndian.AppendUint64(b, seq)
}

func timerKey(b []byte, partition int, t TimerRef) []byte {
	b = binary.BigEndian.AppendUint64(tableKeyOf(b, partition, tableTimer), uint64(t.FireAt))
	b = binary.BigEndian.AppendUint64(b, t.Ord)
	return binary.BigEndian.AppendUint32(b, uint32(t.ID))
}

func historyKey(b []byte, partition int, hist uint64, first int64) []byte {
	b = binary.BigEndian.AppendUint16(b[:0], uint16(partition))
	b = binary.BigEndian.AppendUint64(b, hist)
	return binary.BigEndian.AppendUint64(b, uint64(first))
}

func historyRange(partition int, hist uint64) (low, high []byte) {
	return historyKey(nil, partition, hist, 0), historyKey(nil, partition, hist+1, 0)
}

// tableRange spans a table of a partition.
func tableRange(partition int, table byte) (low, high []byte) {
	return tableKeyOf(nil, partition, table), tableKeyOf(nil, partition, table+1)
}

// keyLength refuses a key that is not as long as those of its table.
func keyLength(key []byte, want int) error {
	if len(key) != want {
		return fmt.Errorf("%w: the key %x has %d bytes, those of its table have %d", engine.ErrDamaged, key, len(key), want)
	}
	return nil
}

// ordinalOf reads the value of an index row.
func ordinalOf(key, value []byte) (uint64, error) {
	if len(value) != 8 {
		return 0, fmt.Errorf("%w: the row %q has %d bytes and no ordinal", engine.ErrDamaged, key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}

func entityByte(entity bool) byte {
	if entity {
		return 1
	}
	return 0
}

// appendText appends text and a 0 byte.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		b = append(b, max(s[i], 1))
	}
	return append(b, 0)
}

func nameKey(b []byte, partition int, entity bool, name string, status model.Status, id string) []byte {
	b = append(tableKeyOf(b, partition, tableName), entityByte(entity))
	b = append(appendText(b, name), byte(status))
	return append(b, id...)
}

func createdKey(b []byte, partition int, entity bool, status model.Status, created model.Time, ord uint64) []byte {
	b = append(tableKeyOf(b, partition, tableCreated), entityByte(entity), byte(status))
	b = binary.BigEndian.AppendUint64(b, uint64(created))
	return binary.BigEndian.AppendUint64(b, ord)
}

func tagKey(b []byte, partition int, tag, value, id string) []byte {
	b = appendText(appendText(tableKeyOf(b, partition, tableTag), tag), value)
	return append(b, id...)
}
