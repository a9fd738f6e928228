package partition

import (
	"math"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// runQuery returns up to limit rows behind after, in order.
func runQuery(r Reader, partition int, q *engine.Query, after string, limit int, o *Overlay, stop func() bool) ([]Row, error) {
	var rows []Row
	f := NewResults(r, partition, q, after, o)
	for len(rows) < limit {
		if _, ok, err := f.Head(stop); err != nil || !ok {
			return rows, err
		}
		row, err := f.Take()
		if err != nil {
			return rows, err
		}
		if row != nil {
			rows = append(rows, *row)
		}
	}
	return rows, nil
}

// everything does not bound what comes behind after.
func everything(after string) Bound {
	return Bound{After: after, Rows: math.MaxInt, Bytes: math.MaxInt}
}

// counted counts the rows that are read one by one.
type counted struct {
	Reader
	gets int
}

func (c *counted) Get(main bool, key []byte) ([]byte, error) {
	c.gets++
	return c.Reader.Get(main, key)
}

// Whoever looks for what failed, under a prefix, does not want to wait until all
// that runs was looked at.
func TestRareStatusesAreFoundWithoutReadingTheOthers(t *testing.T) {
	p := newOne(t)
	p.startAll(50)
	p.apply(&Command{Op: OpTerminate, Instance: "i7"})
	p.checkpoint()
	q := &engine.Query{Statuses: []model.Status{model.Failed, model.Terminated}, IDPrefix: "i"}
	r := &counted{Reader: p.store.snapshot()}
	rows, err := runQuery(r, p.id, q, "", 100, p.state.Overlay(q, everything("")), func() bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 1 || rows[0].Instance.ID != "i7" || r.gets > 1 {
		t.Errorf("%d rows, %d reads, want i7 and one read", len(rows), r.gets)
	}
}
