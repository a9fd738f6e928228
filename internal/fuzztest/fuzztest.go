// Package fuzztest holds decoders to what they must not do, whatever they are
// given: panic, hang, or allocate out of proportion to their input.
//
// A length or a count in the input is a number that anybody may have written. A
// decoder that believes one of them allocates gigabytes for ten bytes, which ends
// the process as surely as a panic does.
package fuzztest

import (
	"fmt"
	"runtime"
	"runtime/metrics"
	"testing"
	"time"
)

const (
	// Plain is by how much the input may grow in memory: copies of what is in it,
	// and of them again where slices grow by doubling.
	Plain = 4
	// Slack is what may be allocated whatever the input is.
	Slack = 1 << 20
	// Limit is how long one input may take. Nothing here takes a hundredth of it.
	Limit = 30 * time.Second
)

const allocated = "/gc/heap/allocs:bytes"

// Bounded runs f on an input of so many bytes and fails the test if f allocates
// more than growth times that and Slack, or does not end within Limit. Growth is
// Plain, or for decoders of lists the size of an element over that of its smallest
// encoding: see PerElement. f is called a second time if the first measurement,
// which is cheap and rough, is in doubt.
func Bounded(t testing.TB, input, growth int, f func()) {
	t.Helper()
	// A panic makes the input that hangs a finding of the fuzzer's; Fatal, from
	// here, would wait for f.
	watch := time.AfterFunc(Limit, func() { panic(fmt.Sprintf("%d bytes of input took longer than %v", input, Limit)) })
	defer watch.Stop()
	bound := uint64(growth)*uint64(input) + Slack
	before := rough()
	f()
	if rough()-before <= bound/2 {
		return
	}
	if got := exactly(f); got > bound {
		t.Fatalf("%d bytes of input allocated %d bytes, at most %d times as many and %d are expected", input, got, growth, Slack)
	}
}

// PerElement is the growth of a decoder of lists: an element takes so many bytes
// in memory and at least so many in the input. Slices that grow by doubling
// allocate their size about twice more.
func PerElement(memory uintptr, encoded int) int { return 3*int(memory)/encoded + Plain }

// rough is what was allocated so far, without what is left of the pieces of
// memory that each size of object is taken from.
func rough() uint64 {
	sample := []metrics.Sample{{Name: allocated}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// exactly measures what f allocates. It stops the world.
func exactly(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}
