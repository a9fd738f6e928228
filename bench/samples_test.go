package bench

import (
	"strconv"
	"testing"
)

func TestSamplesAreSpreadOverTheWholeRun(t *testing.T) {
	for _, n := range []int{0, 1, maxSamples, 2_048, 100_000, 1_000_000} {
		s := samples{}
		for i := range n {
			s.add(strconv.Itoa(i))
		}
		if got, want := len(s.ids), min(n, maxSamples); got != want {
			t.Errorf("%d samples of %d, want %d", got, n, want)
		}
		var quarters [4]int
		seen := map[string]bool{}
		for _, id := range s.ids {
			i, err := strconv.Atoi(id)
			if err != nil {
				t.Fatal(err)
			}
			if seen[id] {
				t.Errorf("%s was taken twice of %d", id, n)
			}
			seen[id] = true
			quarters[4*i/n]++
		}
		if n < 2_048 {
			continue
		}
		// Eight are expected of each quarter; less than two, or more than half of
		// all, would be one chance in hundreds, and the seed is fixed.
		for q, got := range quarters {
			if got < 2 || got > maxSamples/2 {
				t.Errorf("%d samples of the quarter %d of %d: %v", got, q, n, quarters)
			}
		}
	}
}

func TestEachInstanceHasTheSameChanceToBeSampled(t *testing.T) {
	const n, rounds = 4 * maxSamples, 2_000
	var taken [n]int
	random := samples{}
	for range rounds {
		s := samples{random: random.random}
		for i := range n {
			s.add(strconv.Itoa(i))
		}
		random.random = s.random // goes on
		for _, id := range s.ids {
			i, err := strconv.Atoi(id)
			if err != nil {
				t.Fatal(err)
			}
			taken[i]++
		}
	}
	// Each is expected rounds/4 = 500 times, with a deviation of 19.
	for i, got := range taken {
		if got < 400 || got > 600 {
			t.Errorf("instance %d was sampled %d times in %d rounds, want about %d", i, got, rounds, rounds/4)
		}
	}
}
