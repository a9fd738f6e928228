package ops_test

import (
	"bufio"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m)
}

// limit bounds all that these tests wait for.
const limit = 60 * time.Second

// process is a server of some kind.
type process struct {
	t     *testing.T
	cmd   *exec.Cmd
	out   []string // what it announced
	place place    // what its ready file said; empty if it has none
	ready string   // the file
	ended chan error

	mu    sync.Mutex
	log   []string
	wants map[string]chan struct{} // closed when a line has it
}

type place struct {
	GRPC              []string
	HTTP, Admin, Data string
	PID               int
}

// loopback are listeners on free ports.
var loopback = []string{"--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--admin", "127.0.0.1:0"}

// start starts a server with a ready file and waits until it has said where it is.
func start(t *testing.T, args ...string) *process {
	t.Helper()
	return startIn(t, nil, args...)
}

// startIn is start with an environment; nil is that of the tests.
func startIn(t *testing.T, env []string, args ...string) *process {
	t.Helper()
	p := &process{t: t, ready: filepath.Join(t.TempDir(), "ready")}
	p.cmd = exec.Command(sdktest.Binary(t), append(args, "--ready-file", p.ready)...)
	p.cmd.Env = env
	p.run()
	b, err := os.ReadFile(p.ready)
	if err == nil {
		err = json.Unmarshal(b, &p.place)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return p
}

// run runs p.cmd until it has announced itself.
func (p *process) run() {
	p.t.Helper()
	p.wants, p.ended = map[string]chan struct{}{}, make(chan error, 1)
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	stderr, err := p.cmd.StderrPipe()
	if err != nil {
		p.t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	var read sync.WaitGroup
	read.Go(func() { p.readLog(stderr) })
	announced := make(chan []string, 1)
	read.Go(func() { readAnnouncement(stdout, announced) })
	go func() {
		read.Wait()
		p.ended <- p.cmd.Wait()
	}()
	p.t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		<-p.ended
		if p.t.Failed() {
			p.t.Logf("the server's log:\n%s", strings.Join(p.lines(), "\n"))
		}
	})
	select {
	case p.out = <-announced:
	case <-time.After(limit):
	}
	if len(p.out) == 0 {
		p.t.Fatalf("the server has not said where it is:\n%s", strings.Join(p.lines(), "\n"))
	}
}

// readAnnouncement reads what a server prints, whose end is where its data lies.
func readAnnouncement(r io.Reader, announced chan<- []string) {
	var out []string
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		if out = append(out, lines.Text()); strings.HasPrefix(lines.Text(), "data:") {
			announced <- out
		}
	}
	announced <- nil
}

func (p *process) readLog(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		p.mu.Lock()
		p.log = append(p.log, lines.Text())
		for text, c := range p.wants {
			if strings.Contains(lines.Text(), text) {
				close(c)
				delete(p.wants, text)
			}
		}
		p.mu.Unlock()
	}
}

func (p *process) lines() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return append([]string(nil), p.log...)
}

// says is closed when there is a line with a text, now or later.
func (p *process) says(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{})
	if slices.ContainsFunc(p.log, func(line string) bool { return strings.Contains(line, text) }) {
		close(c)
	} else {
		p.wants[text] = c
	}
	return c
}

// logged is closed when a line with a text comes from now on.
func (p *process) logged(text string) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := make(chan struct{})
	p.wants[text] = c
	return c
}

// signal sends a signal, and waits for a line of the log if there is one to be.
func (p *process) signal(s syscall.Signal, line string) {
	p.t.Helper()
	var c <-chan struct{}
	if line != "" {
		c = p.logged(line)
	}
	if err := p.cmd.Process.Signal(s); err != nil {
		p.t.Fatal(err)
	}
	if c != nil {
		wait(p.t, c, "a line with "+line)
	}
}

func wait(t *testing.T, c <-chan struct{}, what string) {
	t.Helper()
	select {
	case <-c:
	case <-time.After(limit):
		t.Fatalf("there is not %s after %v", what, limit)
	}
}

// end waits until the server has ended, and returns its exit code.
func (p *process) end() int {
	p.t.Helper()
	select {
	case err := <-p.ended:
		p.ended <- err
	case <-time.After(limit):
		p.t.Fatalf("the server has not ended after %v", limit)
	}
	return p.cmd.ProcessState.ExitCode()
}

// command runs another command of the program to its end.
func command(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := exec.Command(sdktest.Binary(t), args...)
	var out, errs strings.Builder
	cmd.Stdout, cmd.Stderr = &out, &errs
	var failed *exec.ExitError
	if err := cmd.Run(); err != nil && !errors.As(err, &failed) {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// must runs a command that succeeds.
func must(t *testing.T, args ...string) string {
	t.Helper()
	out, errs, code := command(t, args...)
	if code != 0 {
		t.Fatalf("netherite %s ends with %d: %s", strings.Join(args, " "), code, errs)
	}
	return out
}

// ask makes an HTTP request.
func ask(t *testing.T, method, url, body string, header ...string) (code int, text string) {
	t.Helper()
	q, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(header); i += 2 {
		q.Header.Set(header[i], header[i+1])
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	b, err := io.ReadAll(a.Body)
	if err != nil {
		t.Fatal(err)
	}
	return a.StatusCode, string(b)
}
