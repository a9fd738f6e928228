package main

import (
	"context"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
)

// endings are the signals that ask the command to end.
var endings = []os.Signal{os.Interrupt, syscall.SIGTERM, syscall.SIGHUP}

// interruption is one of these signals, the cause of a context's end.
type interruption struct{ signal os.Signal }

// Error implements error.
func (i *interruption) Error() string {
	if i.signal == os.Interrupt {
		return "interrupted"
	}
	return "interrupted: " + i.signal.String()
}

// code is what shells say of a process that the signal has ended.
func (i *interruption) code() int {
	if s, ok := i.signal.(syscall.Signal); ok {
		return exitSignal + int(s)
	}
	return exitFailed
}

// hangup is what the command does about SIGHUP, if not end.
type hangup struct{ do atomic.Pointer[func()] }

type hangupKey struct{}

// onHangup has SIGHUP call f from now on, as servers do, instead of ending a
// command whose context is from untilSignal.
func onHangup(ctx context.Context, f func()) {
	if h, ok := ctx.Value(hangupKey{}).(*hangup); ok {
		h.do.Store(&f)
	}
}

// untilSignal returns a context that ends with the first of the endings, which
// is its cause. stop gives the signals their usual meaning back.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	h := &hangup{}
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, hangupKey{}, h))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, endings...)
	go func() {
		for {
			select {
			case s := <-signals:
				if f := h.do.Load(); f != nil && s == syscall.SIGHUP {
					(*f)()
					continue
				}
				cancel(&interruption{s})
			case <-ctx.Done():
			}
			return
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil) }
}

// surviveClosedPipes makes writes to a pipe that nobody reads fail, as any other
// write does, instead of ending the process before it has tidied up.
func surviveClosedPipes() (stop func()) {
	signals := make(chan os.Signal, 1) // nobody reads it: the write's error is enough
	signal.Notify(signals, syscall.SIGPIPE)
	return func() { signal.Stop(signals) }
}
