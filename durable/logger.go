package durable

import (
	"context"
	"log/slog"

	"github.com/netherite-go/netherite/worker"
	"github.com/netherite-go/netherite/worker/replay"
)

// Logger logs with the orchestration's name and ID, and is silent while code
// runs again that has logged before. Log lines can still be lost or doubled by a
// crash: they are not part of the durable state.
func (c *Context) Logger() *slog.Logger {
	if c.logger == nil {
		h := loggerOf(c.env).Handler().WithAttrs([]slog.Attr{slog.String("orchestration", c.Name()), slog.String("instance", c.ID())})
		c.logger = slog.New(replayHandler{h, c.x})
	}
	return c.logger
}

// replayHandler drops what replayed and unwinding code logs.
type replayHandler struct {
	slog.Handler
	x *replay.Execution
}

// Enabled implements slog.Handler.
func (h replayHandler) Enabled(ctx context.Context, level slog.Level) bool {
	return !h.x.Replaying() && !h.x.Unwinding() && h.Handler.Enabled(ctx, level)
}

// WithAttrs implements slog.Handler.
func (h replayHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return replayHandler{h.Handler.WithAttrs(attrs), h.x}
}

// WithGroup implements slog.Handler.
func (h replayHandler) WithGroup(name string) slog.Handler {
	return replayHandler{h.Handler.WithGroup(name), h.x}
}

func loggerOf(env *worker.Env) *slog.Logger {
	if env.Logger == nil {
		return slog.New(slog.DiscardHandler)
	}
	return env.Logger
}
