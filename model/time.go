package model

import (
	"math"
	"time"
)

// Time is an instant in nanoseconds since the Unix epoch, UTC. Zero means
// absent. It is an integer so that it encodes, compares and replays exactly.
type Time int64

// The years whose nanoseconds fit: all of them, not just a part.
const firstYear, lastYear = 1678, 2261

// TimeOf converts t; the zero time.Time becomes the absent Time. What lies
// before 1678 or after 2261 becomes the earliest or the latest Time there is.
func TimeOf(t time.Time) Time {
	switch year := t.UTC().Year(); {
	case t.IsZero():
		return 0
	case year < firstYear:
		return math.MinInt64
	case year > lastYear:
		return math.MaxInt64
	}
	return Time(t.UnixNano())
}

// Std converts to a time.Time in UTC; an absent Time becomes the zero time.Time.
func (t Time) Std() time.Time {
	if t == 0 {
		return time.Time{}
	}
	return time.Unix(0, int64(t)).UTC()
}

// Add returns t+d.
func (t Time) Add(d time.Duration) Time { return t + Time(d) }

// Sub returns t-u.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// String formats t as RFC 3339 with nanoseconds.
func (t Time) String() string {
	if t == 0 {
		return "-"
	}
	return t.Std().Format(time.RFC3339Nano)
}
