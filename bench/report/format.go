package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// short is a number for an axis: 0, 2.5, 400, 12k, 3M.
func short(v float64) string {
	for _, u := range []struct {
		size float64
		name string
	}{{1e9, "G"}, {1e6, "M"}, {1e3, "k"}} {
		if math.Abs(v) >= u.size {
			return digits(v/u.size, 3) + u.name
		}
	}
	return digits(v, 3)
}

// digits keeps n significant digits, without zeros at the end.
func digits(v float64, n int) string {
	if v == 0 {
		return "0"
	}
	places := max(n-1-int(math.Floor(math.Log10(math.Abs(v)))), 0)
	text := strconv.FormatFloat(v, 'f', places, 64)
	if strings.Contains(text, ".") {
		text = strings.TrimRight(strings.TrimRight(text, "0"), ".")
	}
	return text
}

// least is what is still told apart from nothing.
const least = 0.001

// whole is a number for a table: three significant digits, all of those before
// the point, thousands apart.
func whole(v float64) string {
	if v > 0 && v < least {
		return "<0.001"
	}
	if math.Abs(v) < 1000 {
		return digits(v, 3)
	}
	text := strconv.FormatFloat(v, 'f', 0, 64)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// millis is a time in the unit that fits: 140 µs, 1.2 ms, 3 s.
func millis(v float64) string {
	switch {
	case v == 0:
		return "0"
	case v < 0.9995:
		return digits(v*1000, 3) + " µs"
	case v < 999.5:
		return digits(v, 3) + " ms"
	}
	return digits(v/1000, 3) + " s"
}

// megabytes is a size in MB.
func megabytes(v float64) string {
	if v == 0 {
		return "0"
	}
	return digits(v/1e6, 3) + " MB"
}

func seconds(v float64) string { return digits(v, 3) + " s" }

func times(v float64) string { return digits(v, 3) + "×" }

// nines is a percentile as it is spoken: 50 %, 99.9 %.
func nines(p float64) string { return fmt.Sprintf("%s %%", strconv.FormatFloat(p, 'f', -1, 64)) }
