package owner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// version is that of the protocol; it changes with any of its types.
const version = "/v1/"

// pingName is the call that asks for nothing but an answer.
const pingName = "Ping"

// maxRequest bounds a request body: a payload of the greatest size, encoded.
const maxRequest = 64 << 20

// oversized refuses a request beyond a limit.
func oversized(limit int) error {
	return fmt.Errorf("%w: a request has at most %d bytes", engine.ErrTooLarge, limit)
}

// ErrNoAnswer says that the hub did not answer a call: its process has ended, or
// closed the hub meanwhile. What the call asked for may have happened.
var ErrNoAnswer = errors.New("the hub did not answer")

// Server answers on the owner's socket.
type Server struct {
	http  *http.Server
	done  chan struct{}
	calls calls
	limit int // of a request, in bytes
}

// calls counts the calls under way, so that Close can wait for them.
type calls struct {
	mu     sync.Mutex
	closed bool
	wg     sync.WaitGroup
}

// begin reports whether a call may begin; end follows if it does.
func (c *calls) begin() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.wg.Add(1)
	}
	return !c.closed
}

func (c *calls) end() { c.wg.Done() }

// close refuses further calls and waits for those under way.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.wg.Wait()
}

// Serve answers calls on l with c and m until Close.
func Serve(l net.Listener, c engine.Client, m Manager) *Server { return serve(l, c, m, maxRequest) }

func serve(l net.Listener, c engine.Client, m Manager, limit int) *Server {
	s := &Server{done: make(chan struct{}), limit: limit}
	s.http = &http.Server{
		Handler: s.handler(c, m), ReadHeaderTimeout: 10 * time.Second,
		// A caller that breaks the protocol is its own problem, not the host's log's.
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelDebug),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always ErrServerClosed: the listener is closed by Close alone
	}()
	return s
}

// Close breaks off all calls, whose callers get ErrNoAnswer, and removes the
// socket. When it returns, no call is under way any more.
func (s *Server) Close() error {
	err := s.http.Close() // ends the contexts of the calls
	<-s.done
	s.calls.close()
	return err
}

func (s *Server) handler(c engine.Client, m Manager) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !s.calls.begin() {
			return
		}
		defer s.calls.end()
		if r.URL.Path == version+pingName {
			writeJSON(w, map[string]any{"result": nil})
			return
		}
		if r.URL.Path == version+watchName {
			s.watched(c, w, r)
			return
		}
		result, err := s.answer(c, m, r)
		var partial *engine.PartialError
		if errors.As(err, &partial) {
			writeJSON(w, map[string]any{"result": result, "error": encodeError(err)})
			return
		}
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			writeJSON(w, map[string]any{"error": encodeError(err)})
			return
		}
		writeJSON(w, map[string]any{"result": result})
	})
}

func (s *Server) answer(c engine.Client, m Manager, r *http.Request) (any, error) {
	name, ok := strings.CutPrefix(r.URL.Path, version)
	run, manage := methods[name], managed[name]
	if !ok || run == nil && manage == nil {
		return nil, fmt.Errorf("%w: this hub's program does not know the call %q: use the same version", engine.ErrInvalid, r.URL.Path)
	}
	raw, err := s.body(r)
	if err != nil {
		return nil, err
	}
	if manage != nil && m == nil {
		return nil, fmt.Errorf("%w: this hub cannot be asked for %s", engine.ErrInvalid, name)
	}
	if manage != nil {
		return manage(r.Context(), m, raw)
	}
	return run(r.Context(), c, raw)
}

// body reads a request.
func (s *Server) body(r *http.Request) ([]byte, error) {
	raw, err := io.ReadAll(io.LimitReader(r.Body, int64(s.limit)+1))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if len(raw) > s.limit {
		return nil, oversized(s.limit)
	}
	return raw, nil
}

// watched answers a Watch.
func (s *Server) watched(c engine.Client, w http.ResponseWriter, r *http.Request) {
	raw, err := s.body(r)
	if err == nil {
		err = tell(w, r, c, raw)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		writeJSON(w, news{Error: encodeError(err)})
	}
}

// writeJSON writes an answer; a caller that has gone away does not read it.
func writeJSON(w io.Writer, v any) { _ = json.NewEncoder(w).Encode(v) }

// Dial reaches the hub that has a data directory open. The error is
// os.ErrNotExist if none has, or none any more.
func Dial(dir string) (*Client, error) {
	path := address(dir)
	probe, err := net.DialTimeout("unix", path, 5*time.Second)
	if err != nil {
		return nil, fmt.Errorf("no hub answers in %s: %w", dir, errors.Join(err, os.ErrNotExist))
	}
	_ = probe.Close() // it only showed that somebody listens
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", path)
	}}
	hc := &http.Client{Transport: transport}
	return &Client{
		done: transport.CloseIdleConnections,
		post: func(ctx context.Context, method string, args, result any) error {
			return post(ctx, hc, method, args, result)
		},
		watch: func(o engine.WatchOptions) (engine.Watch, error) { return newWatch(hc, o) },
	}, nil
}

// Ping waits until the hub's process answers, within ctx: one that is stopped has a
// socket all the same. The error is an ErrNoAnswer.
func (c *Client) Ping(ctx context.Context) error {
	err := c.post(ctx, pingName, nil, nil)
	if err != nil && !errors.Is(err, engine.ErrInvalid) { // an earlier version does not know the call, and answers so
		return fmt.Errorf("%w: %w", ErrNoAnswer, err)
	}
	return nil
}

// post makes one call.
func post(ctx context.Context, hc *http.Client, method string, args, result any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("encode the arguments of %s: %w", method, err)
	}
	if len(body) > maxRequest {
		return fmt.Errorf("call %s: %w", method, oversized(maxRequest))
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://owner"+version+method, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return noAnswer(ctx, method, err)
	}
	defer resp.Body.Close()
	var out struct {
		Result json.RawMessage `json:"result"`
		Error  *wireError      `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return noAnswer(ctx, method, err)
	}
	if out.Error != nil {
		err = decodeError(out.Error)
	}
	var partial *engine.PartialError
	if result == nil || err != nil && !errors.As(err, &partial) {
		return err
	}
	if bad := json.Unmarshal(out.Result, result); bad != nil {
		return fmt.Errorf("call %s: result: %w", method, bad)
	}
	return err
}

// noAnswer describes why a call has no answer: the caller gave up, or the hub is
// gone.
func noAnswer(ctx context.Context, method string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("call %s: %w", method, ctx.Err())
	}
	return fmt.Errorf("call %s: %w: %w", method, ErrNoAnswer, err)
}
