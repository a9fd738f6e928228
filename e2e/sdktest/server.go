package sdktest

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// startTime is how long a server may take to be ready, on a machine that does
// much else.
const startTime = 60 * time.Second

var built struct {
	once sync.Once
	path string
	err  error
}

// Binary builds the netherite command once for all tests of the process, and
// returns its file.
func Binary(t testing.TB) string {
	t.Helper()
	built.once.Do(func() {
		dir, err := os.MkdirTemp("", "netherite-e2e-")
		if err != nil {
			built.err = err
			return
		}
		built.path = filepath.Join(dir, "netherite")
		out, err := exec.Command("go", "build", "-o", built.path, "github.com/netherite-go/netherite/cmd/netherite").CombinedOutput()
		if err != nil {
			built.err = fmt.Errorf("build the command: %w\n%s", err, out)
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.path
}

// Main runs the tests, removes what Binary has built, compares what was given to
// Record with the files of results, if one is named, and holds that no goroutine is
// left.
func Main(m *testing.M, results ...string) {
	code := m.Run()
	if code == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	for _, file := range results {
		if err := compare(file, sorted(recorded.results), whole()); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = max(code, 1)
		}
	}
	if built.path != "" {
		_ = os.RemoveAll(filepath.Dir(built.path))
	}
	os.Exit(code)
}

// Server is a process of "netherite dev".
type Server struct {
	GRPC string // HOST:PORT, the same after Restart
	HTTP string // HOST:PORT, the same after Restart
	Data string

	args  []string
	dir   string // where it runs; empty: where the test does
	ready string
	cmd   *exec.Cmd
	log   *os.File
	ended chan error
}

// Start starts a server with a data directory of its own, on free ports, with more
// arguments if need be. It is killed when the test ends.
func Start(t testing.TB, more ...string) *Server {
	t.Helper()
	dir := t.TempDir()
	s := &Server{GRPC: freePort(t), HTTP: freePort(t), Data: filepath.Join(dir, "data"), ready: filepath.Join(dir, "ready")}
	s.args = append([]string{"dev", "--data", s.Data, "--grpc", s.GRPC, "--http", s.HTTP, "--ready-file", s.ready}, more...)
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	s.runUntilTheEnd(t, log)
	return s
}

// runUntilTheEnd starts a server, and kills it when the test ends.
func (s *Server) runUntilTheEnd(t testing.TB, log *os.File) {
	t.Helper()
	s.log = log
	t.Cleanup(func() {
		s.Kill(t)
		_ = log.Close()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the server's log:\n%s", text[max(0, len(text)-8000):])
		}
	})
	s.Restart(t)
}

// Kill ends the server with SIGKILL, as a power failure would.
func (s *Server) Kill(t testing.TB) {
	t.Helper()
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.ended
	s.cmd = nil
}

// Restart starts the server again after Kill, on the same ports and data, and
// waits until it is ready.
func (s *Server) Restart(t testing.TB) {
	t.Helper()
	s.cmd = exec.Command(Binary(t), s.args...)
	s.cmd.Dir = s.dir
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	if err := s.cmd.Start(); err != nil {
		s.cmd = nil
		t.Fatal(err)
	}
	s.ended = make(chan error, 1)
	go func(cmd *exec.Cmd, ended chan error) { ended <- cmd.Wait() }(s.cmd, s.ended)
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	limit := time.After(startTime)
	for {
		select {
		case err := <-s.ended:
			s.ended <- err
			t.Fatalf("the server ended: %v", err)
		case <-limit:
			t.Fatalf("the server is not ready after %v; what it was doing:\n%s", startTime, s.stacks())
		case <-tick.C:
			b, err := os.ReadFile(s.ready)
			if err != nil {
				continue
			}
			var place struct {
				GRPC []string `json:"grpc"`
				HTTP string   `json:"http"`
				PID  int      `json:"pid"`
			}
			if err := json.Unmarshal(b, &place); err != nil {
				t.Fatalf("the ready file: %v", err)
			}
			if place.PID != s.cmd.Process.Pid {
				continue // left behind by the process that was killed
			}
			if place.GRPC[0] != s.GRPC || place.HTTP != s.HTTP {
				t.Fatalf("the server is at %s and %s, want %s and %s", place.GRPC[0], place.HTTP, s.GRPC, s.HTTP)
			}
			return
		}
	}
}

// stacks ends a server that hangs, and returns what its goroutines were doing.
func (s *Server) stacks() []byte {
	before, _ := os.Stat(s.log.Name())
	if err := s.cmd.Process.Signal(syscall.SIGQUIT); err != nil {
		_ = s.cmd.Process.Kill()
	}
	<-s.ended
	s.cmd = nil
	text, _ := os.ReadFile(s.log.Name())
	return text[min(int(before.Size()), len(text)):]
}
