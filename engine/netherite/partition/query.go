package partition

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/model"
)

// Row is one instance of a query's result. Rows of all partitions are merged by
// Order, which is also where the next page goes on.
type Row struct {
	Order    string
	Ord      uint64
	Instance *model.Instance
	Size     int    // bytes of what is said of the instance
	Section  string // of an entity: the critical section that holds its lock, as in Orphan and model.WaitLock
}

// Overlay is what a query must know of instances that changed since the last
// applied checkpoint: copied at one position, together with a snapshot of the store.
type Overlay struct {
	hidden map[uint64]struct{} // their stored rows are out of date
	rows   []Row               // those that match, in order
}

// ByCreation reports whether a query's pages are in the order of creation
// (oldest first); otherwise they are in the order of IDs. It depends on the
// index that serves the query.
func ByCreation(q *engine.Query) bool {
	return len(q.Names) == 0 && len(q.Tags) == 0 && (q.IDPrefix == "" || onlyRare(q.Statuses)) || q.CreatedFrom != 0 || q.CreatedTo != 0
}

// onlyRare reports whether a query is for statuses that few instances have. Then
// the index by status and creation serves it better than that of IDs, even if it
// is for a prefix: walking a million IDs for those that failed takes 18 seconds.
func onlyRare(statuses []model.Status) bool {
	return len(statuses) > 0 && !slices.ContainsFunc(statuses, func(s model.Status) bool {
		return s == model.Running || s == model.Completed
	})
}

// Bound is how much of a query's result is wanted: what comes behind After, no
// more than so many rows, and none behind the one with which they have too many
// bytes. That is never the first.
type Bound struct {
	After string
	Rows  int
	Bytes int
}

// Overlay copies what changed since the last applied checkpoint, as far as it is
// wanted.
func (s *State) Overlay(q *engine.Query, b Bound) *Overlay {
	o := &Overlay{hidden: map[uint64]struct{}{}}
	for ord := range s.graves { // order-free: fills a set
		o.hidden[ord] = struct{}{}
	}
	type candidate struct {
		order string
		inst  *instance
	}
	var found []candidate
	seen := func(list []*instance) {
		for _, inst := range list {
			if _, dup := o.hidden[inst.ord]; dup || inst.gone {
				continue
			}
			o.hidden[inst.ord] = struct{}{}
			if !matches(inst, q) {
				continue
			}
			if order := orderOf(s.cfg.Partition, inst, q); order > b.After || planted.PageBeginsWithLast && order == b.After && order != "" {
				found = append(found, candidate{order, inst})
			}
		}
	}
	seen(s.dirty)
	seen(s.capture.queue)
	if !planted.OverlayWithoutCapture {
		seen(s.capture.encoded)
	}
	slices.SortFunc(found, func(a, b candidate) int { return strings.Compare(a.order, b.order) })
	for i, size := 0, 0; i < min(len(found), b.Rows) && (i < 2 || size <= b.Bytes); i++ {
		o.rows = append(o.rows, rowOf(found[i].order, found[i].inst, q))
		size += o.rows[i].Size
	}
	return o
}

// orderOf is where an instance is in a query's result.
func orderOf(partition int, inst *instance, q *engine.Query) string {
	if ByCreation(q) {
		return createdOrder(inst.created, partition, inst.ord)
	}
	return inst.id
}

func rowOf(order string, inst *instance, q *engine.Query) Row {
	row := Row{Ord: inst.ord, Instance: shared(inst, q.GetOptions), Order: order}
	detach(row.Instance)
	if row.Size = row.Instance.Size(); !ByCreation(q) {
		row.Order = row.Instance.ID // which shares no row's memory
	}
	if inst.entity != nil {
		row.Section = strings.Clone(inst.entity.section)
	}
	return row
}

func createdOrder(created model.Time, partition int, ord uint64) string {
	b := binary.BigEndian.AppendUint64(nil, uint64(created))
	b = binary.BigEndian.AppendUint16(b, uint16(partition))
	return string(binary.BigEndian.AppendUint64(b, ord))
}

// matches applies all of a query's restrictions.
func matches(inst *instance, q *engine.Query) bool {
	switch {
	case inst.isEntity() != q.Entities,
		len(q.Names) > 0 && !slices.Contains(q.Names, inst.name),
		len(q.Statuses) > 0 && !slices.Contains(q.Statuses, inst.status) && !planted.StatusIgnored,
		!strings.HasPrefix(inst.id, q.IDPrefix),
		q.CreatedFrom != 0 && inst.created < q.CreatedFrom,
		q.CreatedTo != 0 && inst.created >= q.CreatedTo,
		q.UpdatedFrom != 0 && inst.updated < q.UpdatedFrom,
		q.UpdatedTo != 0 && inst.updated >= q.UpdatedTo:
		return false
	}
	for k, v := range q.Tags { // order-free: a conjunction
		if got, ok := inst.tags[k]; !ok || got != v {
			return false
		}
	}
	return true
}

