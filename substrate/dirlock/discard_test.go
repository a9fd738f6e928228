package dirlock

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

func names(t *testing.T, dir string) (list []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func TestADirectoryThatDoesNotFitStaysAsItIs(t *testing.T) {
	dir, unfit := t.TempDir(), errors.New("somebody else's")
	if _, err := AcquireIf(dir, func() error { return unfit }); err != unfit {
		t.Fatal(err)
	}
	if left := names(t, dir); left != nil {
		t.Errorf("left: %v", left)
	}
	if _, err := AcquireIf(filepath.Join(dir, "new"), func() error { return unfit }); err != unfit || names(t, dir) != nil {
		t.Errorf("a new one: %v, %v", err, names(t, dir))
	}
	asked := 0
	_, err := AcquireIf(filepath.Join(dir, "new"), func() error {
		if asked++; asked == 2 { // somebody put it there meanwhile
			return unfit
		}
		return nil
	})
	if left := names(t, dir); !errors.Is(err, unfit) || left != nil && runtime.GOOS != "windows" {
		t.Errorf("that does not fit under the lock: %v, left %v", err, left)
	}
}

func TestDiscardLeavesWhatWasThereBefore(t *testing.T) {
	dir := t.TempDir()
	for range 2 { // with its file, and without
		l, err := Acquire(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "kept"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		if l, err = Acquire(dir); err != nil {
			t.Fatal(err)
		}
		if err := l.Discard(); err != nil {
			t.Fatal(err)
		}
		if got := names(t, dir); len(got) != 2 || got[0] != lockName || got[1] != "kept" {
			t.Errorf("left: %v", got)
		}
	}
}

// TestNobodyHasALockThatIsDiscardedUnderHim: many take and discard a lock; no two have it
// at a time, although its file goes between the opening of one and his locking it.
func TestNobodyHasALockThatIsDiscardedUnderHim(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "hub")
	var inside, taken atomic.Int64
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range 200 {
				l, err := Acquire(dir)
				if errors.Is(err, ErrHeld) {
					continue
				}
				if err != nil {
					t.Error(err)
					return
				}
				if taken.Add(1); inside.Add(1) != 1 {
					t.Error("two have the lock")
				}
				inside.Add(-1)
				if err := l.Discard(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	if taken.Load() == 0 {
		t.Error("nobody had it")
	}
}
