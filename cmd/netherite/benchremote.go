package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"sync"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
)

// With --remote the workload's clients are in this process, and what runs it in
// two more: a server and a worker. Each answers questions on its standard input
// with a line of JSON, and ends with this one.

// Parts of a run that are processes of their own.
const (
	partServer = "server"
	partWorker = "worker"
)

// benchHub is the task hub of the server.
const benchHub = "default"

// idleTime is how long a server is left alone before it is asked what it has
// resident.
const idleTime = time.Second

// place is what the server says first.
type place struct{ GRPC string }

// runPart is the life of such a process.
func (f *benchFlags) runPart(cfg bench.Config, out io.Writer, in io.Reader) error {
	signal.Ignore(endings...)
	tuneFor(int64(cfg.Memory) << 20)
	log := slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelWarn}))
	if f.part == partWorker {
		asOthers()
		code, err := bench.Handlers(cfg)
		if err != nil {
			return err
		}
		if _, err := remote.Dial(f.address, netherite.Serve(code...), netherite.Logger(log), remote.Standard()); err != nil {
			return err
		}
		return answer(out, in, place{f.address}, func(question) (bench.Figures, error) { return bench.OwnFigures(), nil })
	}
	s, err := server.Start(server.Config{
		Data: cfg.Dir, GRPC: []string{"127.0.0.1:0"}, HTTP: "127.0.0.1:0", Hub: benchHub, OnDemand: true, Partitions: cfg.Partitions, Memory: int64(cfg.Memory) << 20,
	}, log)
	if err != nil {
		return err
	}
	hub, err := s.Opened(benchHub)
	if err != nil {
		return err
	}
	go releaseStartup() // as a server does once it is ready
	return answer(out, in, place{s.Place().GRPC[0]}, func(q question) (bench.Figures, error) {
		if q.Checkpoint {
			if err := hub.Checkpoint(context.Background()); err != nil {
				return bench.Figures{}, err
			}
		}
		figures := bench.OwnFigures()
		figures.Stats = hub.Stats()
		return figures, nil
	})
}

// asOthers gives this process as many of Go's processors as any program has: it
// has no log to sync.
func asOthers() {
	if os.Getenv("GOMAXPROCS") == "" {
		runtime.GOMAXPROCS(runtime.NumCPU())
	}
}

// answer says that the process is ready, and then answers questions until it is
// killed or its parent has gone away.
func answer(out io.Writer, in io.Reader, p place, ask func(question) (bench.Figures, error)) error {
	lines := json.NewEncoder(out)
	if err := lines.Encode(p); err != nil {
		return err
	}
	stop := func() error { return nil }
	for questions := json.NewDecoder(in); ; {
		var q question
		if questions.Decode(&q) != nil {
			break
		}
		var err error
		if q.End {
			err = stop()
		}
		if q.Profile != "" {
			stop, err = bench.StartProfile(q.Profile, q.File)
		}
		if err != nil {
			return err
		}
		figures, err := ask(q)
		if err != nil {
			return err
		}
		if err := lines.Encode(figures); err != nil {
			return err
		}
	}
	os.Exit(exitFailed) // as a power failure would end it
	return nil
}

// question is a line that such a process is asked.
type question struct {
	Checkpoint bool   // make one before you answer
	Profile    string // begin to record this kind, until the next question with End
	File       string // where
	End        bool
}

// part is such a process, as its parent sees it.
type part struct {
	cmd *exec.Cmd
	in  io.WriteCloser
	mu  sync.Mutex
	out *json.Decoder
}

// startPart starts one and waits until it is ready.
func startPart(ctx context.Context, cfg *bench.Config, what, address string) (*part, place, error) {
	var at place
	self, err := os.Executable()
	if err != nil {
		return nil, at, fmt.Errorf("find this program: %w", err)
	}
	cmd := exec.CommandContext(ctx, self, "bench", cfg.Workload, "--part="+what, "--address="+address,
		fmt.Sprint("--clients=", cfg.Clients), fmt.Sprint("--partitions=", cfg.Partitions), fmt.Sprint("--memory=", cfg.Memory), "--dir="+cfg.Dir,
		fmt.Sprint("--preload=", cfg.Preload))
	cmd.Stderr = os.Stderr
	p := &part{cmd: cmd}
	if p.in, err = cmd.StdinPipe(); err != nil {
		return nil, at, fmt.Errorf("start the %s: %w", what, err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		return nil, at, fmt.Errorf("start the %s: %w", what, err)
	}
	p.out = json.NewDecoder(stdout)
	if err := cmd.Start(); err != nil {
		return nil, at, fmt.Errorf("start the %s: %w", what, err)
	}
	if err := p.out.Decode(&at); err != nil {
		return nil, at, errors.Join(fmt.Errorf("the %s ended before it was ready: %w", what, err), p.kill())
	}
	return p, at, nil
}

// ask asks the process.
func (p *part) ask(q question) (f bench.Figures, err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := json.NewEncoder(p.in).Encode(q); err != nil {
		return f, fmt.Errorf("ask a process of the run: %w", err)
	}
	if err := p.out.Decode(&f); err != nil {
		return f, fmt.Errorf("the answer of a process of the run: %w", err)
	}
	return f, nil
}

// kill ends the process with SIGKILL.
func (p *part) kill() error {
	_ = p.cmd.Process.Kill() // it may have ended by itself
	_ = p.cmd.Wait()         // killed, it says
	return nil
}

// connect starts a server and a worker, and connects to them.
func connect(ctx context.Context, cfg *bench.Config) (*bench.Served, error) {
	asOthers()
	began := time.Now()
	s, at, err := startPart(ctx, cfg, partServer, "")
	if err != nil {
		return nil, err
	}
	hub, err := remote.Dial(at.GRPC)
	ready := time.Since(began)
	if err != nil {
		return nil, errors.Join(err, s.kill())
	}
	served := &bench.Served{
		Hub: hub, Ready: ready,
		Server: func(context.Context) (bench.Figures, error) { return s.ask(question{}) },
		Save:   func(context.Context) error { _, err := s.ask(question{Checkpoint: true}); return err },
	}
	served.Kill = sync.OnceValue(func() error { return errors.Join(s.kill(), hub.Close(context.Background())) })
	<-time.After(idleTime)
	figures, err := s.ask(question{})
	if err != nil {
		return nil, errors.Join(err, served.Kill())
	}
	served.Idle = figures.RSS
	w, _, err := startPart(ctx, cfg, partWorker, at.GRPC)
	if err != nil {
		return nil, errors.Join(err, served.Kill())
	}
	served.Worker = func(context.Context) (bench.Figures, error) { return w.ask(question{}) }
	served.Kill = sync.OnceValue(func() error { return errors.Join(w.kill(), s.kill(), hub.Close(context.Background())) })
	served.Profile = func(kind, file string) (func() error, error) { return profileParts(kind, file, s, w) }
	return served, nil
}

// profileParts records profiles of this process, the server and the worker.
func profileParts(kind, file string, s, w *part) (func() error, error) {
	stop, err := bench.StartProfile(kind, file)
	if err != nil {
		return nil, err
	}
	for name, p := range map[string]*part{partServer: s, partWorker: w} {
		if _, err := p.ask(question{Profile: kind, File: file + "." + name}); err != nil {
			return nil, errors.Join(err, stop())
		}
	}
	return func() error {
		_, atServer := s.ask(question{End: true})
		_, atWorker := w.ask(question{End: true})
		return errors.Join(stop(), atServer, atWorker)
	}, nil
}

// remoteHome is where the server has the hub, in its data directory.
var remoteHome = filepath.Join("hubs", benchHub)
