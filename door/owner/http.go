package owner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
)

// version is that of the protocol; it changes with any of its types.
const version = "/v1/"

// maxRequest bounds a request body: a payload of the greatest size, encoded.
const maxRequest = 64 << 20

// Server answers on the owner's socket.
type Server struct {
	http *http.Server
	done chan struct{}
}

// Serve answers calls on l with c until Close.
func Serve(l net.Listener, c engine.Client) *Server {
	s := &Server{
		http: &http.Server{Handler: handler(c), ReadHeaderTimeout: 10 * time.Second},
		done: make(chan struct{}),
	}
	go func() {
		defer close(s.done)
		_ = s.http.Serve(l) // always ErrServerClosed: the listener is closed by Close alone
	}()
	return s
}

// Close ends all calls and removes the socket.
func (s *Server) Close() error {
	err := s.http.Close()
	<-s.done
	return err
}

func handler(c engine.Client) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		result, err := answer(c, r)
		if err != nil {
			w.WriteHeader(http.StatusBadRequest)
			writeJSON(w, map[string]any{"error": encodeError(err)})
			return
		}
		writeJSON(w, map[string]any{"result": result})
	})
}

func answer(c engine.Client, r *http.Request) (any, error) {
	name, ok := strings.CutPrefix(r.URL.Path, version)
	run := methods[name]
	if !ok || run == nil {
		return nil, fmt.Errorf("%w: this hub's program does not know the call %q: use the same version", engine.ErrInvalid, r.URL.Path)
	}
	raw, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	if err != nil {
		return nil, fmt.Errorf("read the request: %w", err)
	}
	if len(raw) > maxRequest {
		return nil, fmt.Errorf("%w: a request has at most %d bytes", engine.ErrTooLarge, maxRequest)
	}
	return run(r.Context(), c, raw)
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
	}, nil
}

// post makes one call.
func post(ctx context.Context, hc *http.Client, method string, args, result any) error {
	body, err := json.Marshal(args)
	if err != nil {
		return fmt.Errorf("encode the arguments of %s: %w", method, err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://owner"+version+method, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	resp, err := hc.Do(req)
	if err != nil {
		return fmt.Errorf("call %s: %w", method, err)
	}
	defer resp.Body.Close()
	var out struct {
		Result json.RawMessage `json:"result"`
		Error  *wireError      `json:"error"`
	}
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		return fmt.Errorf("call %s: answer: %w", method, err)
	}
	if out.Error != nil {
		return decodeError(out.Error)
	}
	if result == nil {
		return nil
	}
	if err := json.Unmarshal(out.Result, result); err != nil {
		return fmt.Errorf("call %s: result: %w", method, err)
	}
	return nil
}
