package netherite

import (
	"fmt"
	"strings"

	"github.com/netherite-go/netherite/model"
)

const (
	// minFailure is what a failure may always have, however small payloads are.
	minFailure = 16 << 10
	// maxCauses bounds the chain of a failure's causes.
	maxCauses = 32
)

// failureLimit bounds a failure with its causes: it may be as large as a payload.
func (e *Engine) failureLimit() int { return max(e.opts.MaxPayload, minFailure) }

// boundFailure returns f, or what fits of it into the limit. Its texts say what
// was cut off: a failure is never refused, or that would hide why something failed.
func (e *Engine) boundFailure(f *model.Failure) *model.Failure {
	limit := e.failureLimit()
	if f == nil || failureFits(f, limit) {
		return f
	}
	var root *model.Failure
	for last, n := &root, 0; f != nil; f, n = f.Cause, n+1 {
		*last = cutFailure(f, limit/4)
		limit -= failureBytes(*last)
		if f.Cause != nil && (n == maxCauses || limit < minFailure/4) {
			(*last).Message += " (further causes are left out)"
			break
		}
		last = &(*last).Cause
	}
	return root
}

// cutFailure copies one link of a chain, each part with at most so many bytes.
func cutFailure(f *model.Failure, limit int) *model.Failure {
	c := &model.Failure{
		Type: cutText(f.Type, model.MaxName), Message: cutText(f.Message, limit), Stack: cutText(f.Stack, limit),
		NonRetriable: f.NonRetriable, Properties: f.Properties,
	}
	if n := propertyBytes(f); n > limit {
		c.Properties = nil
		c.Message += fmt.Sprintf(" (properties of %d bytes are left out)", n)
	}
	return c
}

// cutText shortens a text to at most so many bytes and says so in it.
func cutText(s string, limit int) string {
	if len(s) <= limit {
		return s
	}
	note := fmt.Sprintf("... (truncated, %d bytes in all)", len(s))
	return strings.ToValidUTF8(s[:max(0, limit-len(note))], "") + note
}

// failureFits reports whether a failure with its causes is within the limits.
func failureFits(f *model.Failure, limit int) bool {
	for n := 0; f != nil; f, n = f.Cause, n+1 {
		if limit -= failureBytes(f); limit < 0 || n > maxCauses {
			return false
		}
	}
	return true
}

// failureBytes is the size of one link of a chain.
func failureBytes(f *model.Failure) int {
	return len(f.Type) + len(f.Message) + len(f.Stack) + propertyBytes(f)
}

func propertyBytes(f *model.Failure) (n int) {
	for k, v := range f.Properties { // order-free: a sum
		n += len(k) + len(v)
	}
	return n
}
