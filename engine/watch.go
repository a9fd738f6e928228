package engine

import (
	"context"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// Watcher is a Client that tells what changes, as it changes. Not every engine can:
// ask for it with a type assertion.
type Watcher interface {
	// Watch begins to tell of changes that become durable from now on: what is read
	// after it has returned, and what is told, leave nothing out between them.
	// ErrBusy if there are as many watches as the engine can have.
	Watch(WatchOptions) (Watch, error)
}

// WatchOptions selects the instances whose changes are told. Zero fields do not
// restrict.
type WatchOptions struct {
	Entities bool     // entities instead of orchestrations
	Instance string   // this one only; Entities does not matter then
	Names    []string // as they are; types of entities without case
	// Statuses are those that an instance has after the change. Who wants to hear of
	// instances that leave a status does not restrict them. An instance that is
	// forgotten is always told of.
	Statuses []model.Status
	IDPrefix string
	// Buffer is how many instances with news are kept for a reader that is slow; 0 is
	// 1,000. What does not fit is lost, and the reader is told that something is.
	Buffer int
}

// Watch is a subscription to changes.
type Watch interface {
	// Next waits for changes and returns those since the last call, in an order in
	// which the changes of one instance follow each other; several of one instance
	// are told as one. With lost there were more, which nobody tells any more: the
	// reader looks for itself. That is so when its buffer was full, and when the
	// engine has recovered from a failure. The error is the context's, or ErrClosed
	// when the engine closes. One call at a time.
	Next(ctx context.Context) (changes []Change, lost bool, err error)
	Close()
}

// Change says how an instance is after a change that is durable.
type Change struct {
	Instance    string
	Name        string
	Version     string
	Execution   model.ExecutionID
	Status      model.Status
	Created     model.Time
	LastUpdated model.Time
	Gone        bool // it has been forgotten; the rest says how it was
}

// Matches reports whether a change is to be told.
func (o *WatchOptions) Matches(c *Change) bool {
	if o.Instance != "" {
		if c.Instance != o.Instance {
			return false
		}
	} else if model.IsEntity(c.Instance) != o.Entities {
		return false
	}
	return strings.HasPrefix(c.Instance, o.IDPrefix) && oneOf(o.Names, c.Name) && (c.Gone || oneOf(o.Statuses, c.Status))
}

// oneOf reports whether v is in a list, or there is none.
func oneOf[T comparable](list []T, v T) bool { return len(list) == 0 || slices.Contains(list, v) }
