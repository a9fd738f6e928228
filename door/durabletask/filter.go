package durabletask

import (
	"slices"
	"strings"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
)

// filter is what a worker has code for: nil is everything, else what is listed.
type filter struct {
	names [3]map[string][]string // by engine.ItemKind: versions by name; none is any
}

// newFilter reads the filters of a worker.
func newFilter(w *wire.WorkItemFilters) *filter {
	if w == nil {
		return nil
	}
	f := &filter{}
	for i := range f.names {
		f.names[i] = map[string][]string{}
	}
	for _, o := range w.GetOrchestrations() {
		f.add(engine.OrchestrationKind, o.GetName(), o.GetVersions())
	}
	for _, a := range w.GetActivities() {
		f.add(engine.ActivityKind, a.GetName(), a.GetVersions())
	}
	for _, e := range w.GetEntities() {
		f.add(engine.EntityKind, strings.ToLower(e.GetName()), nil)
	}
	return f
}

// add lists a name. Named twice, once without versions, it has any version.
func (f *filter) add(kind engine.ItemKind, name string, versions []string) {
	old, ok := f.names[kind][name]
	switch {
	case !ok:
		f.names[kind][name] = versions
	case len(old) == 0 || len(versions) == 0:
		f.names[kind][name] = nil
	default:
		f.names[kind][name] = append(slices.Clone(old), versions...)
	}
}

// handles reports whether the worker wants the work.
func (f *filter) handles(kind engine.ItemKind, name, version string) bool {
	if f == nil {
		return true
	}
	if kind == engine.EntityKind {
		name = strings.ToLower(name)
	}
	versions, ok := f.names[kind][name]
	return ok && (len(versions) == 0 || slices.Contains(versions, version))
}
