package bench

import "testing"

// placed lists the order of all numbers below total.
func placed(total int) []int {
	o, list := newOrder(total), make([]int, total)
	for i := range list {
		list[i] = o.at(i)
	}
	return list
}

func TestOrderVisitsEachNumberOnce(t *testing.T) {
	for _, total := range []int{1, 2, 3, 4, 5, 16, 17, 197, 200, 10_200, 65_536, 65_537, 999_803, 1_000_003, 1_000_200} {
		seen := make([]bool, total)
		for i, n := range placed(total) {
			if n < 0 || n >= total || seen[n] {
				t.Fatalf("of %d, place %d is %d: out of range, or a second time", total, i, n)
			}
			seen[n] = true
		}
	}
}

func TestOrderIsSpreadOverTheWholeRangeFromTheBeginning(t *testing.T) {
	for _, total := range []int{1_000, 10_200, 999_803 + loneEvents, 1_000_003, 1_000_000 + loneEvents, 100_000_000 + loneEvents} {
		o := newOrder(total)
		var deciles [10]int
		ascending, steps := 0, map[int]bool{}
		for i := range loneEvents {
			n := o.at(i)
			deciles[n*10/total]++
			next := o.at(i + 1)
			steps[next-n] = true
			if next > n {
				ascending++
			}
		}
		for d, n := range deciles {
			if n == 0 {
				t.Errorf("of %d, none of the first %d is in decile %d", total, loneEvents, d)
			}
		}
		if ascending < loneEvents/4 || ascending > loneEvents*3/4 || len(steps) < loneEvents/2 {
			t.Errorf("of %d, %d of %d steps go up, by %d distances: it walks", total, ascending, loneEvents, len(steps))
		}
	}
}
