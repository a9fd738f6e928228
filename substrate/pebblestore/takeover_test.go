package pebblestore_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"sync/atomic"
	"testing"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

var errTaken = errors.New("somebody else has opened the hub")

// takeover is a store that is taken over while it changes a file.
type takeover struct {
	fs    *faultfs.FS
	at    int64 // which change
	done  atomic.Int64
	after atomic.Pointer[faultfs.Op] // a later one
}

func (o *takeover) owned() error {
	if o.done.Load() >= o.at {
		return errTaken
	}
	return nil
}

// watch counts changes of files that somebody else may have. What is written to a
// table that no manifest names yet is nobody else's, and the bytes of the files that
// only take up space do not matter.
func (o *takeover) watch(op faultfs.Op) error {
	switch op.Kind {
	case faultfs.OpRead, faultfs.OpOpen, faultfs.OpList, faultfs.OpMkdir, faultfs.OpSync, faultfs.OpSyncDir:
		return nil
	case faultfs.OpWrite:
		if name := path.Base(op.Path); path.Ext(name) == ".sst" || name == "spare" || name == "ballast" {
			return nil
		}
	}
	if o.done.Add(1) > o.at {
		o.after.Store(&op)
	}
	return nil
}

// work applies and flushes five batches, and says how many were flushed.
func (o *takeover) work() (flushed int, err error) {
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: o.fs, Dir: dir, MemoryBytes: 4 << 20, BallastBytes: 64 << 10, Owned: o.owned})
	if err != nil {
		return 0, err
	}
	for i := 1; i <= 5 && err == nil; i++ {
		if err = applySmall(s, i); err == nil {
			err = s.Flush()
		}
		if err == nil {
			flushed = i
		}
	}
	s.ReleaseBallast()
	if closed := s.Close(); err == nil {
		err = closed
	}
	return flushed, err
}

// applySmall is applyNumbered with batches for which Pebble starts nothing by itself.
func applySmall(s substrate.Store, i int) error {
	b := s.NewBatch()
	b.Set(substrate.Main, fmt.Appendf(nil, "row%04d", i), fmt.Appendf(nil, "%d", i))
	b.Set(substrate.History, fmt.Appendf(nil, "chunk%04d", i), make([]byte, 1000))
	if i > 3 {
		b.Delete(substrate.Main, fmt.Appendf(nil, "row%04d", i-3))
		b.Delete(substrate.History, fmt.Appendf(nil, "chunk%04d", i-3))
	}
	return s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(i)})
}

// The lock of the directory keeps others out. Where it does not hold, one of them may
// take the store over at any moment.
func TestStoreThatIsTakenOverChangesNoFileAnyMore(t *testing.T) {
	leaktest.StoresDie(t)
	const many = 60
	reached := false
	for at := int64(1); at == 1 || reached; at++ {
		o := &takeover{fs: faultfs.New(), at: at}
		o.fs.SetFault(o.watch)
		flushed, err := o.work()
		if op := o.after.Load(); op != nil {
			t.Errorf("taken over at change %d, it changes more: %v", at, *op)
		}
		if reached = o.done.Load() >= at; !reached && at < many {
			t.Errorf("%d changes in all are too few to show much", at)
		}
		if err != nil && (!errors.Is(err, errTaken) || !errors.Is(err, substrate.ErrFailed)) {
			t.Errorf("taken over at change %d: %v", at, err)
		}
		o.fs.SetFault(nil)
		if err := (&crashed{fs: o.fs, floor: flushed}).check(); err != nil {
			t.Errorf("taken over at change %d: %v", at, err)
		}
		if r := verify(t, o.fs); len(r.Damage) > 0 {
			t.Errorf("taken over at change %d: %v", at, r.Damage)
		}
	}
}

// A flush writes in blocks, and syncs often: a look at each would cost more than it
// is worth.
func TestLooksAreFewForWhatIsWritten(t *testing.T) {
	var looks atomic.Int64
	s, err := pebblestore.Open(pebblestore.Options{Create: true, Dir: t.TempDir(), Owned: func() error { looks.Add(1); return nil }})
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(1, 1))
	before, written := looks.Load(), s.Stats().WrittenBytes
	for i := range 4 {
		b := s.NewBatch()
		for j := range 2000 {
			b.Set(substrate.History, fmt.Appendf(nil, "%d-%06d", i, j), row(rng, 620))
		}
		if err := s.Apply(b, 0, substrate.Stamp{Offset: substrate.Offset(i)}); err != nil {
			t.Fatal(err)
		}
		if err := s.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	per := float64(looks.Load()-before) / 4
	t.Logf("%.0f looks for a flush of %d bytes", per, (s.Stats().WrittenBytes-written)/4)
	if per > 40 {
		t.Errorf("%.0f looks for a flush", per)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
