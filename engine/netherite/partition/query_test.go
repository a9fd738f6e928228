package partition

import "github.com/netherite-go/netherite/engine"

// runQuery returns up to limit rows behind after, in order.
func runQuery(r Reader, partition int, q *engine.Query, after string, limit int, o *Overlay, stop func() bool) ([]Row, error) {
	var rows []Row
	f := NewResults(r, partition, q, after, o)
	for len(rows) < limit {
		row, err := f.Next(stop)
		if err != nil || row == nil {
			return rows, err
		}
		rows = append(rows, *row)
	}
	return rows, nil
}
