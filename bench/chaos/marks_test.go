package chaos

import (
	"math/rand/v2"
	"slices"
	"testing"
)

func TestMarksAreTheSetOfWhatWasGiven(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 200 {
		var m Marks
		var given, repeated []int64
		for range 60 {
			n := rng.Int64N(40)
			if slices.Contains(given, n) {
				repeated = append(repeated, n)
			} else {
				given = append(given, n)
			}
			m.add(n)
		}
		if !slices.Equal(m.Repeated, repeated) || m.Count() != int64(len(given)) {
			t.Fatalf("given %v, repeated %v: %+v", given, repeated, m)
		}
		for n := range int64(40) {
			if m.Has(n) != slices.Contains(given, n) {
				t.Fatalf("given %v: %d is wrong in %+v", given, n, m)
			}
		}
		for i, r := range m.Runs {
			if r.First > r.Last || i > 0 && m.Runs[i-1].Last >= r.First-1 {
				t.Fatalf("given %v: runs %+v", given, m.Runs)
			}
		}
	}
}
