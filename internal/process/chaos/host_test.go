//go:build unix

package chaos

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netherite-go/netherite/bench/chaos"
)

// Bounds of what a host may take.
const (
	openWithin   = time.Minute
	answerWithin = 20 * time.Second
)

// host is a process that serves the hub. Signals go to the process that was
// started, which is waited for in one place, so its ID is its own until then.
type host struct {
	cmd    *exec.Cmd
	stdin  io.WriteCloser
	lines  chan chaos.Line
	stderr *tail
	begun  time.Time
	opened *chaos.Opened

	expected atomic.Bool   // its end
	done     chan struct{} // closed when it has ended
	err      error         // of its end; read after done
}

// launch starts a host on a directory. It may not open it; see open.
func launch(command, dir string, args ...string) (*host, error) {
	h := &host{
		cmd:   exec.Command(command, append([]string{"chaos-host", dir}, args...)...),
		lines: make(chan chaos.Line, 16), stderr: &tail{}, done: make(chan struct{}), begun: time.Now(),
	}
	h.cmd.Stderr, h.cmd.SysProcAttr = h.stderr, attributes()
	var err error
	if h.stdin, err = h.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	stdout, err := h.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := h.cmd.Start(); err != nil {
		return nil, err
	}
	go h.watch(stdout)
	return h, nil
}

// watch reads what the process prints, and waits for its end.
func (h *host) watch(stdout io.Reader) {
	for s := bufio.NewScanner(stdout); s.Scan(); {
		var l chaos.Line
		if json.Unmarshal(s.Bytes(), &l) == nil { // a line that the kill cut off says nothing
			h.lines <- l
		}
	}
	close(h.lines)
	h.err = h.cmd.Wait()
	close(h.done)
}

// next waits for the next line. It fails if the process ends, or says nothing.
func (h *host) next(within time.Duration) (l chaos.Line, err error) {
	t := time.NewTimer(within)
	defer t.Stop()
	select {
	case l, ok := <-h.lines:
		if ok {
			return l, nil
		}
		<-h.done
		return l, &ended{h.err, h.stderr.String()}
	case <-t.C:
		return l, fmt.Errorf("process %d said nothing for %v\n%s", h.pid(), within, h.stderr)
	}
}

// ended says that a process ended by itself.
type ended struct {
	err    error
	stderr string
}

func (e *ended) Error() string { return fmt.Sprintf("the process ended: %v\n%s", e.err, e.stderr) }

// open waits until the hub is open.
func (h *host) open() error {
	l, err := h.next(openWithin)
	if err == nil && l.Open == nil {
		err = fmt.Errorf("process %d said %+v before it was open", h.pid(), l)
	}
	h.opened = l.Open
	return err
}

func (h *host) pid() int { return h.cmd.Process.Pid }

func (h *host) ended() bool {
	select {
	case <-h.done:
		return true
	default:
		return false
	}
}

// stop suspends the process, and resume lets it go on. The signal is only on its way
// when it has been sent: where the system shows threads, all of them stand still when
// stop returns.
func (h *host) stop() error {
	err := h.cmd.Process.Signal(syscall.SIGSTOP)
	for err == nil && !h.ended() && h.threadRuns() {
		runtime.Gosched()
	}
	return err
}

func (h *host) resume() error { return h.cmd.Process.Signal(syscall.SIGCONT) }

// threadRuns reports whether a thread of the process is not stopped, as far as the
// system shows it.
func (h *host) threadRuns() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/stat", h.pid()))
	return slices.ContainsFunc(threads, func(name string) bool {
		b, err := os.ReadFile(name)
		after := bytes.LastIndexByte(b, ')') // the name before may contain anything
		return err == nil && after >= 0 && !bytes.HasPrefix(b[after+1:], []byte(" T")) && !bytes.HasPrefix(b[after+1:], []byte(" Z"))
	})
}

// kill ends the process at once, also one that is stopped.
func (h *host) kill() {
	h.expected.Store(true)
	_ = h.cmd.Process.Kill() // it may have ended just now
	h.drain()
}

// drain waits for the end.
func (h *host) drain() {
	for range h.lines {
	}
	<-h.done
}

// close lets the process close the hub, and says how it ended.
func (h *host) close() error {
	h.expected.Store(true)
	_, err := io.WriteString(h.stdin, "close\n")
	l, lineErr := h.next(time.Minute)
	if err = errors.Join(err, lineErr); err == nil && !l.Closed {
		err = fmt.Errorf("process %d said %+v instead of closing", h.pid(), l)
	}
	if err != nil {
		h.kill()
		return fmt.Errorf("close the hub: %w", err)
	}
	h.drain()
	return h.err
}

// sample asks the process what it is.
func (h *host) sample() (*chaos.Sample, error) {
	_, err := io.WriteString(h.stdin, "sample\n")
	if err != nil {
		return nil, err
	}
	l, err := h.next(answerWithin)
	if err == nil && l.Sample == nil {
		err = fmt.Errorf("process %d said %+v instead of a sample", h.pid(), l)
	}
	return l.Sample, err
}

// limit bounds the size of the files that the process writes.
func (h *host) limit(n int64) error {
	_, err := fmt.Fprintf(h.stdin, "limit %d\n", n)
	if err != nil {
		return err
	}
	l, err := h.next(answerWithin)
	if err == nil && (l.Limit == nil || *l.Limit != n) {
		err = fmt.Errorf("process %d said %+v instead of limit %d", h.pid(), l, n)
	}
	return err
}

// runOnce runs the command to its end.
func runOnce(ctx context.Context, command string, args ...string) (stdout, stderr string, code int, err error) {
	limited, cancel := context.WithTimeout(ctx, openWithin)
	defer cancel()
	var out, errs strings.Builder
	cmd := exec.CommandContext(limited, command, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = &out, &errs, attributes()
	err = cmd.Run()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Exited() {
		return out.String(), errs.String(), exit.ExitCode(), nil
	}
	return out.String(), errs.String(), 0, err
}

// tail keeps the end of what is written to it.
type tail struct {
	mu sync.Mutex
	b  []byte
}

const tailBytes = 16 << 10

// Write implements io.Writer.
func (w *tail) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b = append(w.b, p...)
	if over := len(w.b) - tailBytes; over > 0 {
		w.b = append(w.b[:0], w.b[over:]...)
	}
	return len(p), nil
}

// String implements fmt.Stringer.
func (w *tail) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return string(w.b)
}
