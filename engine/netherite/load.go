package netherite

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite/partition"
	"github.com/netherite-go/netherite/internal/mark"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
)

const (
	// What is slower than this per key comes from a disk rather than a cache,
	// and is worth a goroutine.
	slowFetch    = 30 * time.Microsecond
	fetchAtOnce  = 8
	fetchProbe   = 4
	maxPanicText = 16 << 10
)

// loadError marks a panic that means that something could not be read.
type loadError struct{ err error }

func (e loadError) Error() string { return fmt.Sprintf("load: %v", e.err) }
func (e loadError) Unwrap() error { return e.err }

// load brings all that a batch touches into memory before its first Step.
func (h *host) load(work []input) error {
	b := &h.batch
	b.keys = b.keys[:0]
	for i := range work {
		switch in := &work[i]; {
		case in.ev != nil:
			if start, ok := in.ev.(*partition.Start); ok && start.Unused {
				h.state.KnowAbsent(start.Request.Instance)
			}
			b.keys = in.ev.Keys(b.keys)
		case in.call != nil && in.call.key != (partition.Key{}):
			b.keys = append(b.keys, in.call.key)
		}
	}
	return h.loadKeys(b.keys)
}

// loadKeys loads those of the keys that are not known in memory: one after the
// other while that is fast, else several at a time.
func (h *host) loadKeys(keys []partition.Key) error {
	b := &h.batch
	b.missing = h.state.Missing(b.missing[:0], keys)
	if len(b.missing) == 0 {
		return h.mirror(keys)
	}
	h.n.e.metrics.loads.Add(int64(len(b.missing)))
	r := reader{h.n.store}
	began := h.n.clock.Mono()
	for i, k := range b.missing {
		if i == fetchProbe && h.n.clock.Mono()-began > fetchProbe*slowFetch {
			if err := h.loadParallel(r, b.missing[i:]); err != nil {
				return err
			}
			break
		}
		mark.Hit(mark.LoadedFromStore)
		l, err := partition.Fetch(r, h.id, k)
		if err != nil {
			return err
		}
		h.state.Install(l)
	}
	if h.replica != nil {
		h.replica.loaded(h.state, b.missing)
	}
	return h.mirror(keys)
}

// loadParallel fetches keys several at a time and installs them in their order.
func (h *host) loadParallel(r partition.Reader, keys []partition.Key) error {
	loaded := make([]*partition.Loaded, len(keys))
	errs := make([]error, len(keys))
	var wg sync.WaitGroup
	for first := range min(fetchAtOnce, len(keys)) {
		wg.Go(func() {
			for i := first; i < len(keys); i += fetchAtOnce {
				errs[i] = guarded(func() (err error) {
					loaded[i], err = partition.Fetch(r, h.id, keys[i])
					return err
				})
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	for _, l := range loaded {
		h.state.Install(l)
	}
	return nil
}

// mirror keeps the replica of the replay checker as complete as the state.
func (h *host) mirror(keys []partition.Key) error {
	if h.replica == nil {
		return nil
	}
	return h.replica.load(h.state, keys)
}

// broken handles that something could not be read. Damage parks this partition;
// anything else, such as a disk error or a store that has died, may go away when
// the node is recovered.
func (h *host) broken(err error) {
	if isDamage(err) {
		h.park(err)
		return
	}
	h.n.fail(fmt.Errorf("partition %d: read from the store: %w", h.id, err))
}

func isDamage(err error) bool {
	return errors.Is(err, substrate.ErrDamaged) || errors.Is(err, engine.ErrDamaged) ||
		errors.Is(err, model.ErrMalformed) || errors.Is(err, engine.ErrNewerFormat)
}
