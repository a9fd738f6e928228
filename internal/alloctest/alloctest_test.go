package alloctest

import (
	"maps"
	"os"
	"strings"
	"testing"
)

var sink []byte

// allocating is an operation of n allocations.
func allocating(n int) Op {
	return Op{Name: "make", Setup: func(testing.TB) func() {
		return func() {
			for range n {
				sink = make([]byte, 100)
			}
		}
	}}
}

func TestAllocationsAreCounted(t *testing.T) {
	if raceDetector {
		return
	}
	for _, n := range []int{0, 1, 7} {
		if got := measure(t, allocating(n)); got < float64(n) || got > float64(n)+exact {
			t.Errorf("%d allocations are counted as %.2f", n, got)
		}
	}
}

func TestWhatIsDoneApartIsNotCounted(t *testing.T) {
	if raceDetector {
		return
	}
	op := Op{Setup: func(tb testing.TB) func() {
		two, five := allocating(2).Setup(tb), allocating(5).Setup(tb)
		return func() {
			Apart(tb, five)
			two()
		}
	}}
	if got := measure(t, op); got < 2 || got > 2+exact {
		t.Errorf("2 allocations beside 5 apart are counted as %.2f", got)
	}
}

func TestOneAllocationMoreOrFewerIsSeen(t *testing.T) {
	for _, tt := range []struct {
		n, allowed, slack float64
		want              string
	}{
		{12, 12, 0, ""}, {12.3, 12, 0, ""}, {13, 12, 0, "more"}, {11, 12, 0, "fewer"}, {1, 0, 0, "more"},
		{105, 100, 0.1, ""}, {111, 100, 0.1, "more"}, {95, 100, 0.1, ""}, {89, 100, 0.1, "fewer"}, {4638, 5669.6, 0.1, "fewer"},
	} {
		if got := compare(tt.n, tt.allowed, tt.slack); got != tt.want {
			t.Errorf("%.1f where %.1f are allowed with slack %.1f: %q, want %q", tt.n, tt.allowed, tt.slack, got, tt.want)
		}
	}
}

func TestTableReadsBackAsWritten(t *testing.T) {
	t.Chdir(t.TempDir())
	want := map[string]float64{"Step/start": 14, "Hello5/lone": 119.5, "A/b": 0}
	if err := writeTable(want); err != nil {
		t.Fatal(err)
	}
	if got, err := readTable(); err != nil || !maps.Equal(got, want) {
		t.Errorf("%v, %v", got, err)
	}
	if err := os.WriteFile(tablePath, []byte("Step/start fourteen\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readTable(); err == nil || !strings.Contains(err.Error(), "Step/start fourteen") {
		t.Errorf("a line that is no number: %v", err)
	}
}
