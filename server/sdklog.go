package server

import (
	"context"
	"log/slog"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
)

// logSDK has what OpenTelemetry says of itself go to the log. There is one such place in
// a process, so the server that was started last has it.
func logSDK(log *slog.Logger) {
	otel.SetLogger(logr.New(sdkLog{log}))
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("OpenTelemetry: what was to be sent may be lost", "error", err)
	}))
}

// sdkLog is a log as OpenTelemetry writes to it: level 1 is for warnings, 4 and 8 are for
// those who work on it. Nothing of it is an error of the server's.
type sdkLog struct{ *slog.Logger }

// Init implements logr.LogSink.
func (sdkLog) Init(logr.RuntimeInfo) {}

// Enabled implements logr.LogSink.
func (l sdkLog) Enabled(level int) bool {
	return l.Handler().Enabled(context.Background(), levelOf(level))
}

// Info implements logr.LogSink.
func (l sdkLog) Info(level int, text string, about ...any) {
	l.Log(context.Background(), levelOf(level), "OpenTelemetry: "+text, about...)
}

// Error implements logr.LogSink.
func (l sdkLog) Error(err error, text string, about ...any) {
	l.Warn("OpenTelemetry: "+text, append(about, "error", err)...)
}

// WithValues implements logr.LogSink.
func (l sdkLog) WithValues(about ...any) logr.LogSink { return sdkLog{l.With(about...)} }

// WithName implements logr.LogSink.
func (l sdkLog) WithName(name string) logr.LogSink { return sdkLog{l.With("logger", name)} }

func levelOf(level int) slog.Level {
	if level <= 1 {
		return slog.LevelWarn
	}
	return slog.LevelDebug
}
