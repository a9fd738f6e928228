package netherite_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/substrate/mem"
)

// faultyRecovery makes a node fail, and one operation of the recoveries that follow.
type faultyRecovery struct {
	mu     sync.Mutex
	failed bool // the node has
	nth    int  // operation since then which fails
	count  int
}

// fault is a mem.Fault for both disks.
func (f *faultyRecovery) fault(op mem.Op, _ int) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.failed {
		f.failed = op == mem.OpWrite
	} else if f.count++; f.count != f.nth {
		return nil
	}
	if !f.failed {
		return nil
	}
	return errDisk
}

// met reports whether the operation that was to fail has come.
func (f *faultyRecovery) met() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count >= f.nth
}

// allIsThere looks for one instance of each kind, after the n-th operation has failed.
func allIsThere(t *testing.T, e *netherite.Engine, n int) {
	t.Helper()
	for _, prefix := range []string{"stored", "logged", "meanwhile"} {
		if _, err := e.Get(t.Context(), fmt.Sprint(prefix, "-0"), engine.GetOptions{}); err != nil {
			t.Errorf("operation %d failed: %s-0: %v", n, prefix, err)
		}
	}
}

// A recovery has instances to read from the store and records to replay from the log.
// Whichever of its operations fails, another one follows and comes to its end: who waits
// for an answer gets it, and all that was there is there.
func TestRecoveryEndsWhicheverOfItsOperationsFails(t *testing.T) {
	tried := map[bool]int{}
	for n := 1; n <= 60; n++ {
		storage, f := newMemory(2), &faultyRecovery{nth: n}
		e := openHub(t, storage, fastRecovery, func(o *netherite.Options) {
			o.Checkpoint = netherite.Checkpoint{Records: 1 << 40, Bytes: 1 << 50, Idle: 1 << 60}
		})
		start(t, e, "stored", 6)
		if err := e.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		start(t, e, "logged", 6)
		storage.log.SetFault(f.fault)
		storage.store.SetFault(f.fault)
		// The write of this one fails, and it waits for the node that is recovered.
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if _, err := e.Start(ctx, engine.StartRequest{Instance: "meanwhile-0", Name: "X"}); err != nil {
			t.Fatalf("operation %d failed, and the hub has not recovered since: %v", n, err)
		}
		cancel()
		allIsThere(t, e, n)
		tried[f.met()]++
		if s := e.Stats(); s.Failures == 0 || s.Parked > 0 {
			t.Errorf("operation %d failed: %+v", n, s)
		}
		storage.log.SetFault(nil)
		storage.store.SetFault(nil)
		// The operation may be one of the recovered node's, which fails while it is closed.
		if err := e.Close(t.Context()); err != nil && !errors.Is(err, errDisk) {
			t.Error(err)
		}
		e = openHub(t, storage)
		allIsThere(t, e, n)
		if err := e.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	t.Logf("%d operations of recoveries have failed, one after the other", tried[true])
	if tried[true] < 10 || tried[false] == 0 {
		t.Errorf("%d operations of recoveries have failed, %d were too many", tried[true], tried[false])
	}
}
