package netherite_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// What is copied first may refer to all of the log that there was then.
func TestLogIsKeptWhileTheHubIsCopied(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	e := w.open(t, true)
	defer w.crash(e)
	work := func(round string) {
		for i := range 5 {
			startIn(t, e, fmt.Sprintf("%s-%d", round, i), 0, 10, 2000)
			if err := e.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
	}
	var log substrate.Log
	err := e.Copy(t.Context(), func(l substrate.Log, _ substrate.Store) error {
		log = l
		begin := l.Begin()
		work("meanwhile")
		if l.Begin() != begin {
			t.Errorf("the log was trimmed from %d to %d during the copy", begin, l.Begin())
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	begin := log.Begin()
	work("afterwards")
	if log.Begin() == begin {
		t.Error("the log is not trimmed after the copy, so nothing was shown")
	}
}

func TestCopyOfAHubThatFailsMeanwhileIsAnError(t *testing.T) {
	w := &ward{fs: faultfs.New()}
	e := w.open(t, false)
	defer w.crash(e)
	startIn(t, e, "a", 0, 1, 0)
	err := e.Copy(t.Context(), func(substrate.Log, substrate.Store) error {
		w.fs.SetFault(faultfs.FailNth(faultfs.OpSync, w.fs.Count(faultfs.OpSync)+1, errors.New("the disk says no")))
		startIn(t, e, "b", 0, 1, 0) // after the hub has recovered
		w.fs.SetFault(nil)
		return nil
	})
	if !errors.Is(err, engine.ErrUnavailable) {
		t.Errorf("the copy is of two incarnations of the log: %v", err)
	}
	if err := e.Copy(t.Context(), func(substrate.Log, substrate.Store) error { return nil }); err != nil {
		t.Errorf("the next copy: %v", err)
	}
}
