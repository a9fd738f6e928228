package config

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// bounded reports whether a setting has bounds.
func (s *Setting) bounded() bool { return s.Most > 0 }

// Bounds says from where to where a setting may be, as people write its values; empty
// if it has no bounds.
func (s *Setting) Bounds() string {
	if !s.bounded() {
		return ""
	}
	return s.written(s.Least) + " to " + s.written(s.Most)
}

// written is a value as people write it: a number with commas, a size or duration with
// the largest unit that goes into it.
func (s *Setting) written(n int64) string {
	switch s.Kind {
	case bytes:
		for _, u := range slices.Backward(units[:len(units)-1]) {
			if n > 0 && n%u.size == 0 {
				return strconv.FormatInt(n/u.size, 10) + u.name
			}
		}
		return strconv.FormatInt(n, 10) + "B"
	case span:
		if hour := int64(time.Hour / time.Second); n > 0 && n%hour == 0 {
			return strconv.FormatInt(n/hour, 10) + "h"
		}
		return strconv.FormatInt(n, 10) + "s"
	}
	if n < 1000 {
		return strconv.FormatInt(n, 10)
	}
	return s.written(n/1000) + fmt.Sprintf(",%03d", n%1000)
}

// measured is the value of a setting that has bounds, in their unit.
func (v *values) measured(s *Setting) int64 {
	switch s.Kind {
	case number:
		return int64(get[int](v, s.Key))
	case span:
		return int64(get[time.Duration](v, s.Key) / time.Second)
	}
	return get[int64](v, s.Key)
}

// outOfBounds finds settings that are too large or too small.
func (v *values) outOfBounds() {
	for _, s := range v.list {
		if !s.bounded() {
			continue
		}
		if n := v.measured(s); n < s.Least || n > s.Most {
			v.wrong("%s: it is %s, and must be %s", v.said(s.Key), s.written(n), s.Bounds())
		}
	}
}
