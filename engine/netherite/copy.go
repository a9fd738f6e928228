package netherite

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/planted"
	"github.com/netherite-go/netherite/substrate"
)

// keeping counts those who copy log and store of a node: meanwhile nothing of
// the log is trimmed and no side file is removed, so that a copy of the store
// that is taken first and a copy of the log that is taken later fit together.
type keeping struct {
	mu    sync.Mutex
	count int
}

// begin waits for what is being let go, or saved for a parked partition: as long as it
// takes to write that.
func (k *keeping) begin() {
	k.mu.Lock()
	k.count++
	k.mu.Unlock()
}

func (k *keeping) end() {
	k.mu.Lock()
	k.count--
	k.mu.Unlock()
}

// unless calls f if nobody copies, and keeps them waiting until it returns. It
// reports whether it did.
func (k *keeping) unless(f func()) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.count > 0 && !planted.CopyTrimmed {
		return false
	}
	f()
	return true
}

// Copy calls f with the log and the store of the running hub, which goes on
// meanwhile. A copy of the store that f makes, and then one of the log, are the
// hub as a crash between the two would leave it, with all that was acknowledged
// before the call; side files, of which none is changed meanwhile, may be copied at
// any moment after the store.
//
// An error says that the copies are worth nothing: f's own, or
// engine.ErrUnavailable because the hub failed meanwhile, or is somebody else's.
func (e *Engine) Copy(ctx context.Context, f func(substrate.Log, substrate.Store) error) error {
	if err := e.open(); err != nil {
		return fmt.Errorf("copy the hub: %w", err)
	}
	if !e.gate.enter() {
		return fmt.Errorf("copy the hub: %w", engine.ErrClosed)
	}
	defer e.gate.leave()
	n, err := e.running(ctx, true)
	if err != nil {
		return fmt.Errorf("copy the hub: %w", err)
	}
	n.keeping.begin()
	defer n.keeping.end()
	if err = f(n.wal, n.store); err == nil {
		if err = n.owned(); err != nil { // others may have acknowledged more than there is in it
			n.fail(err)
		}
	}
	select {
	case <-n.failed:
		return fmt.Errorf("copy the hub: %w: it failed meanwhile and recovers, try again: %w", engine.ErrUnavailable, errors.Join(n.failure(), err))
	default:
	}
	if err != nil {
		return fmt.Errorf("copy the hub: %w", storageError(err))
	}
	return nil
}
