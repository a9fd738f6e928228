package httpapi

import (
	"net/http"
	"slices"
	"strings"
)

// route is an operation: a method, and what the path has after the base. A
// segment in braces is a parameter; the last one may be absent if it ends in "?".
type route struct {
	method string
	path   []string
	serve  func(c *call, args []string) error
}

// operation is the route's name, for example "GET instances/{instance}".
func (r *route) operation() string { return r.method + " " + strings.Join(r.path, "/") }

// demands reports whether the operation gives a hub work: what may make one.
func (r *route) demands() bool {
	return r.method == http.MethodPost && (r.path[0] == "orchestrators" || r.path[0] == "entities")
}

// routes are all that there is.
var routes = []route{
	{http.MethodPost, []string{"orchestrators", "{function}", "{instance?}"}, (*call).start},
	{http.MethodGet, []string{"instances"}, (*call).list},
	{http.MethodDelete, []string{"instances"}, (*call).purgeWhere},
	{http.MethodGet, []string{"instances", "{instance}"}, (*call).status},
	{http.MethodDelete, []string{"instances", "{instance}"}, (*call).purge},
	{http.MethodPost, []string{"instances", "{instance}", "raiseevent", "{event}"}, (*call).raise},
	{http.MethodPost, []string{"instances", "{instance}", "terminate"}, (*call).terminate},
	{http.MethodPost, []string{"instances", "{instance}", "suspend"}, (*call).suspend},
	{http.MethodPost, []string{"instances", "{instance}", "resume"}, (*call).resume},
	{http.MethodPost, []string{"instances", "{instance}", "rewind"}, (*call).rewind},
	{http.MethodPost, []string{"instances", "{instance}", "restart"}, (*call).restart},
	{http.MethodGet, []string{"entities", "{name?}"}, (*call).entities},
	{http.MethodGet, []string{"entities", "{name}", "{key}"}, (*call).entity},
	{http.MethodPost, []string{"entities", "{name}", "{key}"}, (*call).signal},
	{http.MethodDelete, []string{"entities", "{name}", "{key}"}, (*call).deleteEntity},
	{http.MethodPost, []string{"makeprimary"}, (*call).makePrimary},
	{http.MethodGet, []string{"changes"}, (*call).changes},
	{http.MethodGet, []string{"openapi.json"}, (*call).describe},
}

// Operations lists all operations, as Options.Admit is asked about them: the
// method and the path after the base, for example "GET instances/{instance}".
func Operations() []string {
	list := make([]string, len(routes))
	for i := range routes {
		list[i] = routes[i].operation()
	}
	return list
}

// match finds the route of a request, or the methods that its path has.
func match(method string, segments []string) (found *route, args, methods []string) {
	for i := range routes {
		a, ok := routes[i].matches(segments)
		switch {
		case !ok:
		case routes[i].method == method:
			return &routes[i], a, nil
		default:
			methods = append(methods, routes[i].method)
		}
	}
	slices.Sort(methods)
	return nil, nil, slices.Compact(methods)
}

// matches reports whether the path is the route's, and returns its parameters.
// The names of operations are compared without case, as they always were.
func (r *route) matches(segments []string) (args []string, ok bool) {
	if len(segments) > len(r.path) {
		return nil, false
	}
	for i, p := range r.path {
		parameter := p[0] == '{'
		switch {
		case i >= len(segments) || parameter && segments[i] == "":
			if !strings.HasSuffix(p, "?}") {
				return nil, false
			}
			args = append(args, "")
		case parameter:
			args = append(args, segments[i])
		case !strings.EqualFold(p, segments[i]):
			return nil, false
		}
	}
	return args, true
}

func (c *call) makePrimary([]string) error {
	c.w.WriteHeader(http.StatusOK) // the hub has no secondary
	return nil
}
