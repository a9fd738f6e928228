package netherite

import (
	"context"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// pastRead is a history read: where the history was at one position, and the
// store as it was then.
type pastRead struct {
	ref  partition.HistoryRef
	view substrate.Snapshot
}

// readPast notes where an instance's history is; the caller reads it.
func readPast(h *host, c *call) {
	ref, ok := h.state.HistoryOf(c.key)
	if !ok {
		c.ans.Err = engine.ErrNotFound
	} else {
		c.closeViews()
		c.past = pastRead{ref: ref, view: h.n.store.Snapshot()}
	}
	c.answered(h)
}

// closeViews releases what an earlier attempt has opened.
func (c *call) closeViews() {
	if c.past.view != nil {
		c.past.view.Close()
		c.past.view = nil
	}
	if c.page.view != nil {
		c.page.view.Close()
		c.page.view = nil
	}
}

// history reads a history with a call made for readPast.
func (e *Engine) history(ctx context.Context, id int, c *call) ([]model.Event, error) {
	if err := e.send(ctx, id, c); err != nil {
		return nil, err
	}
	defer c.closeViews()
	var events []model.Event
	err := guardedRead(func() (err error) {
		events, err = partition.FetchHistory(reader{c.past.view}, id, c.past.ref)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("partition %d: %w", id, err)
	}
	return events, nil
}

// reader is a store, or a view of it, as the partition reads it.
type reader struct{ r substrate.Reader }

func space(main bool) substrate.Space {
	if main {
		return substrate.Main
	}
	return substrate.History
}

func (s reader) Get(main bool, key []byte) ([]byte, error) { return s.r.Get(space(main), key) }

func (s reader) Scan(main bool, low, high []byte, f func(key, value []byte) bool) error {
	return s.r.Scan(space(main), low, high, f)
}

// writer is a batch as the partition writes it.
type writer struct{ b substrate.Batch }

func (w writer) SetMain(key, value []byte)           { w.b.Set(substrate.Main, key, value) }
func (w writer) DeleteMain(key []byte)               { w.b.Delete(substrate.Main, key) }
func (w writer) DeleteMainRange(low, high []byte)    { w.b.DeleteRange(substrate.Main, low, high) }
func (w writer) SetHistory(key, value []byte)        { w.b.Set(substrate.History, key, value) }
func (w writer) DeleteHistoryRange(low, high []byte) { w.b.DeleteRange(substrate.History, low, high) }
