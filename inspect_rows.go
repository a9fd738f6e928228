package netherite

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// rows reads what the rows of whole partitions say.
func (r *Report) rows(opts pebblestore.Options) error {
	view, err := pebblestore.OpenView(opts)
	if err != nil {
		return err
	}
	defer view.Close()
	at := &lastRow{View: view}
	err = core.KnownRows(func(key []byte) ([]byte, error) { return at.Get(substrate.Main, key) }, r.Partitions)
	if errors.Is(err, engine.ErrNewerFormat) {
		r.lost[-1] = true
		return r.row(at, "version", err, -1)
	}
	for p := range r.Partitions {
		if r.lost[p] {
			continue
		}
		if err := r.partition(at, p); err != nil {
			return err
		}
	}
	return nil
}

// mostRows is how many rows of one partition are named one by one.
const mostRows = 16

// partition reads what the rows of one partition say.
func (r *Report) partition(at *lastRow, p int) error {
	var newer, unread error
	named := 0
	bad := func(err error) {
		r.lost[p] = true
		if !errors.Is(err, engine.ErrNewerFormat) {
			if named++; named <= mostRows {
				unread = errors.Join(unread, r.row(at, "chain", err, p))
			}
		} else if newer == nil { // once, though it may be all of the rows
			newer = err
			unread = errors.Join(unread, r.row(at, "version", err, p))
		}
	}
	note, err := core.ReadSideNote(at, p)
	if err != nil {
		bad(err)
	}
	r.notes[p], r.noted[p] = note, err == nil
	err = core.CheckPartition(at, p, r.Partitions, bad)
	if more := named - mostRows; more > 0 {
		r.damaged(storeName, &substrate.Damage{Kind: "chain", Detail: fmt.Sprintf("%d more things do not fit in the rows of partition %d", more, p)}, p)
	}
	return errors.Join(err, unread)
}

// row notes that something is wrong with the row that was read last, or, if that was
// in order, with several together.
func (r *Report) row(at *lastRow, kind string, what error, partition int) error {
	d := &substrate.Damage{Kind: kind, Detail: what.Error()}
	if at.blames(what) {
		file, offset, err := at.Place(at.space, at.key)
		if err != nil {
			return err
		}
		d.File, d.Offset = file, offset
		d.Detail += fmt.Sprintf(" (the row with the key %x)", at.key)
	}
	r.damaged(storeName, d, partition)
	return nil
}

// lastRow is a store of which one can tell the row that was read last: the one that was
// asked for, or the one at which somebody has ended a scan.
type lastRow struct {
	*pebblestore.View
	space substrate.Space
	key   []byte // nil: there is none
}

var _ substrate.Reader = (*lastRow)(nil)

// Get implements substrate.Reader.
func (l *lastRow) Get(space substrate.Space, key []byte) ([]byte, error) {
	l.space, l.key = space, bytes.Clone(key)
	return l.View.Get(space, key)
}

// Scan implements substrate.Reader.
func (l *lastRow) Scan(space substrate.Space, low, high []byte, f func(key, value []byte) bool) error {
	l.space, l.key = space, nil
	return l.View.Scan(space, low, high, func(key, value []byte) bool {
		if f(key, value) {
			return true
		}
		l.key = bytes.Clone(key)
		return false
	})
}

// blames reports whether an error is about the last row. A history is read up to a chunk
// that is not of it any more: that one is in order, whatever is missing before.
func (l *lastRow) blames(err error) bool {
	return l.key != nil && (l.space == substrate.Main || errors.Is(err, model.ErrMalformed) || errors.Is(err, engine.ErrNewerFormat))
}
