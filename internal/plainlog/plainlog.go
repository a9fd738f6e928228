// Package plainlog makes what libraries say in an error fit for a line of a log.
package plainlog

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// Text is the text of an error on one line, in which nothing is said twice: Pebble joins
// the text of an error with that of its own copy, each on lines of their own.
func Text(err error) string {
	var said []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" && line != carrier && !slices.ContainsFunc(said, func(s string) bool { return strings.HasSuffix(s, line) }) {
			said = append(said, line)
		}
	}
	return strings.Join(said, "; ")
}

// carrier is a line by which Pebble marks the copy.
const carrier = "<corruption detail carrier>"

// Logger is a logger whose errors are plain texts. Those of Pebble would be printed with
// the stack of where they were made, and paths of the machine that built the program.
func Logger(l *slog.Logger) *slog.Logger { return slog.New(handler{l.Handler()}) }

type handler struct{ slog.Handler }

// Handle implements slog.Handler.
func (h handler) Handle(ctx context.Context, r slog.Record) error {
	rough := false
	r.Attrs(func(a slog.Attr) bool {
		rough = isRough(a)
		return !rough
	})
	if !rough {
		return h.Handler.Handle(ctx, r)
	}
	plain := slog.NewRecord(r.Time, r.Level, r.Message, r.PC)
	r.Attrs(func(a slog.Attr) bool {
		plain.AddAttrs(smooth(a))
		return true
	})
	return h.Handler.Handle(ctx, plain)
}

// WithAttrs implements slog.Handler.
func (h handler) WithAttrs(attrs []slog.Attr) slog.Handler {
	attrs = slices.Clone(attrs)
	for i, a := range attrs {
		attrs[i] = smooth(a)
	}
	return handler{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements slog.Handler.
func (h handler) WithGroup(name string) slog.Handler { return handler{h.Handler.WithGroup(name)} }

// isRough reports whether an attribute is an error that says more than its text, or that
// on several lines.
func isRough(a slog.Attr) bool {
	err, ok := a.Value.Any().(error)
	if !ok {
		return false
	}
	_, formats := err.(fmt.Formatter)
	return formats || strings.Contains(err.Error(), "\n")
}

func smooth(a slog.Attr) slog.Attr {
	if isRough(a) {
		a.Value = slog.AnyValue(&plain{a.Value.Any().(error)})
	}
	return a
}

// plain is an error with a plain text. Handlers that look for others find them in it.
type plain struct{ error }

// Error implements error.
func (p *plain) Error() string { return Text(p.error) }

// Unwrap returns the error.
func (p *plain) Unwrap() error { return p.error }
