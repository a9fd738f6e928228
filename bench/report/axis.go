package report

import (
	"math"
	"slices"
)

// scale is one axis of a plot: what it spans, and where it is marked.
type scale struct {
	log    bool
	min    float64
	max    float64
	ticks  []tick
	domain int // length in the plot's units
}

type tick struct {
	at    float64
	label string // may be empty
}

// Translate places a value on the axis. Together with the other methods this is
// what the chart library asks of a range; its own logarithmic one begins at 1.
func (s *scale) Translate(v float64) int {
	from, to := s.min, s.max
	if s.log {
		v, from, to = math.Log(v), math.Log(from), math.Log(to)
	}
	return int(math.Round((v - from) / (to - from) * float64(s.domain)))
}

// String, IsZero, GetMin, SetMin, GetMax, SetMax, GetDelta, GetDomain, SetDomain
// and IsDescending implement the library's Range.
func (s *scale) String() string { return "scale" }

// IsZero implements Range: the values that are plotted do not change the scale.
func (s *scale) IsZero() bool { return false }

// GetMin implements Range.
func (s *scale) GetMin() float64 { return s.min }

// SetMin implements Range.
func (s *scale) SetMin(v float64) { s.min = v }

// GetMax implements Range.
func (s *scale) GetMax() float64 { return s.max }

// SetMax implements Range.
func (s *scale) SetMax(v float64) { s.max = v }

// GetDelta implements Range.
func (s *scale) GetDelta() float64 { return s.max - s.min }

// GetDomain implements Range.
func (s *scale) GetDomain() int { return s.domain }

// SetDomain implements Range.
func (s *scale) SetDomain(d int) { s.domain = d }

// IsDescending implements Range.
func (s *scale) IsDescending() bool { return false }

// linear is a scale from 0 to a round number above the greatest value, marked
// at about so many steps.
func linear(greatest float64, steps int, label func(float64) string) *scale {
	if greatest <= 0 {
		greatest = 1
	}
	step := roundUp(greatest / float64(steps))
	n := math.Ceil(greatest/step - 1e-9)
	s := &scale{max: n * step}
	for i := range int(n) + 1 {
		s.ticks = append(s.ticks, tick{float64(i) * step, label(float64(i) * step)})
	}
	return s
}

// roundUp is the next of 1, 2, 2.5 and 5 times a power of ten.
func roundUp(v float64) float64 {
	power := math.Pow(10, math.Floor(math.Log10(v)))
	for _, m := range []float64{1, 2, 2.5, 5} {
		if m*power >= v*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// fewDecades is up to how many decades a logarithmic scale is marked within them.
const fewDecades = 2

// logarithmic is a scale around positive values, marked at powers of ten, and at
// 2 and 5 times them if they are few.
func logarithmic(values []float64, label func(float64) string) *scale {
	values = slices.DeleteFunc(slices.Clone(values), func(v float64) bool { return v <= 0 })
	if len(values) == 0 {
		values = []float64{1}
	}
	least, greatest := slices.Min(values), slices.Max(values)
	s := &scale{log: true}
	marks := []float64{1}
	if math.Log10(greatest/least) <= fewDecades {
		marks = []float64{1, 2, 5}
	}
	var all []float64
	for power := math.Floor(math.Log10(least)); power <= math.Ceil(math.Log10(greatest)); power++ {
		for _, m := range marks {
			all = append(all, m*math.Pow(10, power))
		}
	}
	const slack = 1e-9
	first, last := 0, len(all)-1
	for first+1 < len(all) && all[first+1] <= least*(1+slack) {
		first++
	}
	for last > first+1 && all[last-1] >= greatest*(1-slack) {
		last--
	}
	if first == last {
		first-- // one value that is a mark itself
	}
	for _, v := range all[max(first, 0) : last+1] {
		s.ticks = append(s.ticks, tick{v, label(v)})
	}
	s.min, s.max = s.ticks[0].at, s.ticks[len(s.ticks)-1].at
	return s
}

// steps is a scale of time from 0, marked at round numbers and ending where the
// run did.
func steps(end float64, n int, label func(float64) string) *scale {
	const slack = .97 // a minute takes a little more
	s := linear(end*slack, n, label)
	for len(s.ticks) > 1 && s.ticks[len(s.ticks)-1].at > end {
		s.ticks = s.ticks[:len(s.ticks)-1]
	}
	s.max = max(end, 1e-3)
	return s
}