// Results are the rows of a query in one partition, in order. They are read from
// a snapshot that was taken together with the overlay, on any goroutine, as far
// as they are asked for.
type Results struct {
	r         Reader
	partition int
	q         *engine.Query
	merge     []*cursor
	pending   []Row // of the overlay
	hidden    map[uint64]struct{}
	last      string
}

// NewResults begins behind after, with an overlay that does so, too.
func NewResults(r Reader, partition int, q *engine.Query, after string, o *Overlay) *Results {
	return &Results{
		r: r, partition: partition, q: q, merge: cursors(r, partition, q, after),
		pending: o.rows, hidden: o.hidden, last: after,
	}
}

// Head returns the order of what Take looks at; false at the end. No instance is
// read for that. Stop, asked now and then, ends it early.
func (f *Results) Head(stop func() bool) (order string, ok bool, err error) {
	for n := 0; n%256 != 255 || !stop(); n++ {
		c, err := first(f.merge)
		if err != nil {
			return "", false, err
		}
		if f.overlaid(c) {
			return f.pending[0].Order, true, nil
		}
		if c == nil {
			return "", false, nil
		}
		if _, hidden := f.hidden[c.ord()]; !hidden && c.order() != f.last {
			return c.order(), true, nil
		}
		c.take() // out of date, or found by two of the cursors
	}
	return "", false, nil
}

// overlaid reports whether the next row is of the overlay, and not the cursor's.
func (f *Results) overlaid(c *cursor) bool {
	return len(f.pending) > 0 && (c == nil || f.pending[0].Order < c.order())
}

// Take reads the instance that Head has found. It returns nil if that is none of
// the query's, which no index could tell.
func (f *Results) Take() (*Row, error) {
	c, err := first(f.merge)
	if err != nil {
		return nil, err
	}
	if f.overlaid(c) {
		row := f.pending[0]
		f.pending[0] = Row{} // what was taken is not held here
		f.pending = f.pending[1:]
		return &row, nil
	}
	if c == nil {
		return nil, nil
	}
	order, ord := c.order(), c.take()
	f.last = order
	inst, err := f.fetch(ord)
	if err != nil {
		return nil, fmt.Errorf("query: instance %d of partition %d: %w", ord, f.partition, damaged(err))
	}
	if inst == nil || !matches(inst, f.q) {
		return nil, nil
	}
	row := rowOf(orderOf(f.partition, inst, f.q), inst, f.q)
	return &row, nil
}

// fetch reads an instance as far as it is described: what an orchestration waits
// for may be long, and what messages carry is not said.
func (f *Results) fetch(ord uint64) (*instance, error) {
	if f.q.Waits || f.q.Entities {
		return fetchElements(f.r, f.partition, ord, (*instance).onlyDescribed)
	}
	row, err := f.r.Get(true, instanceKey(nil, f.partition, ord))
	if err != nil || row == nil {
		return nil, err
	}
	return decodeRow(ord, row)
}

// cursor walks one index range in order, reading ahead in small slices.
type cursor struct {
	r         Reader
	low, high []byte
	decode    func(key, value []byte) (order string, ord uint64, err error)
	ahead     []found
	slice     int // of the last read
	err       error
	done      bool
}

type found struct {
	order string
	ord   uint64
}

// A cursor reads so many index rows at once, at first and later: a page may need
// few of each cursor, and a restriction that no index serves very many.
const (
	leastAhead = 16
	mostAhead  = 256
)

func (c *cursor) fill() {
	if len(c.ahead) > 0 || c.done {
		return
	}
	if len(c.high) > 0 && bytes.Compare(c.low, c.high) >= 0 {
		c.done = true
		return
	}
	c.slice = min(max(4*c.slice, leastAhead), mostAhead)
	var last []byte
	var bad error
	c.err = c.r.Scan(true, c.low, c.high, func(key, value []byte) bool {
		order, ord, err := c.decode(key, value)
		if bad = err; err != nil {
			return false
		}
		c.ahead = append(c.ahead, found{order, ord})
		last = append(last[:0], key...)
		return len(c.ahead) < c.slice
	})
	c.err = firstError(c.err, bad)
	c.done = len(c.ahead) < c.slice
	c.low = append(last, 0)
}

