package server

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
	"github.com/netherite-go/netherite/substrate"
)

const (
	// endsSoon is how long before an API key expires the log begins to say so: long
	// enough for its holders to be given another one.
	endsSoon = 14 * 24 * time.Hour
	// endsAgain is how often it says so.
	endsAgain = 24 * time.Hour
	// endsNamed is how many keys are named at a time; the file may have thousands.
	endsNamed = 20
)

// keyEnds warns of API keys that expire soon, or have.
type keyEnds struct {
	clock substrate.Clock
	log   *slog.Logger
	keys  func() []gate.Key // that are accepted now

	mu    sync.Mutex
	ended bool
	next  func() // stops it
}

// keysOf are those that a configuration accepts, as they were read last.
func (c *Config) keysOf(auth []gate.Authenticator) func() []gate.Key {
	return func() []gate.Key {
		list := slices.Clone(c.Keys)
		for _, a := range auth {
			if k, ok := a.(*liveKeys); ok {
				list = append(list, k.now.Load().list...)
			}
		}
		return list
	}
}

// begin warns now, and again each day.
func (e *keyEnds) begin() {
	e.warn(time.Time{})
	e.arm()
}

func (e *keyEnds) arm() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.ended {
		e.next = e.clock.AfterFunc(endsAgain, func() {
			e.warn(e.clock.Wall().Add(-endsAgain)) // of what expired before it has warned before
			e.arm()
		})
	}
}

func (e *keyEnds) end() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.ended = true; e.next != nil {
		e.next()
	}
}

// warn names the keys that expire soon, or have since a moment.
func (e *keyEnds) warn(since time.Time) {
	now := e.clock.Wall()
	list := slices.DeleteFunc(e.keys(), func(k gate.Key) bool {
		return k.Expires.IsZero() || k.Expires.Before(since) || k.Expires.After(now.Add(endsSoon))
	})
	slices.SortFunc(list, func(a, b gate.Key) int { return cmp.Or(a.Expires.Compare(b.Expires), cmp.Compare(a.Name, b.Name)) })
	for i, k := range list {
		switch {
		case i == endsNamed:
			e.log.Warn("more API keys expire soon, or have expired", "keys", len(list)-i)
			return
		case k.Expires.After(now):
			e.log.Warn("an API key expires soon: netherite key rotate gives it another secret and end", "key", k.Name, "expires", keyfile.FormatExpiry(k.Expires))
		default:
			e.log.Warn("an API key has expired: calls with it are refused", "key", k.Name, "expires", keyfile.FormatExpiry(k.Expires))
		}
	}
}

// firstEnd is when the first of some keys expires; zero if none does.
func firstEnd(keys []gate.Key) (first time.Time) {
	for _, k := range keys {
		if !k.Expires.IsZero() && (first.IsZero() || k.Expires.Before(first)) {
			first = k.Expires
		}
	}
	return first
}
