package partition

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Sifting makes the rows of a partition, of which some are lost, into ones that
// belong together. What follows from others is built anew; an instance of which
// something is missing is set aside with the reason; what cannot be kept is named.
type Sifting struct {
	Rows   Reader
	To     Writer // may be read from Rows at any time, or only at the end
	Config Config
	// Lost reports whether rows of a range of keys may be lost. Other rows are
	// there if they ever were.
	Lost func(main bool, low, high []byte) bool
	// Guessed: rows may be lost anywhere, and not only where Lost says so.
	Guessed bool
	// Last is the record that the rows are of, as the stamp says; zero if that is
	// lost, too.
	Last engine.Name
}

// Sifted is what has become of a partition.
type Sifted struct {
	Last engine.Name // the record that the rows are of
	// Singletons: the row with the partition's counters was lost, among them how
	// far it has received what others sent: nothing can be replayed upon it.
	Singletons bool
	// Unnamed: there may have been instances that no row names any more.
	Unnamed   bool
	Instances []SiftedInstance
	Messages  []SiftedMessage
	Requests  int  // sessions and request keys that could not be decoded
	Clients   bool // more of them may be lost
	unsound   map[uint64]bool
	ids       map[string]bool
}

// SiftedInstance is an instance that is not as it was.
type SiftedInstance struct {
	Ord    uint64
	ID     string // "" if no row has it any more
	Kept   bool   // it is quarantined, else it is lost
	Reason string
}

// SiftedMessage is a message to another partition that was lost before it was
// known to have arrived. A message to nobody has its number.
type SiftedMessage struct {
	Dest int
	Seq  uint64
}

// Unsound reports whether what records of the log do to an instance would not be
// what it was, because rows are missing that decide that. All records behind such
// a one have to be left out: they would number messages otherwise.
func (s *Sifted) Unsound(k Key) bool { return s.unsound[k.Ord] || k.ID != "" && s.ids[k.ID] }

// Harmless reports whether nothing is lost, but for messages: whether these had
// arrived, others know.
func (s *Sifted) Harmless() bool {
	return !s.Singletons && !s.Unnamed && !s.Clients && len(s.Instances)+s.Requests == 0
}

// sifter does one Sifting.
type sifter struct {
	Sifting
	out   *Sifted
	s     *State
	named map[uint64]*naming
	owned map[uint64]bool // histories
	// unowned are the first histories of instances that are told of without their own.
	unowned map[uint64]bool
	newest  uint64 // ordinal
}

// Run sifts. The error says that it could not read.
func (g Sifting) Run() (*Sifted, error) {
	x := &sifter{
		Sifting: g, s: New(g.Config), named: map[uint64]*naming{}, owned: map[uint64]bool{}, unowned: map[uint64]bool{},
		out: &Sifted{Last: g.Last, unsound: map[uint64]bool{}, ids: map[string]bool{}},
	}
	for _, step := range []func() error{x.singletons, x.clients, x.outboxes, x.names, x.clearIndexes, x.instances, x.orphans} {
		if err := step(); err != nil {
			return nil, fmt.Errorf("sift partition %d: %w", g.Config.Partition, err)
		}
	}
	if x.out.Singletons {
		x.s.last = x.out.Last
		x.s.nextOrd = max(x.s.nextOrd, x.newest+1) + spareOrdinals
		x.To.SetMain(x.s.key(tableMeta), x.s.appendMeta(nil))
	}
	return x.out, nil
}

// spareOrdinals is how far the ordinals go on beyond those that are known, if it is
// lost how many were given out: more than any partition could have since.
const spareOrdinals = 1 << 32

// singletons reads the partition's counters.
func (x *sifter) singletons() error {
	row, err := x.Rows.Get(true, x.s.key(tableMeta))
	if err != nil {
		return err
	}
	key := x.s.key(tableMeta)
	if row == nil && x.Last == (engine.Name{}) && !x.Lost(true, key, append(key, 0)) {
		return nil // nothing was ever stored
	}
	if row != nil {
		bad := x.s.decodeMeta(row)
		if bad == nil && (x.Last == (engine.Name{}) || x.Last == x.s.last) {
			x.out.Last = x.s.last
			return nil
		}
	}
	x.s, x.out.Singletons = New(x.Config), true
	return nil
}

