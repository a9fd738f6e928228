package httpapi

import (
	"regexp"
	"strings"

	"github.com/netherite-go/netherite/model"
)

// parent is the header of a W3C trace context: version, trace, span and flags.
var parent = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-([0-9a-f]{16})-[0-9a-f]{2}$`)

// trace is the trace that the request is part of; nil if it is of none. A header
// that cannot be read is of none, as the standard wants it.
func (c *call) trace() *model.Trace {
	text := c.r.Header.Get("traceparent")
	m := parent.FindStringSubmatch(text)
	if m == nil || strings.HasPrefix(text, "ff") {
		return nil
	}
	return &model.Trace{Parent: text, SpanID: m[1], State: strings.Join(c.r.Header.Values("tracestate"), ",")}
}