func (c *cursor) order() string { return c.ahead[0].order }

func (c *cursor) ord() uint64 { return c.ahead[0].ord }

func (c *cursor) take() uint64 {
	ord := c.ahead[0].ord
	c.ahead = c.ahead[1:]
	return ord
}

// first returns the cursor that is next in order, nil at the end.
func first(list []*cursor) (*cursor, error) {
	var least *cursor
	for _, c := range list {
		c.fill()
		if c.err != nil {
			return nil, c.err
		}
		if len(c.ahead) > 0 && (least == nil || c.order() < least.order()) {
			least = c
		}
	}
	return least, nil
}

// cursors chooses the index that serves the query and opens a cursor on each of
// its ranges.
func cursors(r Reader, partition int, q *engine.Query, after string) []*cursor {
	statuses := q.Statuses
	if len(statuses) == 0 {
		statuses = model.Statuses()
	}
	switch {
	case ByCreation(q):
		return createdCursors(r, partition, q, statuses, after)
	case len(q.Tags) > 0:
		return []*cursor{tagCursor(r, partition, q, after)}
	case len(q.Names) > 0:
		return nameCursors(r, partition, q, statuses, after)
	}
	prefix := tableKeyOf(nil, partition, tableID)
	return []*cursor{idCursor(r, prefix, q.IDPrefix, after)}
}

// idCursor walks keys that end in an ID and have an ordinal as their value.
func idCursor(r Reader, prefix []byte, idPrefix, after string) *cursor {
	n := len(prefix)
	low := append(slices.Clone(prefix), idPrefix...)
	if after >= idPrefix && after != "" {
		low = append(append(slices.Clone(prefix), after...), 0)
	}
	high := successor(append(slices.Clone(prefix), idPrefix...))
	return &cursor{r: r, low: low, high: high, decode: func(key, value []byte) (string, uint64, error) {
		ord, err := ordinalOf(key, value)
		return string(key[n:]), ord, err
	}}
}

// successor is the least key above all that begin with prefix.
func successor(prefix []byte) []byte {
	for i := len(prefix) - 1; i >= 0; i-- {
		if prefix[i] != 0xff {
			prefix[i]++
			return prefix[:i+1]
		}
	}
	return nil
}

func nameCursors(r Reader, partition int, q *engine.Query, statuses []model.Status, after string) (list []*cursor) {
	for _, name := range q.Names {
		for _, status := range statuses {
			list = append(list, idCursor(r, nameKey(nil, partition, q.Entities, name, status, ""), q.IDPrefix, after))
		}
	}
	return list
}

// tagCursor serves a query by the first of its tags; the others are checked.
func tagCursor(r Reader, partition int, q *engine.Query, after string) *cursor {
	tags := make([]string, 0, len(q.Tags))
	for tag := range q.Tags { // sorted: below
		tags = append(tags, tag)
	}
	slices.SortFunc(tags, cmp.Compare[string])
	return idCursor(r, tagKey(nil, partition, tags[0], q.Tags[tags[0]], ""), q.IDPrefix, after)
}

func createdCursors(r Reader, partition int, q *engine.Query, statuses []model.Status, after string) (list []*cursor) {
	from, ord := max(q.CreatedFrom, 0), uint64(0) // keys of negative times, which nothing has, sort behind all others
	if len(after) == 18 {
		b := []byte(after)
		at := model.Time(binary.BigEndian.Uint64(b))
		switch other := int(binary.BigEndian.Uint16(b[8:])); {
		case at < from:
		case partition == other:
			from, ord = at, binary.BigEndian.Uint64(b[10:])+1
		case partition > other:
			from = at
		default:
			from = at + 1
		}
	}
	for _, status := range statuses {
		low := createdKey(nil, partition, q.Entities, status, from, ord)
		high := createdKey(nil, partition, q.Entities, status+1, 0, 0)
		if q.CreatedTo != 0 {
			high = createdKey(nil, partition, q.Entities, status, q.CreatedTo, 0)
		}
		list = append(list, &cursor{r: r, low: low, high: high, decode: func(key, _ []byte) (string, uint64, error) {
			if err := keyLength(key, 3+1+1+8+8); err != nil {
				return "", 0, err
			}
			created := model.Time(binary.BigEndian.Uint64(key[5:]))
			ord := binary.BigEndian.Uint64(key[13:])
			return createdOrder(created, partition, ord), ord, nil
		}})
	}
	return list
}
