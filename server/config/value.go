package config

import (
	"fmt"
	"log/slog"
	"math"
	"net"
	"strconv"
	"strings"
	"time"
)

// off is the address of a listener that is not wanted.
const off = "off"

// parse reads a value of a flag or variable.
func parse(k kind, v string) (any, error) {
	switch k {
	case texts, addresses:
		return list(k, v)
	case number:
		n, err := strconv.Atoi(v)
		if err != nil || n < 0 {
			return nil, fmt.Errorf("%q is no number from 0 on", v)
		}
		return n, nil
	case bytes:
		return size(v)
	case span, keepSpan:
		return duration(v, k == keepSpan)
	case yes:
		switch v {
		case "true":
			return true, nil
		case "false":
			return false, nil
		}
		return nil, fmt.Errorf("%q is neither true nor false", v)
	case address:
		if v == off {
			return "", nil
		}
		return v, hostPort(v)
	case level:
		var l slog.Level
		if err := l.UnmarshalText([]byte(v)); err != nil {
			return nil, fmt.Errorf("%q is none of debug, info, warn and error", v)
		}
		return l, nil
	}
	return v, nil
}

func list(k kind, v string) (any, error) {
	items := []string{}
	for item := range strings.SplitSeq(v, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	return items, checkList(k, items)
}

func checkList(k kind, items []string) error {
	if k != addresses {
		return nil
	}
	for _, item := range items {
		if err := hostPort(item); err != nil {
			return err
		}
	}
	return nil
}

func hostPort(v string) error {
	host, port, err := net.SplitHostPort(v)
	if err != nil {
		return fmt.Errorf("%q is no address, which is HOST:PORT", v)
	}
	if host == "" {
		return fmt.Errorf("%q is an address without a host: say 127.0.0.1 for this machine alone, 0.0.0.0 or [::] for all", v)
	}
	if n, err := strconv.Atoi(port); err != nil || n < 0 || n > math.MaxUint16 {
		return fmt.Errorf("%q has no port from 0 to %d", v, math.MaxUint16)
	}
	return nil
}

var units = []struct {
	name string
	size int64
}{{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {"TiB", 1 << 40}, {"B", 1}}

// size reads a number of bytes: 67108864, 64MiB.
func size(v string) (any, error) {
	digits, unit := v, int64(1)
	for _, u := range units {
		if d, ok := strings.CutSuffix(v, u.name); ok {
			digits, unit = strings.TrimSpace(d), u.size
			break
		}
	}
	n, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || n < 0 || n > math.MaxInt64/unit {
		return nil, fmt.Errorf("%q is no size, such as 64MiB", v)
	}
	return n * unit, nil
}

// duration reads a duration as Go does, and days; negative is forever.
func duration(v string, forever bool) (any, error) {
	if v == "forever" && forever {
		return time.Duration(-1), nil
	}
	const day = 24 * time.Hour
	if days, ok := strings.CutSuffix(v, "d"); ok {
		if n, err := strconv.ParseInt(days, 10, 64); err == nil && n >= 0 && n <= math.MaxInt64/int64(day) {
			return time.Duration(n) * day, nil
		}
	}
	d, err := time.ParseDuration(v)
	if err != nil || d < 0 {
		return nil, fmt.Errorf("%q is no duration, such as 90s, 36h or 30d", v)
	}
	return d, nil
}
