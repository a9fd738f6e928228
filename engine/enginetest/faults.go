package enginetest

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

var faults = []scenario{
	{name: "T49_InjectStartup", run: injectStartup, opens: true, heavy: true},
	{name: "T50_CanRecoverFromFailedStartup", run: failedStartup, opens: true},
	{name: "T51_InjectHelloCreation", run: injectCreation},
	{name: "T52_InjectHelloCompletion", run: injectCompletion},
	{name: "T52_InjectHelloCompletion_WithCheckpoints", run: injectCheckpoint, opts: Options{CheckpointRecords: never}},
	{name: "CriticalSectionsUnderFaults", run: sectionsUnderFaults},
	{name: "FaultThenCrash", run: faultThenCrash},
}

// after lets the n-th storage operation from now fail while f runs, and reports
// whether it did.
func (s *scene) after(n int, f func()) (failed bool) {
	s.Helper()
	s.storage.Fail(n)
	f()
	failed = s.storage.Failed()
	s.storage.Fail(never)
	return failed
}

// injectStartup opens a hub while the first, second... storage operation fails,
// until it no longer matters: first an empty one, then one with something in it.
// There are many operations, so later ones are left out now and then.
func injectStartup(s *scene) {
	for _, what := range []string{"empty", "used"} {
		if what == "used" {
			s.open()
			s.serve()
			s.helloMany(10, 5)
			s.powerOff()
		}
		for n, failed := 0, true; failed; n += 1 + n/20 {
			var err error
			failed = s.after(n, func() { err = s.tryOpen() })
			if err != nil && !failed {
				s.Fatalf("%s hub, %d operations before the fault: open failed without it: %v", what, n, err)
			}
			if err == nil {
				s.serve()
				s.helloMany(1, 1)
				s.powerOff() // to close may meet what the fault has left
			}
			if failed { // each fault meets the same storage
				s.open()
				s.close()
			}
		}
	}
	s.open()
	s.serve()
	s.completed(10)
}

func failedStartup(s *scene) {
	var err error
	if !s.after(0, func() { err = s.tryOpen() }) {
		s.Fatal("opening a hub does nothing with its storage")
	}
	if err == nil {
		s.Fatal("open succeeded though the storage failed")
	}
	s.open()
	s.serve()
	s.helloMany(1, 1)
}

// injectCreation starts instances under faults that come ever later. A client
// comes again with the same request until it has an answer.
func injectCreation(s *scene) {
	n := 0
	for failed := true; failed; n++ {
		name := fmt.Sprint("hello-", n)
		failed = s.after(n, func() {
			for {
				_, err := hello5.Start(s.ctx, s, durable.None{}, s.named(name), durable.RequestKey(name))
				if err == nil {
					break
				}
				if !errors.Is(err, engine.ErrUnavailable) {
					s.Fatalf("start with a fault after %d operations: %v", n, err)
				}
				runtime.Gosched()
			}
		})
		s.ends(s.id(name), model.Completed)
	}
	s.Logf("faults after 0 to %d operations", n-2)
	s.restart()
	s.completed(n)
}

// injectCompletion runs instances to their end under faults that come ever later.
func injectCompletion(s *scene) {
	n := 0
	for failed := true; failed; n++ {
		failed = s.after(n, func() {
			id := s.id(fmt.Sprint("hello-", n))
			if err := s.helloOnce(fmt.Sprint("hello-", n)); err != nil {
				s.Fatalf("hello with a fault after %d operations: %v", n, err)
			}
			s.once(id, 5)
		})
	}
	s.Logf("faults after 0 to %d operations", n-2)
	s.crash()
	s.completed(n)
}

// injectCheckpoint runs instances and saves the engine's state under faults that
// come ever later, with some left out.
func injectCheckpoint(s *scene) {
	var names []string
	for n, failed := 0, true; failed; n += 1 + n/20 {
		name := fmt.Sprint("hello-", len(names))
		names = append(names, name)
		failed = s.after(n, func() {
			err := s.helloOnce(name)
			if err == nil {
				err = s.storage.Checkpoint(s.ctx)
			}
			if err != nil && !s.storage.Failed() {
				s.Fatalf("fault after %d operations: %v", n, err)
			}
		})
	}
	s.Logf("faults at %d different operations", len(names)-1)
	s.completed(len(names))
	s.crash()
	s.completed(len(names))
}

// sectionsUnderFaults makes transfers while storage fails again and again.
func sectionsUnderFaults(s *scene) {
	b := newBank(s, 5, 100)
	for round := range 8 {
		s.storage.Fail(3 + 11*round)
		b.run(s.ctx, 10*round, 10*round+10, 5)
	}
	s.storage.Fail(never)
	b.check()
}

// faultThenCrash has the power fail when, or soon after, storage has failed.
func faultThenCrash(s *scene) {
	for n := range 6 {
		ctx, cancel := context.WithCancel(s.ctx)
		s.storage.Fail(2 * n)
		acked, client := make([]bool, 8), durable.NewHub(s.engine, nil, 0)
		var wg sync.WaitGroup
		for i := range acked {
			wg.Go(func() {
				_, err := hello5.Start(ctx, client, durable.None{}, s.named(fmt.Sprint("hello-", 8*n+i)))
				acked[i] = err == nil
			})
		}
		done := make(chan struct{})
		go func() { wg.Wait(); close(done) }()
		s.until("the fault has happened or all is done", func() bool {
			select {
			case <-done:
				return true
			default:
				return s.storage.Failed()
			}
		})
		s.storage.Fail(never)
		s.crash()
		cancel()
		<-done
		for i, ok := range acked {
			if ok {
				s.ends(s.id(fmt.Sprint("hello-", 8*n+i)), model.Completed)
			}
		}
	}
}
