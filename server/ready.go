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
	"slices"
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

// Place says where the server listens; Reached where it is dialed.
func (s *Server) Place() Place { return s.place }

// listen opens the doors' listeners.
func (s *Server) listen(secure *liveTLS) error {
	l, bound := &listeners{}, gate.NewConnections(s.c.Limits.Connections, s.clock, s.log)
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
	own := gate.NewConnections(gate.AdminConnections, s.clock, s.log) // what callers take, operators still have
	l.admin, s.place.Admin, err = s.listenHTTP("admin", s.c.Admin, secure, own)
	s.reached = s.place.dialed(secure.certificate())
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
	l = bound.ListenProbed(l, s.c.Limits.Patience)
	if secure != nil {
		l = tls.NewListener(l, secure.config("h2", "http/1.1"))
	}
	return l, at, nil
}

// closeRPC lets nobody connect to the gRPC door any more.
func (l *listeners) closeRPC() {
	for _, r := range l.rpc {
		_ = r.Close()
	}
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
	if errors.Is(err, syscall.EADDRINUSE) && slices.Contains(s.c.OtherPorts, key) {
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

// probes answers whether the server lives and is ready, before anything else. A ServeMux
// would redirect what has other paths than it likes, which the API says are not there.
func (s *Server) probes(next http.Handler) http.Handler {
	next = roomy(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gate.Spare(r.Context()) {
			w.Header().Set("Connection", "close") // another one may need its place
		}
		switch reads := r.Method == http.MethodGet || r.Method == http.MethodHead; {
		case reads && r.URL.Path == "/healthz":
			w.WriteHeader(http.StatusOK)
		case reads && r.URL.Path == "/readyz":
			s.answerReady(w)
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// roomy answers requests over connections that are for probes only.
func roomy(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if gate.Spare(r.Context()) {
			w.Header().Set("Retry-After", "1")
			answerJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "the server has as many connections as it may have (limits.connections), of all callers or from this address"})
			return
		}
		next.ServeHTTP(w, r)
	})
}

func (s *Server) answerReady(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	if !s.isReady() {
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = w.Write([]byte(`{"status":"not ready"}`)) // why is for the log and netherite hub list to say: anybody may ask here
		return
	}
	_, _ = w.Write([]byte(`{"status":"ready"}`))
}

// isReady reports whether the server is ready. Who hears so finds the file that says it,
// and who finds the file hears so.
func (s *Server) isReady() bool {
	s.retrying.Lock()
	defer s.retrying.Unlock()
	return s.ready.Load()
}

// writeReady writes the file that says that the server is ready and where, as a
// whole or not at all.
func (s *Server) writeReady() error {
	if s.c.ReadyFile == "" {
		return nil
	}
	b, err := json.Marshal(s.reached)
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
	case errors.Is(err, fs.ErrNotExist) && checkData(c.Data) == nil:
		err = nil // it can be made, once all else is well
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
