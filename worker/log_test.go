package worker

import "log/slog"

type lines func(string)

func (l lines) Write(p []byte) (int, error) {
	l(string(p))
	return len(p), nil
}

// newLogger returns a logger that gives every line to f.
func newLogger(f func(string)) *slog.Logger { return slog.New(slog.NewTextHandler(lines(f), nil)) }
