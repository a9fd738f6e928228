package partition

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// sortedGraves lists the graves in the order of their ordinals.
func (s *State) sortedGraves() []uint64 {
	ords := make([]uint64, 0, len(s.graves))
	for ord := range s.graves { // sorted: below
		ords = append(ords, ord)
	}
	slices.Sort(ords)
	return ords
}

// captureMeta writes the singletons.
func (s *State) captureMeta() {
	w := s.capture.w
	w.SetMain(s.key(tableMeta), s.appendMeta(nil))
	s.captureOutbox(w)
	c := &s.clients
	for _, id := range c.deadSessions {
		w.DeleteMain(append(s.key(tableSession), id[:]...))
	}
	for _, key := range c.deadKeys {
		w.DeleteMain(append(s.key(tableKey), key...))
	}
	for _, ses := range c.dirty {
		ses.dirty = false
		if c.sessions[ses.id] == ses {
			ses.stored = true
			w.SetMain(append(s.key(tableSession), ses.id[:]...), appendSession(nil, ses))
		}
	}
	for _, k := range c.newKeys {
		if c.keys[k.key] == k {
			k.stored = true
			w.SetMain(append(s.key(tableKey), k.key...), appendRequestKey(nil, k))
		}
	}
	c.deadSessions, c.deadKeys, c.dirty, c.newKeys = nil, nil, nil, nil
	s.metaDirty = false
}

func (s *State) captureOutbox(w Writer) {
	p := s.cfg.Partition
	if planted.CheckpointWithoutOutbox {
		return
	}
	for dest := range s.outbox {
		o := &s.outbox[dest]
		for seq := o.storedFirst; seq < min(o.first, o.storedNext); seq++ {
			w.DeleteMain(outboxKey(nil, p, dest, seq))
		}
		for seq := max(o.first, o.storedNext); seq < o.next; seq++ {
			w.SetMain(outboxKey(nil, p, dest, seq), appendOutbox(nil, o.entries[seq-o.first]))
		}
		o.storedFirst, o.storedNext = o.first, o.next
	}
}

// appendMeta appends the counters.
func (s *State) appendMeta(b []byte) []byte {
	b = append(b, rowVersion)
	b = model.AppendUvarint(b, s.last.Epoch)
	b = model.AppendUvarint(b, s.last.Number)
	b = model.AppendUvarint(b, s.nextOrd)
	b = model.AppendUvarint(b, uint64(len(s.outbox)))
	for i := range s.outbox {
		b = model.AppendUvarint(b, s.outbox[i].first)
		b = model.AppendUvarint(b, s.outbox[i].next)
		b = model.AppendUvarint(b, s.seen[i])
	}
	return b
}

func appendSession(b []byte, ses *session) []byte {
	b = append(b, rowVersion1)
	b = model.AppendUvarint(b, ses.floor)
	b = model.AppendVarint(b, int64(ses.used))
	for i, word := range ses.window {
		if word != 0 {
			b = model.AppendUvarint(b, uint64(i))
			b = binary.BigEndian.AppendUint64(b, word)
		}
	}
	return b
}

func decodeSession(id [16]byte, row []byte) (*session, error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return nil, err
	}
	ses := &session{id: id, floor: r.Uvarint(), used: model.Time(r.Varint()), stored: true}
	for next := uint64(0); r.Len() > 0; {
		i := r.Uvarint()
		word := r.Fixed(8)
		if i < next || i >= uint64(len(ses.window)) || len(word) != 8 {
			r.Fail("session window")
			break
		}
		if ses.window[i] = binary.BigEndian.Uint64(word); ses.window[i] == 0 {
			r.Fail("session window present but zero")
		}
		next = i + 1
	}
	return ses, r.Done()
}

func appendRequestKey(b []byte, k *requestKey) []byte {
	b = append(b, rowVersion1)
	b = model.AppendUvarint(b, k.ord)
	b = model.AppendVarint(b, int64(k.at))
	return append(b, k.execution[:]...)
}

func decodeRequestKey(key string, row []byte) (*requestKey, error) {
	r, err := rowReader(row, rowVersion1)
	if err != nil {
		return nil, err
	}
	k := &requestKey{key: key, ord: r.Uvarint(), at: model.Time(r.Varint()), execution: r.Fixed16(), stored: true}
	return k, r.Done()
}

