package httpapi

import (
	"fmt"
	"maps"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netherite-go/netherite/model"
)

// params are the parameters of a request. Their names are compared without case.
type params struct{ values url.Values }

// all are the values of a parameter. They are always in the same order, also where
// it is spelled in several ways: who asks twice is told the same.
func (p params) all(name string) (list []string) {
	for _, k := range slices.Sorted(maps.Keys(p.values)) {
		if strings.EqualFold(k, name) {
			list = append(list, p.values[k]...)
		}
	}
	return list
}

func (p params) text(name string) string {
	if v := p.all(name); len(v) > 0 {
		return v[0]
	}
	return ""
}

// flag is a parameter that is true or false.
func (p params) flag(name string, otherwise bool) (bool, error) {
	v := p.text(name)
	if v == "" {
		return otherwise, nil
	}
	b, err := strconv.ParseBool(strings.ToLower(v))
	if err != nil {
		return false, badRequest("%s is %q, it must be true or false", name, v)
	}
	return b, nil
}

// number is a parameter that is a whole number above zero; 0 if it is absent.
func (p params) number(name string, most int) (int, error) {
	v := p.text(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.Atoi(v)
	if err != nil || n < 1 {
		return 0, badRequest("%s is %q, it must be a number from 1 on", name, v)
	}
	return min(n, most), nil
}

// seconds is a parameter that is a time span in seconds, whole or not. It reports
// whether it is there.
func (p params) seconds(name string) (time.Duration, bool, error) {
	v := p.text(name)
	if v == "" {
		return 0, false, nil
	}
	s, err := strconv.ParseFloat(v, 64)
	if err != nil || !(s >= 0) || s > math.MaxInt64/float64(time.Second) {
		return 0, false, badRequest("%s is %q, it must be a number of seconds from 0 to %d", name, v, math.MaxInt64/time.Second)
	}
	return time.Duration(s * float64(time.Second)), true, nil
}

// layouts are the forms of times that are read.
var layouts = [...]string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", "2006-01-02"}

// time is a parameter that is a time, in UTC if it names no zone; zero if absent.
func (p params) time(name string) (model.Time, error) {
	v := strings.ReplaceAll(p.text(name), " ", "+") // a plus sign in a query is a blank
	if v == "" {
		return 0, nil
	}
	for _, l := range layouts {
		if t, err := time.Parse(l, v); err == nil {
			return model.TimeOf(t), nil
		}
	}
	return 0, badRequest("%s is %q, it must be a time such as 2026-02-03T04:05:06Z", name, p.text(name))
}

// statuses is a parameter that lists statuses, with commas or repeated.
func (p params) statuses(name string) (list []model.Status, err error) {
	for _, v := range p.all(name) {
		for s := range strings.SplitSeq(v, ",") {
			if s = strings.TrimSpace(s); s == "" {
				continue
			}
			m, err := model.ParseStatus(s)
			if err != nil {
				return nil, badRequest("%s: %v", name, err)
			}
			list = append(list, m)
		}
	}
	return list, nil
}

// badRequest is an error of the caller's.
func badRequest(format string, args ...any) error {
	return &Refusal{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}
