package keyfile

import (
	"fmt"
	"time"
)

// The years of a moment at which a key can expire. The zero time, which means never,
// is none of them, and each can be written and read again.
const firstYear, lastYear = 2000, 9999

// Expiry is the moment of which a text says that a key expires then: a time of RFC 3339,
// or a date, whose beginning in UTC is meant.
func Expiry(text string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		t, err = time.Parse(time.DateOnly, text)
	}
	if t = t.UTC(); err != nil || t.Year() < firstYear || t.Year() > lastYear {
		return time.Time{}, fmt.Errorf("%.100q is no time at which a key can expire: it is a date such as 2027-01-31, whose beginning in UTC is meant, or a time such as 2027-01-31T18:00:00+01:00", text)
	}
	return t, nil
}

// FormatExpiry is the inverse of Expiry; empty for the zero time.
func FormatExpiry(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339Nano)
}
