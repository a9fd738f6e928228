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

// signalled is what the command does about signals, other than end.
type signalled struct {
	hangup atomic.Pointer[func()]
	nohup  bool          // SIGHUP was ignored at the start, as nohup has it: it ends nothing
	waits  atomic.Bool   // somebody waits for again
	again  chan struct{} // closed by the second of the endings
}

type signalledKey struct{}

// onHangup has SIGHUP call f from now on, as servers do, instead of ending a
// command whose context is from untilSignal.
func onHangup(ctx context.Context, f func()) {
	if h, ok := ctx.Value(signalledKey{}).(*signalled); ok {
		h.hangup.Store(&f)
	}
}

// secondSignal is closed when a second signal asks the command to end, which is in a
// hurry then. A third one ends the process. Commands that do not call it end as the
// first signal has them, however many follow.
func secondSignal(ctx context.Context) <-chan struct{} {
	if h, ok := ctx.Value(signalledKey{}).(*signalled); ok {
		h.waits.Store(true)
		return h.again
	}
	return nil
}

// untilSignal returns a context that ends with the first of the endings, which
// is its cause. stop gives the signals their usual meaning back.
func untilSignal(parent context.Context) (ctx context.Context, stop func()) {
	h := &signalled{again: make(chan struct{}), nohup: signal.Ignored(syscall.SIGHUP)}
	ctx, cancel := context.WithCancelCause(context.WithValue(parent, signalledKey{}, h))
	signals, stopped := make(chan os.Signal, 8), make(chan struct{}) // what comes while files are read again is not lost
	signal.Notify(signals, endings...)
	go func() {
		for {
			select {
			case s := <-signals:
				f := h.hangup.Load()
				switch {
				case s == syscall.SIGHUP && f != nil:
					(*f)()
				case s == syscall.SIGHUP && (h.nohup || ctx.Err() != nil): // a shell and the kernel may both say that a terminal is gone
				case ctx.Err() == nil:
					cancel(&interruption{s})
				case h.waits.Load():
					signal.Stop(signals)
					close(h.again)
					return
				}
			case <-stopped:
				return
			}
		}
	}()
	return ctx, func() { signal.Stop(signals); cancel(nil); close(stopped) }
}

// surviveClosedPipes makes writes to a pipe that nobody reads fail, as any other
// write does, instead of ending the process before it has tidied up.
func surviveClosedPipes() (stop func()) {
	signals := make(chan os.Signal, 1) // nobody reads it: the write's error is enough
	signal.Notify(signals, syscall.SIGPIPE)
	return func() { signal.Stop(signals) }
}
