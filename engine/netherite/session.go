package netherite

import (
	"context"
	"sync"

	"github.com/netherite-go/netherite/engine/netherite/partition"
)

// session is this opening of the hub as a client: 16 random bytes, and for each
// partition a dense counter of requests.
type session struct {
	id      [16]byte
	windows []window // by partition
}

// window numbers the requests to one partition and knows which are resolved. At
// most partition.SessionWindow of them are unresolved: who wants more waits.
type window struct {
	mu    sync.Mutex
	next  uint64 // to be assigned
	floor uint64 // all below are resolved
	done  [partition.SessionWindow / 64]uint64
	moved chan struct{} // closed when the floor rises; nil if nobody waits
}

func newSession(id [16]byte, partitions int) *session {
	s := &session{id: id, windows: make([]window, partitions)}
	for i := range s.windows {
		s.windows[i].next, s.windows[i].floor = 1, 1
	}
	return s
}

// roomy reports whether open would not wait.
func (w *window) roomy() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.next-w.floor < partition.SessionWindow
}

// open assigns the next request number.
func (w *window) open(ctx context.Context) (seq uint64, err error) {
	w.mu.Lock()
	for w.next-w.floor >= partition.SessionWindow {
		if w.moved == nil {
			w.moved = make(chan struct{})
		}
		moved := w.moved
		w.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return 0, ctx.Err()
		}
		w.mu.Lock()
	}
	seq = w.next
	w.next++
	w.mu.Unlock()
	return seq, nil
}

// lowest is the floor to send along with a request.
func (w *window) lowest() uint64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.floor
}

// resolve notes that nobody will send the request again.
func (w *window) resolve(seq uint64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := uint64(len(w.done))
	w.done[seq/64%n] |= 1 << (seq % 64)
	before := w.floor
	for w.floor < w.next && w.done[w.floor/64%n]>>(w.floor%64)&1 != 0 {
		w.done[w.floor/64%n] &^= 1 << (w.floor % 64)
		w.floor++
	}
	if w.floor > before && w.moved != nil {
		close(w.moved)
		w.moved = nil
	}
}
