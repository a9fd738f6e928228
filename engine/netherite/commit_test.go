package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/mem"
)

// tampered is a storage whose log a test wraps.
type tampered struct {
	*memory
	wrap func(substrate.Log) substrate.Log
}

func (s *tampered) OpenLog() (substrate.Log, error) {
	l, err := s.memory.OpenLog()
	if err != nil {
		return nil, err
	}
	return s.wrap(l), nil
}

// syncless is a log that does not sync: the bug that must never go unnoticed.
type syncless struct{ substrate.Log }

func (syncless) Sync() error { return nil }

func TestWithoutSyncAcknowledgedWorkWouldBeLost(t *testing.T) {
	storage := &tampered{newMemory(2), func(l substrate.Log) substrate.Log { return syncless{l} }}
	e := openHub(t, storage)
	start(t, e, "X", 10)
	e.Kill(false)
	if storage.log.Crash(mem.KeepNone) == 0 {
		t.Fatal("the crash lost nothing: this test no longer shows that syncs matter")
	}
	storage.store.Crash(mem.KeepNone, mem.KeepNone)
	storage.wrap = func(l substrate.Log) substrate.Log { return l }
	e = openHub(t, storage)
	if _, err := e.Get(t.Context(), "X-0", engine.GetOptions{}); !errors.Is(err, engine.ErrNotFound) {
		t.Errorf("acknowledged, never synced, and there: %v", err)
	}
}

// gated is a log whose Sync waits for the test.
type gated struct {
	substrate.Log
	began chan struct{}
	pass  chan struct{}
}

func (g *gated) Sync() error {
	select {
	case g.began <- struct{}{}:
	default:
	}
	<-g.pass
	return g.Log.Sync()
}

func TestNoAnswerBeforeItsPositionIsDurable(t *testing.T) {
	g := &gated{began: make(chan struct{}, 1), pass: make(chan struct{}, 1)}
	open := false
	storage := &tampered{newMemory(2), func(l substrate.Log) substrate.Log {
		g.Log = l
		if !open {
			return l
		}
		return g
	}}
	first := openHub(t, storage)
	start(t, first, "before", 1)
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	open = true
	g.pass <- struct{}{} // the new epochs
	e := openHub(t, storage)
	release := sync.OnceFunc(func() { close(g.pass) })
	defer release() // the hub syncs when it is closed
	syncing := func(what string) {
		t.Helper()
		select {
		case <-g.began:
		case <-time.After(patience):
			t.Fatalf("%s: nobody syncs", what)
		}
	}
	syncing("the new epochs")
	done := make(chan string, 10)
	ask := func(what string, f func() error) {
		go func() { done <- fmt.Sprint(what, " ", f()) }()
	}
	ctx := t.Context()
	ask("start", func() error {
		_, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "X"})
		return err
	})
	syncing("the start")
	// What is in doubt must not be told: neither that it is there, nor that it is taken.
	ask("get", func() error { _, err := e.Get(ctx, "a", engine.GetOptions{}); return err })
	ask("refusal", func() error {
		_, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "X", IfExists: engine.FailIfExists})
		return err
	})
	ask("query", func() error { _, err := e.Query(ctx, engine.Query{}); return err })
	unanswered := 4
	select {
	case got := <-done:
		t.Errorf("answered before the sync: %s", got)
		unanswered--
	case <-time.After(50 * time.Millisecond):
	}
	release()
	for range unanswered {
		select {
		case <-done:
		case <-time.After(patience):
			t.Fatal("no answer after the sync")
		}
	}
}

func TestOneSyncCommitsTheWorkOfManyClients(t *testing.T) {
	e := openHub(t, newMemory(8))
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	before := e.Stats()
	startAndWait(t, e, "Hello5", 500, 100)
	after := e.Stats()
	if syncs, records := after.Log.Syncs-before.Log.Syncs, after.Records-before.Records; syncs*3 > records {
		t.Errorf("%d syncs for %d records", syncs, records)
	}
}

