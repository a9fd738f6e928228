package netherite_test

import (
	"context"
	"errors"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// readWard is a ward that is asked before a view of its store is read.
type readWard struct {
	*ward
	views *ending
}

func (w *readWard) OpenStore(bytes int64) (substrate.Store, error) {
	s, err := w.ward.OpenStore(bytes)
	return &endingStore{s, w.views}, err
}

// Nobody waits for a client that has what it reads from already, and it is no fault of
// the hub that it is closed then.
func TestHubIsClosedWhileAClientReads(t *testing.T) {
	storage := &readWard{&ward{fs: faultfs.New()}, &ending{before: func() error { return nil }}}
	e := openHub(t, storage)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	closed := errors.New("no view was read")
	var once sync.Once
	storage.views.before = func() error {
		once.Do(func() { closed = e.Close(now) })
		return nil
	}
	if _, err := e.Query(t.Context(), engine.Query{}); !errors.Is(err, engine.ErrClosed) {
		t.Errorf("a query of a hub that was closed meanwhile: %v", err)
	}
	if closed != nil {
		t.Errorf("close: %v", closed)
	}
}
