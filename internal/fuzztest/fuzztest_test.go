package fuzztest

import (
	"fmt"
	"runtime"
	"testing"
)

// refused is a test that notes whether it was failed.
type refused struct {
	testing.TB
	text string
}

func (*refused) Helper() {}

func (r *refused) Fatalf(format string, args ...any) { r.text = fmt.Sprintf(format, args...) }

var kept []byte

func TestAllocationsOutOfProportionAreRefused(t *testing.T) {
	for _, c := range []struct {
		input, allocates int
		refused          bool
	}{
		{0, Slack / 2, false},
		{0, Slack * 9 / 10, false}, // measured twice
		{0, Slack * 2, true},
		{Slack, 4 * Slack, false},
		{Slack, 6 * Slack, true},
	} {
		r := &refused{TB: t}
		Bounded(r, c.input, Plain, func() { kept = make([]byte, c.allocates) })
		if (r.text != "") != c.refused {
			t.Errorf("%d bytes of input and %d allocated: %q", c.input, c.allocates, r.text)
		}
	}
	runtime.KeepAlive(kept)
}

func TestManySmallAllocationsCount(t *testing.T) {
	r := &refused{TB: t}
	Bounded(r, 10, Plain, func() {
		for range 3 * Slack / 16 {
			kept = make([]byte, 16)
		}
	})
	if r.text == "" {
		t.Error("three times the limit, in small pieces, was not noticed")
	}
}
