package server

import (
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// Place says where a server can be reached.
type Place struct {
	GRPC  []string `json:"grpc"`
	HTTP  string   `json:"http"`
	Admin string   `json:"admin"`
	Data  string   `json:"data"`
	PID   int      `json:"pid"`
}

// Place says where the server can be reached.
func (s *Server) Place() Place { return s.place }

// listen opens the doors' listeners.
func (s *Server) listen(secure *liveTLS) error {
	l, bound := &listeners{}, gate.NewConnections(s.c.Limits.Connections, s.clock)
	s.listening = l
	s.place = Place{PID: os.Getpid(), Data: s.c.Data, GRPC: []string{}}
	if s.c.Data != "" {
		if abs, err := filepath.Abs(s.c.Data); err == nil {
			s.place.Data = abs
		}
	}
	for _, address := range s.c.GRPC {
		r, err := s.listenAt("grpc", address)
		if err != nil {
			return err
		}
		l.rpc = append(l.rpc, bound.Listen(r, 0)) // its own keepalive notices who does not read
		s.place.GRPC = append(s.place.GRPC, r.Addr().String())
	}
	var err error
	if l.http, s.place.HTTP, err = s.listenHTTP("http", s.c.HTTP, secure, bound); err != nil {
		return err
	}
	l.admin, s.place.Admin, err = s.listenHTTP("admin", s.c.Admin, secure, bound)
	return err
}

// listenHTTP listens for HTTP at an address, if there is one.
func (s *Server) listenHTTP(key, address string, secure *liveTLS, bound *gate.Connections) (net.Listener, string, error) {
	if address == "" {
		return nil, "", nil
	}
	l, err := s.listenAt(key, address)
	if err != nil {
		return nil, "", err
	}
	at := l.Addr().String()
	l = bound.Listen(l, s.c.Limits.Patience)
	if secure != nil {
		l = tls.NewListener(l, secure.config("h2", "http/1.1"))
	}
	return l, at, nil
}

// close closes listeners, which may have been closed already.
func (l *listeners) close() {
	for _, r := range append(l.rpc, l.http, l.admin) {
		if r != nil {
			_ = r.Close()
		}
	}
}

// listenAt listens at an address, or if its port is taken and that is allowed at
// another one.
func (s *Server) listenAt(key, address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if errors.Is(err, syscall.EADDRINUSE) && s.c.OtherPorts {
		host, port, _ := net.SplitHostPort(address)
		if l, err = net.Listen("tcp", net.JoinHostPort(host, "0")); err == nil {
			s.log.Warn("the port is taken, another one is used", "port", port, "address", l.Addr().String())
		}
	}
	if err != nil {
		return nil, fmt.Errorf("setting %s: %w", key, err)
	}
	if err := s.c.checkAddress(l.Addr().String()); err != nil { // a name may have led elsewhere
		return nil, errors.Join(err, l.Close())
	}
	return l, nil
}

// probes answers whether the server lives and is ready, before anything else.
func (s *Server) probes(next http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if !s.ready.Load() {
			w.WriteHeader(http.StatusServiceUnavailable)
			_, _ = w.Write([]byte(`{"status":"not ready"}`))
			return
		}
		_, _ = w.Write([]byte(`{"status":"ready"}`))
	})
	mux.Handle("/", next)
	return mux
}

// writeReady writes the file that says that the server is ready and where, as a
// whole or not at all.
func (s *Server) writeReady() error {
	if s.c.ReadyFile == "" {
		return nil
	}
	b, err := json.Marshal(s.place)
	if err != nil {
		return err
	}
	temp := s.c.ReadyFile + ".tmp"
	if err := os.WriteFile(temp, append(b, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the ready file (ready-file): %w", err)
	}
	if err := os.Rename(temp, s.c.ReadyFile); err != nil {
		return fmt.Errorf("write the ready file: %w", err)
	}
	return nil
}

// removeReady removes the ready file, if there is one.
func (c *Config) removeReady() error {
	if c.ReadyFile == "" {
		return nil
	}
	if err := os.Remove(c.ReadyFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove the ready file: %w", err)
	}
	return nil
}

// takeOver takes the lock of the data directory, if that is there, and removes the
// ready file. If another server has the directory open the file stays: that one may
// be ready.
func (c *Config) takeOver() (*dirlock.Lock, error) {
	lock, err := LockData(c.Data, false)
	switch {
	case errors.Is(err, dirlock.ErrHeld):
		return nil, err
	case errors.Is(err, fs.ErrNotExist):
		err = nil // it is made once all else is well
	}
	return lock, errors.Join(err, c.removeReady())
}

// release gives a lock back; nil is none.
func release(l *dirlock.Lock) error {
	if l == nil {
		return nil
	}
	return l.Close()
}
