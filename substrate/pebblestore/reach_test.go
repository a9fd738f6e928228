package pebblestore_test

import (
	"errors"
	"math/rand/v2"
	"path"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite/internal/leaktest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// openReaching opens a store whose log has come as far as reach says.
func openReaching(t testing.TB, fs vfs.FS, reach func() substrate.Reach) *pebblestore.Store {
	t.Helper()
	s, err := pebblestore.Open(pebblestore.Options{Create: true, FS: fs, Dir: dir, MemoryBytes: 4 << 20, Reached: reach})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// reachedOf reads the note of a store that nobody has open.
func reachedOf(opts pebblestore.Options) (substrate.Reach, error) {
	view, err := pebblestore.OpenView(opts)
	if err != nil {
		return substrate.Reach{}, err
	}
	defer view.Close()
	return view.Reached(), nil
}

// noted is what a store on files notes of its log.
func noted(t testing.TB, fs vfs.FS) substrate.Reach {
	t.Helper()
	opts := pebblestore.Options{FS: fs, Dir: dir}
	known, err := reachedOf(opts)
	if err != nil {
		t.Fatal(err)
	}
	verified, err := pebblestore.Verify(opts, nil)
	if err != nil || len(verified.Damage) > 0 || verified.Reached != known {
		t.Fatalf("%+v, verify: %+v, %v", known, verified, err)
	}
	left, err := pebblestore.Salvage(opts, false)
	if err != nil {
		t.Fatal(err)
	}
	if r, err := left.Reached(); err != nil || r != known {
		t.Fatalf("%+v, salvage: %+v, %v", known, r, err)
	}
	return known
}

func TestStoreNotesHowFarTheLogHasCome(t *testing.T) {
	leaktest.StoresDie(t)
	fs := faultfs.New()
	now := substrate.Reach{Incarnation: 1}
	reach := func() substrate.Reach { return now }
	expect := func(when string, want substrate.Reach) {
		t.Helper()
		if got := noted(t, fs.CrashClone(faultfs.Crash{})); got != want {
			t.Errorf("%s: %+v, want %+v", when, got, want)
		}
	}
	s := openReaching(t, fs, reach)
	expect("opened", now)
	now.Durable = 10
	if err := errors.Join(applyNumbered(s, 1), s.Flush()); err != nil {
		t.Fatal(err)
	}
	expect("flushed", now)
	syncs, was := fs.Count(faultfs.OpSync), now
	now.Durable = 20
	if err := s.Flush(); err != nil || fs.Count(faultfs.OpSync) != syncs {
		t.Errorf("a flush of nothing has made a sync: %v", err)
	}
	expect("nothing to flush", was)
	if _, err := s.Export("/hub/copy"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	expect("closed", substrate.Reach{Incarnation: 1, Durable: 20, Closed: true})
	now.Incarnation = 2
	s = openReaching(t, fs, reach)
	expect("opened again", now)
	s.Die()
	_ = s.Close()
	s = openReaching(t, fs, reach)
	syncs = fs.Count(faultfs.OpSync)
	s.Abandon()
	if fs.Count(faultfs.OpSync) != syncs {
		t.Error("an abandoned store was written to")
	}
	expect("abandoned", now)
	plain, err := open(fs, dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(applyNumbered(plain, 2), plain.Close()); err != nil {
		t.Fatal(err)
	}
	expect("opened without its log", now)
}

// Whatever a crash leaves, the store knows of no more than the log had told it.
func TestNoteOfTheLogIsTrueAfterACrashAtAnyOperation(t *testing.T) {
	fs := faultfs.New()
	var mu sync.Mutex
	now := substrate.Reach{Incarnation: 1}
	type moment struct {
		fs   *faultfs.FS
		told substrate.Reach
	}
	var left []moment
	rng := rand.New(rand.NewPCG(4, 4))
	n := 0
	fs.SetFault(func(op faultfs.Op) error {
		mu.Lock()
		defer mu.Unlock()
		if n++; n%5 == 0 && op.Kind != faultfs.OpRead && op.Kind != faultfs.OpOpen {
			left = append(left, moment{fs.CrashClone(faultfs.Crash{Rand: rng, KeepSectors: rng.Float64(), KeepNames: 1}), now})
		}
		return nil
	})
	for range 3 {
		s := openReaching(t, fs, func() substrate.Reach { mu.Lock(); defer mu.Unlock(); return now })
		for i := range 6 {
			mu.Lock()
			now.Durable += 100
			mu.Unlock()
			if err := errors.Join(applyNumbered(s, i+1), s.Flush()); err != nil {
				t.Fatal(err)
			}
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		mu.Lock()
		now.Incarnation++
		mu.Unlock()
	}
	fs.SetFault(nil)
	some := 0
	for _, m := range left {
		found, err := reachedOf(pebblestore.Options{Create: true, FS: m.fs, Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if found.Incarnation > m.told.Incarnation || found.Durable > m.told.Durable {
			t.Fatalf("%+v is noted, %+v was told", found, m.told)
		}
		if found.Durable > 0 {
			some++
		}
	}
	if some < 30 {
		t.Errorf("only %d of %d crashes left a note", some, len(left))
	}
}

// The note is not worth an opening that fails.
func TestOpeningOnAFullDiskNotesTheLogLater(t *testing.T) {
	fs := faultfs.New()
	now := substrate.Reach{Incarnation: 1}
	reach := func() substrate.Reach { return now }
	if err := openReaching(t, fs, reach).Close(); err != nil {
		t.Fatal(err)
	}
	was := noted(t, fs)
	now = substrate.Reach{Incarnation: 2, Durable: 7}
	fs.SetFault(func(op faultfs.Op) error {
		if op.Kind == faultfs.OpCreate && path.Base(op.Path) == "opened.tmp" {
			return syscall.ENOSPC
		}
		return nil
	})
	s := openReaching(t, fs, reach)
	if got := noted(t, fs.CrashClone(faultfs.Crash{})); got != was {
		t.Errorf("%+v, want %+v", got, was)
	}
	fs.SetFault(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := noted(t, fs); !got.Closed || got.Durable != 7 {
		t.Errorf("%+v", got)
	}
}
