// Package leaktest looks for goroutines that are left at the end of tests in which
// stores die: whose disk has failed, or which somebody else has taken over.
//
// A database of Pebble can be ended in one way only, by Close, which writes to its
// files. Those of a store that died may not be touched any more, so its goroutines
// stay where they are, for as long as the process lives. They are told from a leak by
// when they have come to be: StoresDie stands in each test that lets stores die, and
// in all others a store that nobody has closed is a leak.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines that end may take to do so.
const patience = 30 * time.Second

// ofTheDead are the functions in which goroutines of a store that died stay.
var ofTheDead = []goleak.Option{
	// Three of each database, which wait for it to be closed.
	goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2.(*cleanupManager).mainLoop"),
	goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/internal/genericcache.(*shard[...]).releaseLoop"),
	goleak.IgnoreAnyFunction("github.com/cockroachdb/pebble/v2/record.(*LogWriter).flushLoop"),
	// Pebble's, where they were about to touch a file, or want the lock that such a one has.
	goleak.IgnoreAnyFunction(stays),
	goleak.IgnoreAnyFunction(readsStats),
	// Calls of Pebble, which wait for one of the others.
	goleak.IgnoreAnyFunction("github.com/netherite-go/netherite/substrate/pebblestore.guarded[...].func1"),
}

// left is what stores that died in earlier tests have left.
var left struct {
	mu      sync.Mutex
	options []goleak.Option
}

// Main runs the tests of a package, and fails if they leave goroutines behind that
// StoresDie has not allowed.
func Main(m *testing.M) {
	code := m.Run()
	if code == 0 {
		left.mu.Lock()
		defer left.mu.Unlock()
		// A store that died earlier may have begun these since. One that nobody has closed
		// has others besides.
		later := []goleak.Option{goleak.IgnoreAnyFunction(stays), goleak.IgnoreAnyFunction(readsStats)}
		if err := onlyAllowed(patience, append(left.options, later...)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	os.Exit(code)
}

const (
	// stays is where goroutines of a store that died stay.
	stays = "github.com/netherite-go/netherite/substrate/pebblestore.stay"
	// readsStats reads what the tables of a database are like. As long as one cannot be
	// read, another goroutine tries it again.
	readsStats = "github.com/cockroachdb/pebble/v2.(*DB).collectTableStats"
)

// StoresDie says that stores die in a test. At the end of it nothing else has left
// goroutines, and those of the stores count no more. It is to be called first, and
// not in tests that run beside others.
func StoresDie(t testing.TB) {
	t.Helper()
	t.Cleanup(func() {
		if err := onlyTheDead(patience); err != nil {
			t.Error(err)
		}
	})
}

// onlyTheDead waits until nothing is left but what stores that died have left, and
// notes that.
func onlyTheDead(patience time.Duration) (err error) {
	left.mu.Lock()
	defer left.mu.Unlock()
	err = onlyAllowed(patience, append(ofTheDead[:len(ofTheDead):len(ofTheDead)], left.options...))
	left.options = append(left.options, goleak.IgnoreCurrent())
	return err
}

// onlyAllowed waits until nothing is left but what is allowed.
func onlyAllowed(patience time.Duration, allowed []goleak.Option) (err error) {
	for deadline := time.Now().Add(patience); ; runtime.Gosched() {
		if err = goleak.Find(allowed...); err == nil || time.Now().After(deadline) {
			return err
		}
	}
}
