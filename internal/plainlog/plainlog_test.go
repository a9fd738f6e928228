package plainlog_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/internal/plainlog"
)

// rough is an error such as Pebble's.
type rough struct{ error }

// Format implements fmt.Formatter.
func (r rough) Format(s fmt.State, _ rune) {
	_, _ = io.WriteString(s, r.Error()+"\n(1) attached stack trace\n\tx.go:77")
}

func TestAnErrorIsOneLineInTheLogThatSaysNothingTwice(t *testing.T) {
	bad := rough{errors.New("crc mismatch")}
	for _, json := range []bool{false, true} {
		for what, err := range map[string]error{
			"alone":  bad,
			"joined": fmt.Errorf("partition 0: %w", errors.New("crc mismatch\n<corruption detail carrier>\ncrc mismatch\n<corruption detail carrier>")),
			"with":   bad,
		} {
			var out bytes.Buffer
			var h slog.Handler = slog.NewTextHandler(&out, nil)
			if json {
				h = slog.NewJSONHandler(&out, nil)
			}
			l := plainlog.Logger(slog.New(h)).WithGroup("g")
			if what == "with" {
				l.With("error", err).Error("m", "n", 1)
			} else {
				l.Error("m", "n", 1, "error", err)
			}
			got := out.String()
			if strings.Count(got, "crc mismatch") != 1 || strings.Contains(got, "stack") || strings.Contains(got, "carrier") || strings.Contains(got, `\n`) || !strings.Contains(got, "n") {
				t.Errorf("%s, json %t: %s", what, json, got)
			}
		}
	}
	if got := plainlog.Text(errors.New("a\nb")); got != "a; b" {
		t.Errorf("two things are %q", got)
	}
}

func TestAHandlerFindsTheErrorInThePlainOne(t *testing.T) {
	var found error
	l := plainlog.Logger(slog.New(catch{slog.DiscardHandler, &found}))
	l.Error("m", "error", rough{io.ErrUnexpectedEOF})
	if !errors.As(found, new(rough)) {
		t.Errorf("a handler gets %#v", found)
	}
}

// catch keeps the error of a record.
type catch struct {
	slog.Handler
	found *error
}

// Enabled implements slog.Handler.
func (catch) Enabled(context.Context, slog.Level) bool { return true }

// Handle implements slog.Handler.
func (c catch) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool {
		*c.found, _ = a.Value.Any().(error)
		return true
	})
	return nil
}