func TestFullDiskRefusesStartsKeepsTheRestAndGoesOnByItself(t *testing.T) {
	storage := newMemory(2)
	e := openHub(t, storage, func(o *netherite.Options) { o.FullPause(time.Millisecond) })
	w := helloWorker()
	w.connect(t, e)
	defer w.close()
	ctx := t.Context()
	startAndWait(t, e, "Hello5", 5, 2)
	storage.log.SetLowOnSpace(true)
	if _, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "Hello5"}); !errors.Is(err, engine.ErrDiskFull) {
		t.Errorf("start with little space: %v", err)
	}
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c"}); err != nil {
		t.Errorf("signal with little space: %v", err)
	}
	if _, err := e.Purge(ctx, "Hello5-0", false); err != nil {
		t.Errorf("purge with little space: %v", err)
	}
	storage.log.SetLowOnSpace(false)

	var mu sync.Mutex
	full := true
	storage.log.SetFault(func(op mem.Op, _ int) error {
		mu.Lock()
		defer mu.Unlock()
		if full && op == mem.OpWrite {
			return substrate.ErrDiskFull
		}
		return nil
	})
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if err := e.Signal(short, engine.SignalRequest{Entity: "@a@b", Operation: "c"}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("signal on a full disk: %v", err)
	}
	mu.Lock()
	full = false
	mu.Unlock()
	if err := e.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	if err := e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c"}); err != nil {
		t.Errorf("signal once there is space: %v", err)
	}
	if s := e.Stats(); s.Failures != 0 {
		t.Errorf("a full disk was taken for a failure: %d", s.Failures)
	}
}

func TestRequestsOfOneSessionBeyondTheWindowWait(t *testing.T) {
	e := openHub(t, newMemory(1), func(o *netherite.Options) { o.CheckReplay = false })
	ctx := t.Context()
	var wg sync.WaitGroup
	for range 6000 {
		wg.Go(func() {
			if err := e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	i, err := e.Get(ctx, "@a@b", engine.GetOptions{})
	if err != nil || i.Entity.Backlog != 6000 {
		t.Errorf("%v, %v", i, err)
	}
}

func TestBadRequestsAreRefusedBeforeAnythingHappens(t *testing.T) {
	e := openHub(t, newMemory(2), func(o *netherite.Options) { o.MaxPayload = 100 })
	ctx := t.Context()
	long := string(make([]byte, 300))
	big := make([]byte, 101)
	for name, f := range map[string]func() error{
		"ID with a slash":      func() error { _, err := e.Start(ctx, engine.StartRequest{Instance: "a/b", Name: "X"}); return err },
		"long ID":              func() error { _, err := e.Start(ctx, engine.StartRequest{Instance: long, Name: "X"}); return err },
		"entity as instance":   func() error { _, err := e.Start(ctx, engine.StartRequest{Instance: "@a@b", Name: "X"}); return err },
		"no name":              func() error { _, err := e.Start(ctx, engine.StartRequest{Instance: "a"}); return err },
		"instance as entity":   func() error { return e.Signal(ctx, engine.SignalRequest{Entity: "a", Operation: "b"}) },
		"no operation":         func() error { return e.Signal(ctx, engine.SignalRequest{Entity: "@a@b"}) },
		"no event":             func() error { return e.Raise(ctx, engine.RaiseRequest{Instance: "a"}) },
		"empty ID":             func() error { _, err := e.Get(ctx, "", engine.GetOptions{}); return err },
		"entities by query":    func() error { _, _, err := e.PurgeWhere(ctx, engine.Query{Entities: true}); return err },
		"suspend of an entity": func() error { return e.Suspend(ctx, "@a@b", "") },
	} {
		if err := f(); !errors.Is(err, engine.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, f := range map[string]func() error{
		"input": func() error {
			_, err := e.Start(ctx, engine.StartRequest{Instance: "a", Name: "X", Input: big})
			return err
		},
		"signal": func() error { return e.Signal(ctx, engine.SignalRequest{Entity: "@a@b", Operation: "c", Input: big}) },
		"event":  func() error { return e.Raise(ctx, engine.RaiseRequest{Instance: "a", Event: "e", Payload: big}) },
		"output": func() error { return e.Terminate(ctx, engine.TerminateRequest{Instance: "a", Output: big}) },
	} {
		if err := f(); !errors.Is(err, engine.ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
