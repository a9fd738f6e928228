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
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
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

// Query implements engine.Client.
func (e *Engine) Query(ctx context.Context, q engine.Query) (engine.Page, error) {
	limit := cmp.Or(q.PageSize, defaultPage)
	after, err := e.checkQuery(&q)
	if err == nil && (limit < 1 || limit > maxPage) {
		err = fmt.Errorf("%w: page size %d, want 1 to %d", engine.ErrInvalid, limit, maxPage)
	}
	if err == nil && q.MaxBytes < 0 {
		err = fmt.Errorf("%w: a page of at most %d bytes", engine.ErrInvalid, q.MaxBytes)
	}
	if err != nil {
		return engine.Page{}, fmt.Errorf("query: %w", err)
	}
	var without missing
	h := &hold{room: e.reads.pages}
	rows, more, err := e.admitted(ctx, &q, partition.Bound{After: after, Rows: limit, Bytes: pageBytes(q.MaxBytes)}, h, &without)
	if err != nil {
		h.release()
		return engine.Page{}, fmt.Errorf("query: %w", err)
	}
	defer h.keep(ctx)
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

// admitted is page for a client: only so many are read at a time.
func (e *Engine) admitted(ctx context.Context, q *engine.Query, b partition.Bound, h *hold, without *missing) ([]row, bool, error) {
	if err := e.reads.underWay.take(ctx, 1); err != nil {
		return nil, false, err
	}
	defer e.reads.underWay.free(1)
	return e.page(ctx, q, b, h, without)
}

// pageBytes is the bound of a page in bytes.
func pageBytes(asked int) int {
	if asked == 0 {
		return engine.MaxPageBytes
	}
	return min(asked, engine.MaxPageBytes)
}

// slice is the bound of what the hub itself, or a purge, looks at in one go.
func slice(after string, rows int) partition.Bound {
	return partition.Bound{After: after, Rows: rows, Bytes: engine.MaxPageBytes}
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
	if q.Entities {
		q.Names, q.IDPrefix = typesOf(q.Names), model.CanonicalID(q.IDPrefix)
	}
	return readToken(tokenOf(q), q.Token)
}

// typesOf are types of entities as they are kept, in lower case, each once.
func typesOf(names []string) []string {
	types := make([]string, len(names))
	for i, n := range names {
		types[i] = strings.ToLower(n)
	}
	slices.Sort(types)
	return slices.Compact(types)
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
	rows, more, err := e.page(ctx, &q, slice(after, purgeSlice), nil, &without)
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
	q := engine.Query{Entities: true, Token: o.Token}
	after, err := e.checkQuery(&q)
	if err != nil {
		return engine.Cleaned{}, fmt.Errorf("clean entities: %w", err)
	}
	if err := e.admit(purgeIntake, 0); err != nil {
		return engine.Cleaned{}, fmt.Errorf("clean entities: %w", err)
	}
	defer e.leave(0)
	var without missing
	rows, more, err := e.page(ctx, &q, slice(after, cleanSlice), nil, &without)
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
		case o.RemoveEmpty && !ent.HasState && ent.Backlog == 0:
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
