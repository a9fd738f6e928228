package server

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"
)

// apiGrace is how long HTTP requests that are under way may go on when the server
// stops, before their contexts end, and messages of gRPC calls may be coming.
const apiGrace = time.Second

// rpcGrace is how long gRPC calls may go on when the time of Stop is over: streams are
// being told that they have ended, and results may just have come.
const rpcGrace = time.Second

// api is the HTTP API, which is not there yet before the hubs are, and no more
// once the server stops, while the probes at the same address answer all along.
type api struct {
	handler http.Handler
	drain   func()          // ends its streams
	ctx     context.Context // of all requests
	cancel  context.CancelFunc

	mu      sync.Mutex
	isOpen  bool
	closed  bool
	running int
	idle    chan struct{} // closed when it is closed and nothing runs
}

func (a *api) begin(h http.Handler, drain func()) {
	a.handler, a.drain, a.idle = h, drain, make(chan struct{})
	a.ctx, a.cancel = context.WithCancel(context.Background())
}

func (a *api) open() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.isOpen = true
}

func (a *api) enter() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.isOpen || a.closed {
		return false
	}
	a.running++
	return true
}

func (a *api) leave() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.running--; a.closed && a.running == 0 {
		close(a.idle)
	}
}

// close refuses what comes from now on; idle tells when nothing runs any more.
func (a *api) close() (idle <-chan struct{}) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if !a.closed && a.running == 0 {
		close(a.idle)
	}
	a.closed = true
	return a.idle
}

// ServeHTTP implements http.Handler.
func (a *api) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !a.enter() {
		w.Header().Set("Retry-After", "1")
		answerJSON(w, http.StatusServiceUnavailable, map[string]string{"error": "the server is starting or stopping"})
		return
	}
	defer a.leave()
	a.handler.ServeHTTP(w, r)
}

// Stop stops serving. From its beginning the probes say that the server is not ready,
// nobody connects to the gRPC door, no work is given out, requests of the HTTP API are
// refused, and calls that wait for something end. What workers have they may complete
// until none has anything or ctx ends, and work under way may make calls. Then
// connections end and the hubs are closed, so that the next start replays nothing: what
// was not completed is given out again then. The probes go last. A second call returns
// what the first did.
func (s *Server) Stop(ctx context.Context) error {
	s.stopOnce.Do(func() { s.stopErr = s.stop(ctx) })
	return s.stopErr
}

func (s *Server) stop(ctx context.Context) error {
	s.retrying.Lock()
	if s.stopping = true; s.retry != nil {
		s.retry()
	}
	s.retrying.Unlock()
	s.keyEnds.end()
	s.ready.Store(false)
	err := s.c.removeReady()
	if s.rpc != nil {
		s.drain(ctx)
		s.endDoors(ctx)
	}
	if s.hubs != nil {
		err = errors.Join(err, s.hubs.Close(ctx))
	}
	for _, h := range []*http.Server{s.http, s.admin} {
		if h != nil && h.Shutdown(ctx) != nil {
			err = errors.Join(err, h.Close())
		}
	}
	s.wg.Wait()
	if s.listening != nil {
		s.listening.close() // what was never served
	}
	err = errors.Join(err, release(s.lock))
	if s.telemetry != nil {
		s.telemetry.stop(ctx, s.clock, s.log)
	}
	return err
}

// drain waits until workers have completed what they have, or for ctx. The listeners
// are closed without a word to connections that are there: one that is told that the
// server stops makes no more calls, and results come by calls.
func (s *Server) drain(ctx context.Context) {
	s.listening.closeRPC()
	s.service.Drain()
	s.api.close()
	s.api.drain()
	s.hubs.Drain(ctx)
}

// endDoors ends the streams of workers and waits for what callers have under way.
func (s *Server) endDoors(ctx context.Context) {
	s.service.Close()
	stopGrace := s.clock.AfterFunc(apiGrace, func() {
		s.api.cancel()
		s.gate.Stop()
	})
	defer stopGrace()
	stopped := make(chan struct{})
	go func() {
		s.rpc.GracefulStop()
		close(stopped)
	}()
	select {
	case <-stopped:
	case <-ctx.Done():
		cut := s.clock.AfterFunc(rpcGrace, s.rpc.Stop)
		<-stopped
		cut()
	}
	select {
	case <-s.api.close():
	case <-ctx.Done():
	}
	s.api.cancel()
}
