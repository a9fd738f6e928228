package durabletask

import (
	"cmp"
	"context"
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// defaultIDs is how many IDs a page has if the caller does not say.
const defaultIDs = 100

// ListInstanceIds answers with a page of the IDs of orchestrations that have
// ended, within a window of the time when they did, in the order of that time and
// for equal times of the ID. There is no index of that order: each page looks at
// all that the window and the statuses leave.
func (s *Service) ListInstanceIds(ctx context.Context, q *wire.ListInstanceIdsRequest) (*wire.ListInstanceIdsResponse, error) {
	client, err := s.client(ctx)
	if err != nil {
		return nil, err
	}
	// What ended then was not updated before.
	query := engine.Query{UpdatedFrom: from(q.GetCompletedTimeFrom()), PageSize: maxPage}
	if query.Statuses, err = statusesOf(q.GetRuntimeStatus()); err != nil {
		return nil, err
	}
	if query.Statuses = ended(query.Statuses); len(query.Statuses) == 0 {
		return &wire.ListInstanceIdsResponse{}, nil
	}
	least := leastEnds{limit: cmp.Or(pageSize(q.GetPageSize()), defaultIDs), from: query.UpdatedFrom, to: to(q.GetCompletedTimeTo())}
	if least.after, err = readEnd(q.GetLastInstanceKey().GetValue()); err != nil {
		return nil, err
	}
	for {
		page, err := client.Query(ctx, query)
		if err != nil {
			return nil, statusOf(err)
		}
		for _, i := range page.Instances {
			least.add(anEnd{i.Completed, i.ID})
		}
		if query.Token = page.Token; page.Token == "" {
			return least.answer(), nil
		}
	}
}

// ended are the statuses of a list that are final; all of them if it is empty.
func ended(list []model.Status) (out []model.Status) {
	if len(list) == 0 {
		list = model.Statuses()
	}
	for _, m := range list {
		if m.Ended() {
			out = append(out, m)
		}
	}
	return out
}

// anEnd is when an orchestration ended, and which.
type anEnd struct {
	at model.Time
	id string
}

func compareEnds(a, b anEnd) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.id, b.id)) }

// leastEnds keeps the first ends of a window behind another one. It has room for
// twice as many as are wanted, so that they are sorted seldom.
type leastEnds struct {
	limit    int
	from, to model.Time
	after    anEnd
	list     []anEnd
	more     bool
}

func (l *leastEnds) add(e anEnd) {
	if e.at < l.from || l.to != 0 && e.at >= l.to || compareEnds(e, l.after) <= 0 {
		return
	}
	if l.list = append(l.list, e); len(l.list) >= 2*l.limit {
		l.cut()
	}
}

func (l *leastEnds) cut() {
	slices.SortFunc(l.list, compareEnds)
	if len(l.list) > l.limit {
		l.list, l.more = l.list[:l.limit], true
	}
}

func (l *leastEnds) answer() *wire.ListInstanceIdsResponse {
	l.cut()
	r := &wire.ListInstanceIdsResponse{}
	for _, e := range l.list {
		r.InstanceIds = append(r.InstanceIds, e.id)
	}
	if n := len(l.list); n > 0 && l.more {
		r.LastInstanceKey = tokenOf(l.list[n-1].key())
	}
	return r
}

// key says where the next page begins. SDKs expect to find the last ID in it.
func (e anEnd) key() string {
	b := binary.BigEndian.AppendUint64(nil, uint64(e.at))
	return base64.RawURLEncoding.EncodeToString(b) + "." + e.id
}

// readEnd is the inverse of key; empty is before all.
func readEnd(key string) (anEnd, error) {
	if key == "" {
		return anEnd{}, nil
	}
	at, id, ok := strings.Cut(key, ".")
	b, err := base64.RawURLEncoding.DecodeString(at)
	if !ok || err != nil || len(b) != 8 {
		return anEnd{}, invalid("%.40q is not the key of an instance: it is what an earlier answer gave as its last instance key", key)
	}
	return anEnd{model.Time(binary.BigEndian.Uint64(b)), id}, nil
}
