package netherite

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/substrate"
)

// pageRead is one partition's part of a query: what changed since the last
// checkpoint, and the store as it was at the same position.
type pageRead struct {
	n       *node
	overlay *partition.Overlay
	view    substrate.Snapshot
}

// row is a row of a query with the partition that it comes from.
type row struct {
	partition.Row
	from int
}

// page reads rows of all partitions, merged, within bounds and as far as h has room.
// They are not a snapshot of the hub: each partition is read at a position of its
// own. Those that cannot be read are noted as missing.
func (e *Engine) page(ctx context.Context, q *engine.Query, b partition.Bound, h *hold, without *missing) (rows []row, more bool, err error) {
	err = roomily(ctx, h, func() error {
		return again(ctx, func() error {
			h.again()
			rows, more, err = e.pageOnce(ctx, q, b, h, without)
			return err
		})
	})
	return rows, more, err
}

func (e *Engine) pageOnce(ctx context.Context, q *engine.Query, b partition.Bound, h *hold, without *missing) (rows []row, more bool, err error) {
	ahead := b
	ahead.Rows++ // the one that shows that there is more
	calls := make([]*call, e.params.Partitions)
	errs := make([]error, len(calls))
	var sent sync.WaitGroup
	for id := range calls {
		calls[id] = &call{done: make(chan struct{}, 1), read: readPage, query: q, bound: ahead}
		if e.opts.park != nil {
			errs[id] = e.send(ctx, id, calls[id])
			continue
		}
		sent.Go(func() { errs[id] = e.send(ctx, id, calls[id]) })
	}
	sent.Wait()
	for id := range calls {
		if errs[id] != nil && !without.note(id, errs[id]) {
			err = cmp.Or(err, errs[id])
		}
	}
	defer func() {
		for _, c := range calls {
			if c.state.Load() == callAnswered { // else its partition sees to it
				c.closeViews()
			}
		}
	}()
	if err != nil {
		return nil, false, err
	}
	m := merger{e: e, bound: b, hold: h, without: without}
	for id, c := range calls {
		if errs[id] == nil {
			m.parts = append(m.parts, &part{id: id, n: c.page.n, results: partition.NewResults(reader{c.page.view}, id, q, b.After, c.page.overlay)})
		}
	}
	more, err = m.run(ctx)
	return m.rows, more, err
}

// readPage copies what a query needs at one position.
func readPage(h *host, c *call) {
	c.closeViews()
	c.page = &pageRead{n: h.n, overlay: h.state.Overlay(c.query, c.bound), view: h.n.store.Snapshot()}
	c.answered(h)
}

// part is one partition's part of a query, with the order of what is next.
type part struct {
	id      int
	n       *node
	results *partition.Results
	head    string
	known   bool // the head
}

// merger takes the first rows of all parts, in order. No instance is read before it
// is its turn: beside what is taken there is one in memory.
type merger struct {
	e       *Engine
	bound   partition.Bound
	hold    *hold
	without *missing

	parts []*part
	rows  []row
	size  int
}

// run takes rows until there are no more, or no more are wanted.
func (m *merger) run(ctx context.Context) (more bool, err error) {
	for !more {
		first, err := m.first(ctx)
		if err != nil || first == nil {
			return false, err
		}
		if more, err = m.take(ctx, first); err != nil {
			return false, err
		}
	}
	return true, nil
}

// first is the part that is next in order; nil at the end.
func (m *merger) first(ctx context.Context) (*part, error) {
	for _, p := range slices.Clone(m.parts) {
		if p.known {
			continue
		}
		err := m.read(p, func() (err error) {
			p.head, p.known, err = p.results.Head(func() bool { return ctx.Err() != nil })
			return err
		})
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return nil, err
		}
		if !p.known {
			m.drop(p)
		}
	}
	if len(m.parts) == 0 {
		return nil, nil
	}
	return slices.MinFunc(m.parts, func(a, b *part) int { return cmp.Compare(a.head, b.head) }), nil
}

// take reads the part's next instance, and takes it if it is wanted. It reports
// whether there is one that is too much.
func (m *merger) take(ctx context.Context, p *part) (more bool, err error) {
	if err := m.e.reads.rows.take(ctx, 1); err != nil {
		return false, err
	}
	defer m.e.reads.rows.free(1)
	var r *partition.Row
	err = m.read(p, func() (err error) {
		r, err = p.results.Take()
		return err
	})
	p.known = false
	switch {
	case err != nil || r == nil:
		return false, err
	case len(m.rows) == m.bound.Rows || len(m.rows) > 0 && m.size+r.Size > m.bound.Bytes:
		return true, nil
	case !m.hold.grow(int64(r.Size)):
		if len(m.rows) == 0 {
			return false, noRoom{int64(r.Size)}
		}
		return true, nil
	}
	m.rows, m.size = append(m.rows, row{*r, p.id}), m.size+r.Size
	return false, nil
}

// read reads of a part. One that is damaged is left out.
func (m *merger) read(p *part, f func() error) error {
	err := guardedRead(f)
	switch {
	case err == nil:
		return nil
	case m.without.noteRead(p.id, err):
		m.drop(p)
		return nil
	}
	return &readError{p.n, fmt.Errorf("partition %d: %w", p.id, err)}
}

func (m *merger) drop(p *part) {
	m.parts = slices.DeleteFunc(m.parts, func(o *part) bool { return o == p })
}
