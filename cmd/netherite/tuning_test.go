package main

import (
	"testing"

	"github.com/netherite-go/netherite/bench"
	core "github.com/netherite-go/netherite/engine/netherite"
)

func TestHeapGrowsToAFixedSizeAndThenByAPart(t *testing.T) {
	heap := func(live uint64) uint64 { return live + live*uint64(percentFor(live))/100 }
	for _, mib := range []uint64{20, 50, 100} {
		if got := heap(mib << 20); got > collectorHeap || got < collectorHeap-2<<20 {
			t.Errorf("with %d MiB alive the heap grows to %d MiB, want %d", mib, got>>20, collectorHeap>>20)
		}
	}
	if got, want := heap(300<<20), uint64(300<<20)*(100+collectorPercent)/100; got != want {
		t.Errorf("with 300 MiB alive the heap grows to %d MiB, want %d", got>>20, want>>20)
	}
	for _, live := range []uint64{0, 1, 1 << 20} {
		if p := percentFor(live); p < collectorPercent || p > 1_000 {
			t.Errorf("with %d bytes alive the percentage is %d", live, p)
		}
	}
	// What docs/guarantees.md promises of resident memory, but for what is not on the heap.
	if collectorHeap > 3*core.DefaultMemory/2 {
		t.Errorf("the heap may grow to %d MiB", collectorHeap>>20)
	}
}

func TestBenchSaysTheEnginesDefaultLimit(t *testing.T) {
	if bench.DefaultMemory != core.DefaultMemory>>20 {
		t.Errorf("--memory is %d MiB if not given, the engine takes %d", bench.DefaultMemory, core.DefaultMemory>>20)
	}
}
