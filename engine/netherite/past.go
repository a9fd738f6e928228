package netherite

import (
	"context"
	"errors"
	"fmt"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

// pastRead is a history read: where the history was at one position, and the
// store as it was then.
type pastRead struct {
	n    *node
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
		c.past = &pastRead{n: h.n, ref: ref, view: h.n.store.Snapshot()}
	}
	c.answered(h)
}

// closeViews releases what an earlier attempt has opened.
func (c *call) closeViews() {
	if c.past != nil {
		c.past.view.Close()
		c.past = nil
	}
	if c.page != nil {
		c.page.view.Close()
		c.page = nil
	}
}

// history reads a history with the calls that are made for readPast, if h has room
// for it.
func (e *Engine) history(ctx context.Context, id int, h *hold, newRead func() *call) (events []model.Event, err error) {
	err = roomily(ctx, h, func() error {
		return again(ctx, func() error {
			h.again()
			events, err = e.historyOnce(ctx, id, h, newRead())
			return err
		})
	})
	return events, err
}

func (e *Engine) historyOnce(ctx context.Context, id int, h *hold, c *call) (events []model.Event, err error) {
	if err := e.send(ctx, id, c); err != nil {
		return nil, err
	}
	defer c.closeViews()
	if n := c.past.ref.Size(); !h.grow(n) {
		return nil, noRoom{n}
	}
	err = guardedRead(func() (err error) {
		events, err = partition.FetchHistory(reader{c.past.view}, id, c.past.ref)
		return err
	})
	if err != nil {
		return nil, &readError{c.past.n, fmt.Errorf("partition %d: %w", id, err)}
	}
	return events, nil
}

// readError is that a view of a node's store could not be read.
type readError struct {
	n   *node
	err error
}

func (e *readError) Error() string { return e.err.Error() }
func (e *readError) Unwrap() error { return e.err }

// readAttempts is how often the reader of a view tries.
const readAttempts = 3

// again repeats a read of views: what it met may be gone, or the store has died
// and its node is about to be replaced, which the next attempt waits for. That a
// node ended meanwhile does not count as an attempt. Damage stays.
func again(ctx context.Context, read func() error) error {
	for attempt := 1; ; attempt++ {
		err := read()
		failed, ok := errors.AsType[*readError](err)
		switch {
		case !ok || isDamage(err):
			return err
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, substrate.ErrFailed):
			failed.n.fail(fmt.Errorf("read from the store: %w", failed.err))
		case failed.n.dead.Load():
			attempt--
		}
		if attempt == readAttempts {
			return err
		}
	}
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
