package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate/mem"
)

func watching(t testing.TB, e *netherite.Engine, o engine.WatchOptions) engine.Watch {
	t.Helper()
	w, err := e.Watch(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	return w
}

// told returns what is to be read now; nothing if nothing is.
func told(t testing.TB, w engine.Watch) (list []string, lost bool) {
	t.Helper()
	synctest.Wait()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	changes, lost, err := w.Next(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	for _, c := range changes {
		what := c.Status.String()
		if c.Gone {
			what = "Gone"
		}
		list = append(list, c.Instance+" "+what)
	}
	return list, lost
}

func expectTold(t testing.TB, w engine.Watch, want ...string) {
	t.Helper()
	if got, lost := told(t, w); lost || !slices.Equal(got, want) {
		t.Errorf("told %q (lost %v), want %q", got, lost, want)
	}
}

func TestAChangeIsToldOnceItIsDurable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemory(1)
		e := openHub(t, storage)
		w := watching(t, e, engine.WatchOptions{})
		held := make(chan struct{})
		storage.log.SetFault(func(op mem.Op, _ int) error {
			if op == mem.OpSync {
				<-held
			}
			return nil
		})
		go func() { _, _ = e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "Nobody"}) }()
		expectTold(t, w)
		close(held)
		expectTold(t, w, "x Pending")
	})
}

func TestAWatchTellsHowAnInstanceGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openHub(t, newMemory(2))
		all, named, ended := watching(t, e, engine.WatchOptions{}), watching(t, e, engine.WatchOptions{Names: []string{"Other"}}),
			watching(t, e, engine.WatchOptions{Statuses: []model.Status{model.Terminated}})
		one, others := watching(t, e, engine.WatchOptions{Instance: "@e@1"}), watching(t, e, engine.WatchOptions{IDPrefix: "y"})
		entities := watching(t, e, engine.WatchOptions{Entities: true})
		do := func(err error) {
			t.Helper()
			if err != nil {
				t.Fatal(err)
			}
		}
		_, err := e.Start(t.Context(), engine.StartRequest{Instance: "x", Name: "Nobody"})
		do(err)
		expectTold(t, all, "x Pending")
		do(e.Suspend(t.Context(), "x", ""))
		expectTold(t, all, "x Suspended")
		do(e.Resume(t.Context(), "x", ""))
		expectTold(t, all, "x Pending")
		do(e.Raise(t.Context(), engine.RaiseRequest{Instance: "x", Event: "E"}))
		expectTold(t, all, "x Pending") // at another time
		do(e.Terminate(t.Context(), engine.TerminateRequest{Instance: "x"}))
		expectTold(t, all, "x Terminated")
		_, err = e.Purge(t.Context(), "x", false)
		do(err)
		expectTold(t, all, "x Gone")
		do(e.Signal(t.Context(), engine.SignalRequest{Entity: "@e@1", Operation: "add"}))
		expectTold(t, all)
		expectTold(t, named)
		expectTold(t, others)
		expectTold(t, ended, "x Gone")
		expectTold(t, one, "@e@1 Running")
		expectTold(t, entities, "@e@1 Running")
	})
}

func TestASlowReaderIsToldThatItMissesSomething(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openHub(t, newMemory(1))
		w := watching(t, e, engine.WatchOptions{Buffer: 2})
		for i := range 3 {
			start(t, e, fmt.Sprint("X", i), 1)
		}
		if err := e.Suspend(t.Context(), "X0-0", ""); err != nil {
			t.Fatal(err)
		}
		if got, lost := told(t, w); !lost || !slices.Equal(got, []string{"X0-0 Suspended", "X1-0 Pending"}) {
			t.Errorf("told %q, lost %v", got, lost)
		}
		start(t, e, "X3", 1)
		expectTold(t, w, "X3-0 Pending")
	})
}

func TestAWatchOutlivesTheNodeAndIsToldToLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		storage := newMemory(1)
		e := openHub(t, storage)
		w := watching(t, e, engine.WatchOptions{})
		storage.failSyncOnce()
		start(t, e, "X", 1) // by the next node
		got, lost := told(t, w)
		if !lost {
			t.Errorf("told %q and not that something is lost", got)
		}
	})
}

func TestWatchesEndWithTheEngine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := openHub(t, newMemory(1))
		w := watching(t, e, engine.WatchOptions{})
		if _, err := e.Watch(engine.WatchOptions{Buffer: -1}); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("a buffer of -1: %v", err)
		}
		ended := make(chan error)
		go func() {
			_, _, err := w.Next(t.Context())
			ended <- err
		}()
		if err := e.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := <-ended; !errors.Is(err, engine.ErrClosed) {
			t.Errorf("it ends with %v", err)
		}
		if _, err := e.Watch(engine.WatchOptions{}); !errors.Is(err, engine.ErrClosed) {
			t.Errorf("a watch of a closed engine: %v", err)
		}
	})
}

// TestWhatIsReadAfterWatchAndWhatIsToldLeaveNothingOut begins to watch in the middle
// of a load, then reads all there is, and then follows what it is told.
func TestWhatIsReadAfterWatchAndWhatIsToldLeaveNothingOut(t *testing.T) {
	const instances = 400
	e := openHub(t, newMemory(4))
	worker := helloWorker()
	worker.connect(t, e)
	defer worker.close()
	var load sync.WaitGroup
	load.Go(func() { startAndWait(t, e, "Hello5", instances, 8) })
	defer load.Wait()
	if _, err := ended(t.Context(), e, "Hello5-40"); err != nil && !errors.Is(err, engine.ErrNotFound) {
		t.Fatal(err)
	}
	w := watching(t, e, engine.WatchOptions{Buffer: instances})
	seen := map[string]model.Status{}
	for token := ""; ; {
		page, err := e.Query(t.Context(), engine.Query{Token: token})
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range page.Instances {
			seen[i.ID] = i.Status
		}
		if token = page.Token; token == "" {
			break
		}
	}
	read := len(seen)
	done := func() (n int) {
		for _, s := range seen {
			if s.Ended() {
				n++
			}
		}
		return n
	}
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	defer cancel()
	for done() < instances {
		changes, lost, err := w.Next(ctx)
		if err != nil || lost {
			t.Fatalf("after %d of %d ends, %d read at first: lost %v, %v", done(), instances, read, lost, err)
		}
		for _, c := range changes {
			seen[c.Instance] = c.Status
		}
	}
}
