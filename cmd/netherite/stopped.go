package main

import (
	"io"
	"time"

	"github.com/netherite-go/netherite/internal/terminal"
)

// lookEvery is how often a process is looked at that is being waited for.
const lookEvery = time.Second

// tellStopped says so each time when a process is stopped, until stop is called: who
// waits for it would wait without a word.
func tellStopped(pid int, what string, out io.Writer) (stop func()) {
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(lookEvery)
		defer tick.Stop()
		was := false
		for {
			select {
			case <-quit:
				return
			case <-tick.C:
			}
			now := isStopped(pid)
			if now && !was {
				terminal.Printf(out, "%s, process ID %d, is stopped: kill -CONT %d lets it go on, and its figures have the pause in them\n", what, pid, pid)
			}
			was = now
		}
	}()
	return func() { close(quit); <-done }
}