// clients drops sessions and request keys that cannot be read.
func (x *sifter) clients() error {
	p := x.Config.Partition
	for _, table := range []byte{tableSession, tableKey} {
		low, high := tableRange(p, table)
		x.out.Clients = x.out.Clients || x.Lost(true, low, high)
		err := x.Rows.Scan(true, low, high, func(key, value []byte) bool {
			var bad error
			if table == tableKey {
				_, bad = decodeRequestKey(string(key[3:]), slices.Clone(value))
			} else if bad = keyLength(key, 3+16); bad == nil {
				_, bad = decodeSession([16]byte(key[3:]), slices.Clone(value))
			}
			if bad != nil {
				x.out.Requests++
				x.To.DeleteMain(key)
			}
			return true
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// outboxes puts messages to nobody in the place of those that are lost.
func (x *sifter) outboxes() error {
	p := x.Config.Partition
	for dest := range x.s.outbox {
		o := &x.s.outbox[dest]
		next, all := o.first, x.out.Singletons
		low, high := outboxKey(nil, p, dest, 0), outboxKey(nil, p, dest+1, 0)
		if !all {
			high = outboxKey(nil, p, dest, o.next)
		}
		err := x.Rows.Scan(true, low, high, func(key, value []byte) bool {
			if len(key) != 3+2+8 {
				x.To.DeleteMain(key)
				return true
			}
			seq := binary.BigEndian.Uint64(key[3+2:])
			if _, bad := decodeOutbox(slices.Clone(value)); bad != nil || !all && seq < o.first {
				x.To.DeleteMain(key)
				return true
			}
			if all && o.next == 1 { // the first
				o.first, next = seq, seq
			}
			x.fillOutbox(dest, next, seq)
			if next = seq + 1; all {
				o.next = next
			}
			return true
		})
		if err != nil {
			return err
		}
		x.fillOutbox(dest, next, o.next)
	}
	return nil
}

func (x *sifter) fillOutbox(dest int, from, to uint64) {
	for seq := from; seq < to; seq++ {
		x.out.Messages = append(x.out.Messages, SiftedMessage{dest, seq})
		m := nobody(dest, x.Config.Partitions)
		x.To.SetMain(outboxKey(nil, x.Config.Partition, dest, seq), appendOutbox(nil, &m))
	}
}

// nobody is a message to an instance of a partition that does not exist.
func nobody(dest, partitions int) model.Message {
	for i := 0; ; i++ {
		id := fmt.Sprintf("netherite.lost.%d", i)
		if model.PartitionOf(id, partitions) == dest {
			return model.Message{To: id, ToExecution: model.ExecutionID{0xff}, Event: model.Event{Kind: model.EventRaised, ID: model.NoID, Name: "netherite.lost"}}
		}
	}
}

// orphans deletes histories that belong to no instance. Where instances may have been
// lost with their names, such a history is all that is left of one, unless it is that of
// one that is told of already.
func (x *sifter) orphans() error {
	low := binary.BigEndian.AppendUint16(nil, uint16(x.Config.Partition))
	high := binary.BigEndian.AppendUint16(nil, uint16(x.Config.Partition+1))
	var last []byte
	var left []SiftedInstance
	err := x.Rows.Scan(false, low, high, func(key, value []byte) bool {
		if len(key) < 2+8 || bytes.Equal(last, key[:2+8]) {
			return true
		}
		last = append(last[:0], key[:2+8]...)
		hist := binary.BigEndian.Uint64(key[2:])
		x.newest = max(x.newest, hist)
		if x.owned[hist] {
			return true
		}
		x.To.DeleteHistoryRange(historyRange(x.Config.Partition, hist))
		if told := x.unowned[hist]; told {
			delete(x.unowned, hist)
		} else {
			left = append(left, SiftedInstance{Ord: hist, Reason: orphaned(value)})
		}
		return true
	})
	if x.out.Unnamed { // the others began anew under other numbers
		x.out.Instances = append(x.out.Instances, left[min(len(left), len(x.unowned)):]...)
	}
	return err
}

// orphaned says what is known of an instance of which only a history is left.
func orphaned(chunk []byte) string {
	const reason = "its rows were lost, and its ID with them: only a history is left"
	events, bad := decodeChunk(nil, slices.Clone(chunk))
	i := slices.IndexFunc(events, func(e model.Event) bool { return e.Kind == model.ExecutionStarted })
	if bad != nil || i < 0 || events[i].Name == "" {
		return reason
	}
	return fmt.Sprintf("%s, of a %q", reason, events[i].Name)
}
