package netherite

import (
	"context"
	"fmt"
	"sync"

	"github.com/netherite-go/netherite/engine"
)

// turn lets one backup of a hub be made at a time, and none once the hub is closed. A
// backup works in the hub's directory, and that may be open again right after.
type turn struct {
	mu     sync.Mutex
	over   bool
	taken  chan struct{} // closed when the backup has ended; nil while there is none
	cancel context.CancelCauseFunc
}

// begin takes the turn, until release is called. The context is the backup's.
func (t *turn) begin(ctx context.Context) (_ context.Context, release func(), err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.over {
		return nil, nil, engine.ErrClosed
	}
	if t.taken != nil {
		return nil, nil, underWay{}
	}
	ctx, cancel := context.WithCancelCause(ctx)
	taken := make(chan struct{})
	t.taken, t.cancel = taken, cancel
	return ctx, func() {
		t.mu.Lock()
		t.taken, t.cancel = nil, nil
		t.mu.Unlock()
		cancel(nil)
		close(taken)
	}, nil
}

// end lets no other backup begin, cancels the one that is under way, and waits for it.
func (t *turn) end() {
	t.mu.Lock()
	t.over = true
	taken, cancel := t.taken, t.cancel
	t.mu.Unlock()
	if taken != nil {
		cancel(fmt.Errorf("%w meanwhile", engine.ErrClosed))
		<-taken
	}
}
