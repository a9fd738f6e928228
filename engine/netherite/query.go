package netherite

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"slices"
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

const (
	defaultPage = 100
	maxPage     = 1_000
	// purgeSlice and cleanSlice bound what one call of PurgeWhere and
	// CleanEntities looks at.
	purgeSlice = 500
	cleanSlice = 200

	maxPrefix = model.MaxInstanceID
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

// Query implements engine.Client.
func (e *Engine) Query(ctx context.Context, q engine.Query) (engine.Page, error) {
	limit := cmp.Or(q.PageSize, defaultPage)
	after, err := e.checkQuery(&q)
	if err == nil && (limit < 1 || limit > maxPage) {
		err = fmt.Errorf("%w: page size %d, want 1 to %d", engine.ErrInvalid, limit, maxPage)
	}
	if err != nil {
		return engine.Page{}, fmt.Errorf("query: %w", err)
	}
	var without missing
	rows, more, err := e.page(ctx, &q, after, limit, &without)
	if err != nil {
		return engine.Page{}, fmt.Errorf("query: %w", err)
	}
	p := engine.Page{Instances: make([]*model.Instance, len(rows))}
	for i := range rows {
		p.Instances[i] = rows[i].Instance
		if q.Waits {
			e.feed.explain(rows[i].Instance)
		}
	}
	if more {
		p.Token = pageToken(tokenOf(&q), rows[len(rows)-1].Order)
	}
	if err := without.orNil(); err != nil {
		return p, fmt.Errorf("query: %w", err)
	}
	return p, nil
}

// checkQuery validates a query and decodes where it goes on.
func (e *Engine) checkQuery(q *engine.Query) (after string, err error) {
	if err := e.open(); err != nil {
		return "", err
	}
	if len(q.IDPrefix) > maxPrefix {
		return "", fmt.Errorf("%w: ID prefix has %d bytes, at most %d", engine.ErrInvalid, len(q.IDPrefix), maxPrefix)
	}
	for _, s := range q.Statuses {
		if s > model.Suspended {
			return "", fmt.Errorf("%w: status %d", engine.ErrInvalid, s)
		}
	}
	return readToken(tokenOf(q), q.Token)
}

// page reads up to limit rows of all partitions, merged. They are not a
// snapshot of the hub: each partition is read at a position of its own. Those
// that cannot be read are noted as missing.
func (e *Engine) page(ctx context.Context, q *engine.Query, after string, limit int, without *missing) (rows []row, more bool, err error) {
	err = again(ctx, func() error {
		rows, more, err = e.pageOnce(ctx, q, after, limit, without)
		return err
	})
	return rows, more, err
}

func (e *Engine) pageOnce(ctx context.Context, q *engine.Query, after string, limit int, without *missing) (rows []row, more bool, err error) {
	calls := make([]*call, e.params.Partitions)
	errs := make([]error, len(calls))
	var sent sync.WaitGroup
	for id := range calls {
		calls[id] = &call{done: make(chan struct{}, 1), read: readPage, query: q}
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
	parts := make([]*part, 0, len(calls))
	for id, c := range calls {
		if errs[id] == nil {
			parts = append(parts, &part{id: id, n: c.page.n, results: partition.NewResults(reader{c.page.view}, id, q, after, c.page.overlay)})
		}
	}
	return merge(ctx, parts, limit, without)
}

// part is one partition's part of a query, with the row that is next.
type part struct {
	id      int
	n       *node
	results *partition.Results
	head    *partition.Row
}

// next reads the part's next row; it reports whether there is one.
func (p *part) next(ctx context.Context, without *missing) (bool, error) {
	err := guardedRead(func() (err error) {
		p.head, err = p.results.Next(func() bool { return ctx.Err() != nil })
		return err
	})
	switch {
	case err == nil:
		return p.head != nil, ctx.Err()
	case without.noteRead(p.id, err):
		return false, nil
	}
	return false, &readError{p.n, fmt.Errorf("partition %d: %w", p.id, err)}
}

// merge takes the first rows of all parts, in order. Of each part it reads one
// row more than it takes.
func merge(ctx context.Context, parts []*part, limit int, without *missing) (rows []row, more bool, err error) {
	advance := func(p *part) error {
		ok, err := p.next(ctx, without)
		if err == nil && !ok {
			parts = slices.DeleteFunc(parts, func(o *part) bool { return o == p })
		}
		return err
	}
	for _, p := range slices.Clone(parts) {
		if err := advance(p); err != nil {
			return nil, false, err
		}
	}
	for len(parts) > 0 {
		if len(rows) == limit {
			return rows, true, nil
		}
		first := slices.MinFunc(parts, func(a, b *part) int { return cmp.Compare(a.head.Order, b.head.Order) })
		rows = append(rows, row{*first.head, first.id})
		if err := advance(first); err != nil {
			return nil, false, err
		}
	}
	return rows, false, nil
}

// readPage copies what a query needs at one position.
func readPage(h *host, c *call) {
	c.closeViews()
	c.page = &pageRead{n: h.n, overlay: h.state.Overlay(c.query), view: h.n.store.Snapshot()}
	c.answered(h)
}

// PurgeWhere implements engine.Client.
func (e *Engine) PurgeWhere(ctx context.Context, q engine.Query) (int, string, error) {
	after, err := e.checkQuery(&q)
	if err == nil && q.Entities {
		err = fmt.Errorf("%w: entities are not purged by query; use CleanEntities or Purge", engine.ErrInvalid)
	}
	if err != nil {
		return 0, "", fmt.Errorf("purge by query: %w", err)
	}
	digest := tokenOf(&q)
	if !onlyEnded(&q) {
		return 0, "", nil
	}
	if err := e.admit(purgeIntake, 0); err != nil {
		return 0, q.Token, fmt.Errorf("purge by query: %w", err)
	}
	defer e.leave(0)
	q.GetOptions = engine.GetOptions{}
	var without missing
	rows, more, err := e.page(ctx, &q, after, purgeSlice, &without)
	if err != nil {
		return 0, "", fmt.Errorf("purge by query: %w", err)
	}
	deleted, err := e.purgeRows(ctx, rows, &without)
	if err != nil {
		return deleted, q.Token, fmt.Errorf("purge by query: %w", err)
	}
	token := ""
	if more {
		token = pageToken(digest, rows[len(rows)-1].Order)
	}
	if err := without.orNil(); err != nil {
		return deleted, token, fmt.Errorf("purge by query: %w", err)
	}
	return deleted, token, nil
}

// onlyEnded restricts a query to ended instances; false if that leaves nothing.
func onlyEnded(q *engine.Query) bool {
	if len(q.Statuses) == 0 {
		q.Statuses = []model.Status{model.Completed, model.Failed, model.Canceled, model.Terminated}
		return true
	}
	q.Statuses = slices.DeleteFunc(slices.Clone(q.Statuses), func(s model.Status) bool { return !s.Ended() })
	return len(q.Statuses) > 0
}

// purgeRows forgets the instances of a page, each partition's in one event.
func (e *Engine) purgeRows(ctx context.Context, rows []row, without *missing) (deleted int, err error) {
	ords := map[int][]uint64{}
	for _, r := range rows {
		ords[r.from] = append(ords[r.from], r.Ord)
	}
	for id := range e.params.Partitions {
		if len(ords[id]) == 0 {
			continue
		}
		c := newCall()
		c.ev = &partition.Purged{Ords: ords[id], Caller: c}
		if err := e.send(ctx, id, c); err == nil {
			deleted += c.ans.Deleted
		} else if !without.note(id, err) {
			return deleted, err
		}
	}
	return deleted, nil
}

// CleanEntities implements engine.Client.
func (e *Engine) CleanEntities(ctx context.Context, o engine.CleanOptions) (engine.Cleaned, error) {
	q := engine.Query{Entities: true, Token: o.Token, GetOptions: engine.GetOptions{Payloads: true}}
	after, err := e.checkQuery(&q)
	if err != nil {
		return engine.Cleaned{}, fmt.Errorf("clean entities: %w", err)
	}
	if err := e.admit(purgeIntake, 0); err != nil {
		return engine.Cleaned{}, fmt.Errorf("clean entities: %w", err)
	}
	defer e.leave(0)
	var without missing
	rows, more, err := e.page(ctx, &q, after, cleanSlice, &without)
	if err != nil {
		return engine.Cleaned{}, fmt.Errorf("clean entities: %w", err)
	}
	done, err := e.cleanRows(ctx, rows, o, &without)
	if err != nil {
		return done, fmt.Errorf("clean entities: %w", err)
	}
	if more {
		done.Token = pageToken(tokenOf(&q), rows[len(rows)-1].Order)
	}
	if err := without.orNil(); err != nil {
		return done, fmt.Errorf("clean entities: %w", err)
	}
	return done, nil
}

// cleanRows tidies the entities of a page, each partition's in one event.
func (e *Engine) cleanRows(ctx context.Context, rows []row, o engine.CleanOptions, without *missing) (done engine.Cleaned, err error) {
	events := map[int]*partition.Cleaned{}
	at := func(id int) *partition.Cleaned {
		if events[id] == nil {
			events[id] = &partition.Cleaned{}
		}
		return events[id]
	}
	for _, r := range rows {
		ent := r.Instance.Entity
		switch {
		case ent.LockedBy != "":
			orphan, err := e.orphaned(ctx, ent.LockedBy, r.Section)
			if err != nil && !without.note(model.PartitionOf(ent.LockedBy, e.params.Partitions), err) {
				return done, err // a holder that is missing may run on
			}
			if o.ReleaseOrphanedLocks && orphan {
				at(r.from).Orphans = append(at(r.from).Orphans, partition.Orphan{Ord: r.Ord, Section: r.Section})
			}
		case o.RemoveEmpty && ent.State == nil && ent.Backlog == 0:
			at(r.from).Empty = append(at(r.from).Empty, r.Ord)
		}
	}
	for id := range e.params.Partitions {
		ev := events[id]
		if ev == nil {
			continue
		}
		c := newCall()
		c.ev, ev.Caller = ev, c
		if err := e.send(ctx, id, c); err == nil {
			done.Removed += c.ans.Cleaned.Removed
			done.Released += c.ans.Cleaned.Released
		} else if !without.note(id, err) {
			return done, err
		}
	}
	return done, nil
}

// orphaned reports whether the holder of a lock no longer runs the critical
// section that it got the lock for.
func (e *Engine) orphaned(ctx context.Context, holder, section string) (bool, error) {
	i, err := e.Get(ctx, holder, engine.GetOptions{Waits: true})
	if errors.Is(err, engine.ErrNotFound) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	if i.Status.Ended() {
		return true, nil
	}
	return !slices.ContainsFunc(i.Waits.Locks, func(l model.WaitLock) bool { return l.Section == section }), nil
}

// Continuation tokens are opaque to callers. They hold a version, a digest of
// the query that they continue, and where it goes on.
const tokenVersion = 1

func pageToken(digest uint32, order string) string {
	b := []byte{tokenVersion}
	b = append(b, byte(digest>>24), byte(digest>>16), byte(digest>>8), byte(digest))
	return base64.RawURLEncoding.EncodeToString(append(b, order...))
}

func readToken(digest uint32, token string) (order string, err error) {
	if token == "" {
		return "", nil
	}
	b, err := base64.RawURLEncoding.DecodeString(token)
	// The decoder passes over line ends and spare bits: a token has one form.
	if err != nil || len(b) < 5 || b[0] != tokenVersion || base64.RawURLEncoding.EncodeToString(b) != token {
		return "", fmt.Errorf("%w: not a continuation token of this hub", engine.ErrInvalid)
	}
	if got := uint32(b[1])<<24 | uint32(b[2])<<16 | uint32(b[3])<<8 | uint32(b[4]); got != digest {
		return "", fmt.Errorf("%w: the continuation token belongs to another query", engine.ErrInvalid)
	}
	return string(b[5:]), nil
}

// tokenOf digests what must not change from page to page. The page size and
// what is read of each instance may.
func tokenOf(q *engine.Query) uint32 {
	h := fnv.New32a()
	fmt.Fprintf(h, "%t %q %v %q %d %d %d %d", q.Entities, q.Names, q.Statuses, q.IDPrefix,
		q.CreatedFrom, q.CreatedTo, q.UpdatedFrom, q.UpdatedTo)
	for _, k := range slices.Sorted(maps.Keys(q.Tags)) {
		fmt.Fprintf(h, "%q=%q", k, q.Tags[k])
	}
	return h.Sum32()
}
