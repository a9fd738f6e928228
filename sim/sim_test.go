package sim

import (
	"bufio"
	"os"
	"strconv"
	"strings"
	"testing"
)

func TestTheSameSeedLeadsToTheSameTrace(t *testing.T) {
	for seed := uint64(1); seed <= 6; seed++ {
		if r := Run(seed, Options{Twice: true}); r.Err != nil {
			t.Errorf("seed %d: %v", seed, r.Err)
		}
	}
}

func TestSeedsHoldWhatIsPromised(t *testing.T) {
	Batch(t.Context(), 100, 20, Options{}, func(r Result) bool {
		if r.Err != nil {
			t.Errorf("netherite sim --seed %d: %v", r.Seed, r.Err)
		}
		return true
	})
}

// testdata/seeds lists seeds that have failed once, each with what was found.
func TestSeedsThatHaveFailedOnceDoNotFailAgain(t *testing.T) {
	f, err := os.Open("testdata/seeds")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		number, _, _ := strings.Cut(lines.Text(), " ")
		if number == "" || strings.HasPrefix(number, "#") {
			continue
		}
		seed, err := strconv.ParseUint(number, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		if r := Run(seed, Options{}); r.Err != nil {
			t.Errorf("seed %s: %v", lines.Text(), r.Err)
		}
	}
}

// Of seed 255 the plan has nothing but late frames, and one partition.
func TestASeedWhoseFaultsSeldomHappenHasAnotherKind(t *testing.T) {
	if r := Run(255, Options{}); r.Err != nil || r.Kinds[TwinResults] < leastFaults {
		t.Errorf("%d faults, %v", r.Kinds, r.Err)
	}
	if r := Run(255, Options{Without: []Fault{TwinResults}}); r.Err != nil || r.Faults > 0 {
		t.Errorf("without what it could have there are %d faults, %v", r.Kinds, r.Err)
	}
}

func TestASeedThatDoesTooLittleFails(t *testing.T) {
	for _, c := range []struct {
		events, faults int
		o              Options
		fails          bool
	}{
		{leastEvents, leastFaults, Options{}, false},
		{leastEvents - 1, leastFaults, Options{}, true},
		{leastEvents, leastFaults - 1, Options{}, true},
		{0, 0, Options{Operations: 3}, false},
		{leastEvents, 0, Options{Without: []Fault{Kills}}, false},
	} {
		if err := c.o.tooLittle(c.events, c.faults); (err != nil) != c.fails {
			t.Errorf("%d events and %d faults with %+v: %v", c.events, c.faults, c.o, err)
		}
	}
}

func TestARunWithoutFaultsHasNone(t *testing.T) {
	var all []Fault
	for f := range faultKinds {
		all = append(all, f)
	}
	r := Run(1, Options{Without: all})
	if r.Err != nil || r.Faults != 0 {
		t.Errorf("%d faults, %v", r.Faults, r.Err)
	}
}

// What --shrink looks for is a run with fewer of them.
func TestOperationsAreNotMoreThanTheirBound(t *testing.T) {
	few, more := Run(1, Options{Operations: 8}), Run(1, Options{Operations: 64})
	if few.Err != nil || more.Err != nil || few.Events == 0 || 2*few.Events > more.Events || more.Events > leastEvents {
		t.Errorf("8 operations are %d events (%v), 64 are %d (%v)", few.Events, few.Err, more.Events, more.Err)
	}
}

func TestFaultsAreKnownByTheirNames(t *testing.T) {
	list, err := ParseFaults(FaultNames())
	if err != nil || len(list) != int(faultKinds) {
		t.Fatalf("%v, %v", list, err)
	}
	if _, err := ParseFaults([]string{"earthquakes"}); err == nil {
		t.Error("an unknown name is taken")
	}
}

func BenchmarkSeed(b *testing.B) {
	events := 0
	for i := range b.N {
		r := Run(uint64(i%50+1), Options{})
		if r.Err != nil {
			b.Fatal(r.Err)
		}
		events += r.Events
	}
	b.ReportMetric(float64(events)/float64(b.N), "events/op")
}