// Meta is a partition's singletons as stored.
type Meta struct {
	state *State
}

// FetchMeta reads a partition's singletons; empty ones if it is new.
func FetchMeta(r Reader, cfg Config) (*Meta, error) {
	s := New(cfg)
	row, err := r.Get(true, s.key(tableMeta))
	if err != nil || row == nil {
		return &Meta{s}, err
	}
	if err := s.decodeMeta(row); err != nil {
		return nil, fmt.Errorf("partition %d: singletons: %w", cfg.Partition, damaged(err))
	}
	for _, fetch := range []func(Reader) error{s.fetchOutbox, s.fetchSessions, s.fetchKeys} {
		if err := fetch(r); err != nil {
			return nil, fmt.Errorf("partition %d: %w", cfg.Partition, damaged(err))
		}
	}
	return &Meta{s}, nil
}

// StoredPartitions is for how many partitions a partition was made, as its row
// says; 0 if it has none that can be read.
func StoredPartitions(r Reader, partition int) (int, error) {
	row, err := r.Get(true, tableKeyOf(nil, partition, tableMeta))
	if err != nil || row == nil {
		return 0, err
	}
	rd, _, err := versionedReader(row)
	if err != nil {
		return 0, nil // no row that can be read
	}
	rd.Uvarint()
	rd.Uvarint()
	rd.Uvarint()
	if n := rd.Count(3); rd.Err() == nil {
		return n, nil
	}
	return 0, nil
}

// InstallMeta takes the singletons over into a new state.
func (s *State) InstallMeta(m *Meta) {
	s.last, s.nextOrd = m.state.last, m.state.nextOrd
	s.outbox, s.seen, s.clients = m.state.outbox, m.state.seen, m.state.clients
}

func (s *State) decodeMeta(row []byte) error {
	r, _, err := versionedReader(row)
	if err != nil {
		return err
	}
	s.last = engine.Name{Epoch: r.Uvarint(), Number: r.Uvarint()}
	s.nextOrd = r.Uvarint()
	if n := r.Count(3); n != len(s.outbox) && r.Err() == nil {
		r.Fail(fmt.Sprintf("made for %d partitions, opened with %d", n, len(s.outbox)))
	}
	for i := range s.outbox {
		s.outbox[i].first, s.outbox[i].next, s.seen[i] = r.Uvarint(), r.Uvarint(), r.Uvarint()
	}
	return r.Done()
}

// fetchOutbox reads what is retained for other partitions.
func (s *State) fetchOutbox(r Reader) error {
	limit := s.cfg.OutboxBytes
	if limit <= 0 {
		limit = math.MaxInt64
	}
	for dest := range s.outbox {
		o := &s.outbox[dest]
		o.storedFirst, o.storedNext = o.first, o.next
		add := func(_ uint64, m *model.Message) { o.entries = append(o.entries, m) }
		if err := s.scanOutbox(r, dest, o.first, o.next, limit, add); err != nil {
			return err
		}
	}
	return nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *State) fetchSessions(r Reader) error {
	low, high := tableRange(s.cfg.Partition, tableSession)
	var bad error
	err := r.Scan(true, low, high, func(key, value []byte) bool {
		if bad = keyLength(key, 3+16); bad != nil {
			return false
		}
		ses, err := decodeSession([16]byte(key[3:]), slices.Clone(value))
		if bad = err; err == nil {
			s.clients.sessions[ses.id] = ses
		}
		return err == nil
	})
	return firstError(err, bad)
}

func (s *State) fetchKeys(r Reader) error {
	low, high := tableRange(s.cfg.Partition, tableKey)
	var bad error
	err := r.Scan(true, low, high, func(key, value []byte) bool {
		k, err := decodeRequestKey(string(key[len(low):]), value)
		if bad = err; bad == nil {
			s.clients.keys[k.key] = k
			s.clients.keyOrder = append(s.clients.keyOrder, k)
		}
		return bad == nil
	})
	slices.SortFunc(s.clients.keyOrder, func(a, b *requestKey) int { return cmp.Compare(a.ord, b.ord) })
	return firstError(err, bad)
}
