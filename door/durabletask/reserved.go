package durabletask

import (
	"strings"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/model"
)

// Names that begin so are not for workers: SDKs call by them what the host does
// itself. A worker without filters would be asked for what it does not have, and
// fail it; it gets them only if its filters list them.
const (
	reservedPrefix = "BuiltIn::"
	httpActivity   = reservedPrefix + "HttpActivity"
)

// reserved reports whether work is of the host's.
func reserved(name string) bool { return strings.HasPrefix(name, reservedPrefix) }

// takesReserved reports whether a worker without filters takes reserved work: an
// HTTP call does not reach it, but is taken to be refused, if there is nobody who
// would make it.
func (w *session) takesReserved(kind engine.ItemKind, name string) bool {
	return w.noCalls != "" && kind == engine.ActivityKind && name == httpActivity && !w.d.lists(kind, name)
}

// lists reports whether a connected worker has the name in its filters.
func (d *desk) lists(kind engine.ItemKind, name string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for w := range d.sessions { // order-free: any will do
		if w.filter != nil && !w.closing.Load() && w.filter.handles(kind, name, "") {
			return true
		}
	}
	return false
}

// refuses reports whether an item is not sent to the worker but refused.
func (w *session) refuses(item any) bool {
	i, ok := item.(*engine.ActivityItem)
	if !ok || w.filter != nil || !reserved(i.Name) {
		return false
	}
	f := &model.Failure{Type: "HttpCallsDisabled", Message: w.noCalls, NonRetriable: true}
	_ = w.conn.CompleteActivity(&engine.ActivityResult{Token: i.Token, Failure: f}) // it may be stale, which is all the same
	return true
}

// close gives back what the worker has. Whether others take reserved work instead
// of it is asked when the connection is closed, so it is not counted from before.
func (w *session) close() {
	w.closing.Store(true)
	w.conn.Close()
}
