package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// Server serves task hubs.
type Server struct {
	c         Config
	clock     substrate.Clock
	log       *slog.Logger
	sources   []source // what can be read again
	keyEnds   *keyEnds
	telemetry *telemetry
	figures   *figures
	hubs      *Hubs
	service   *durabletask.Service
	gate      *gate.Gate
	rpc       *grpc.Server
	http      *http.Server
	admin     *http.Server // nil: there is none
	api       api
	listening *listeners
	lock      *dirlock.Lock // of the data directory; nil in memory
	ready     atomic.Bool
	retrying  sync.Mutex
	stopping  bool   // no more retries
	retry     func() // stops the next one; may be nil
	wg        sync.WaitGroup
	failed    chan error
	place     Place // of the listeners
	reached   Place
	stopOnce  sync.Once
	stopErr   error
}

// Start opens the hubs and begins to serve. When it returns all is ready, unless a
// hub could not be opened: the others are served then. Before, the probes answer
// already, that it is not.
//
// The first thing that it does is to remove the ready file, unless another server
// has the data directory open, whose it may be: so what a server has left behind
// that was killed is believed by nobody, also if this start is refused. An error
// about the configuration is a *ConfigError.
func Start(c Config, log *slog.Logger) (s *Server, err error) {
	auth, secure, err := c.access()
	lock, held := c.takeOver()
	if err = cmp.Or(err, held); err != nil {
		return nil, errors.Join(err, release(lock))
	}
	c.Limits.defaults()
	c.warn(log)
	s = &Server{c: c, clock: sysclock.New(), log: log, lock: lock, sources: c.sources(auth, secure), failed: make(chan error, 8)}
	s.keyEnds = &keyEnds{clock: s.clock, log: log, keys: c.keysOf(auth)}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop(context.Background()))
		}
	}()
	logSDK(log)
	if s.telemetry, err = newTelemetry(c.Version); err != nil {
		return s, err
	}
	s.hubs = newHubs(&s.c, s.telemetry, log)
	if s.figures, err = newFigures(s.telemetry.meters, c.Version, s.hubs.count); err != nil {
		return s, err
	}
	if err := s.listen(secure); err != nil {
		return s, err
	}
	if s.lock == nil { // it was not there
		if s.lock, err = LockData(c.Data, true); err != nil {
			return s, err
		}
	}
	if err := s.lock.Unsigned(); err != nil {
		log.Warn("who finds the data directory held cannot be told by whom: the disk is full", "data", c.Data, "error", err)
	}
	s.hubs.reached = s.gRPC()
	if err := s.prepare(auth, secure); err != nil {
		return s, err
	}
	s.serveHTTP(s.listening)
	if err := s.hubs.openAll(context.Background()); err != nil {
		return s, err
	}
	s.serveRPC(s.listening)
	s.keyEnds.begin()
	return s, s.becomeReady()
}

// reopenEvery is how often hubs that could not be opened are tried again: somebody
// may have repaired them, or closed them elsewhere.
const reopenEvery = 5 * time.Second

// becomeReady says that the server is ready if all of its hubs are open, or looks
// again later. To open one may take as long as a disk does, and Stop does not wait for it.
func (s *Server) becomeReady() error {
	s.hubs.retryBroken(context.Background())
	s.retrying.Lock()
	defer s.retrying.Unlock()
	switch {
	case s.stopping:
		return nil
	case len(s.hubs.Broken()) > 0:
		s.tryLater()
		return nil
	case s.ready.Swap(true):
		return nil
	}
	return s.writeReady()
}

// tryLater has the broken hubs tried again, unless that is about to be done. s.retrying
// is held.
func (s *Server) tryLater() {
	if s.retry == nil && !s.stopping {
		s.retry = s.clock.AfterFunc(reopenEvery, s.tryAgain)
	}
}

// lost has a hub tried again that could neither be deleted nor opened again. The others
// are served, so the server stays ready.
func (s *Server) lost() {
	s.retrying.Lock()
	defer s.retrying.Unlock()
	s.tryLater()
}

func (s *Server) tryAgain() {
	s.retrying.Lock()
	s.retry = nil
	s.retrying.Unlock()
	if err := s.becomeReady(); err != nil {
		s.log.Error("the server is ready, and cannot say so", "error", err)
	}
}

// prepare makes what answers at the listeners.
func (s *Server) prepare(auth []gate.Authenticator, secure *liveTLS) error {
	g, err := s.c.gate(auth, s.log)
	if err != nil {
		return err
	}
	s.gate, s.hubs.made, s.hubs.lost = g, g.Made, s.lost
	counted := []grpc.ServerOption{grpc.ChainUnaryInterceptor(s.figures.unary), grpc.ChainStreamInterceptor(s.figures.stream)}
	opts := slices.Concat(durabletask.ServerOptions(), counted, g.ServerOptions(), s.c.rpcLimits())
	if secure != nil {
		opts = append(opts, grpc.Creds(credentials.NewTLS(secure.config("h2"))))
	}
	s.rpc = grpc.NewServer(opts...)
	s.service = durabletask.New(durabletask.Options{
		Hubs: s.hubs, Clock: s.clock, Tracer: s.telemetry.tracer(), Version: s.c.Version, NoCalls: s.c.noCalls(),
	})
	wire.RegisterTaskHubSidecarServiceServer(g.Registrar(s.rpc), s.service)
	registerHubList(g.Registrar(s.rpc), s.hubs)
	doors := httpapi.New(s.hubOf(false), httpapi.Options{Demand: s.hubOf(true), Admit: admit(g), AnyPage: true})
	s.api.begin(g.HTTP(doors), doors.Drain)
	s.http = s.c.httpServer(s.probes(s.figures.http(&s.api)), s.log)
	s.http.BaseContext = func(net.Listener) context.Context { return s.api.ctx }
	if s.c.Admin != "" {
		s.admin = s.c.httpServer(s.adminHandler(g), s.log)
	}
	return nil
}

// hubOf finds the hub that a request of the HTTP API names.
func (s *Server) hubOf(demand bool) httpapi.Hubs {
	return func(ctx context.Context, name string) (httpapi.Hub, error) {
		if err := checkName(name); name != "" && err != nil {
			return nil, &httpapi.Refusal{Code: http.StatusBadRequest, Text: err.Error()}
		}
		hub, err := s.hubs.find(ctx, name, demand)
		if err != nil {
			return nil, err
		}
		return hub, nil
	}
}

// listeners are those of the doors, open.
type listeners struct {
	rpc         []net.Listener
	http, admin net.Listener // each nil if there is none
}

func (s *Server) run(what string, f func() error) {
	s.wg.Go(func() {
		err := f()
		switch {
		case err == nil, errors.Is(err, http.ErrServerClosed), errors.Is(err, grpc.ErrServerStopped):
		case errors.Is(err, net.ErrClosed) && !s.ready.Load(): // by Stop
		default:
			s.failed <- fmt.Errorf("serve %s: %w", what, err)
		}
	})
}

func (s *Server) serveHTTP(l *listeners) {
	if l.http != nil {
		s.run("HTTP at "+l.http.Addr().String(), func() error { return s.http.Serve(l.http) })
	}
	if l.admin != nil {
		s.run("figures at "+l.admin.Addr().String(), func() error { return s.admin.Serve(l.admin) })
	}
}

func (s *Server) serveRPC(l *listeners) {
	s.api.open()
	for _, r := range l.rpc {
		s.run("gRPC at "+r.Addr().String(), func() error { return s.rpc.Serve(r) })
	}
}

// Failed tells of a door that has stopped serving by itself.
func (s *Server) Failed() <-chan error { return s.failed }
