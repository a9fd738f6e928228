package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

// preface is what a client of HTTP/2 begins with: empty settings follow.
const preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00"

// stranger connects and says something that is no call. It returns when the server has
// taken notice, by its first byte, if it answers to that.
func stranger(t *testing.T, address, says string, answered bool) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, says); err != nil {
		t.Fatal(err)
	}
	if answered {
		if _, err := conn.Read(make([]byte, 1)); err != nil {
			t.Fatal(err)
		}
	}
	return conn
}

// anew asks over a connection of its own.
func anew(t *testing.T, address, path, token string) *http.Response {
	t.Helper()
	tr := &http.Transport{}
	defer tr.CloseIdleConnections()
	q, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+address+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("Authorization", token)
	a, err := (&http.Client{Transport: tr}).Do(q)
	if err != nil {
		t.Errorf("%s: %v", path, err)
		return &http.Response{}
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	return a
}

// once lets a client connect one time only.
func once() grpc.DialOption {
	var dialed atomic.Bool
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		if dialed.Swap(true) {
			return nil, fmt.Errorf("the connection has ended")
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	})
}

func TestStrangersWhoTakeAllConnectionsKeepNobodyOut(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"*": gate.Admin})
	s := start(t, func(c *Config) { c.Keys, c.Limits.Connections, c.Admin = []gate.Key{entry}, 10, "127.0.0.1:0" })
	before := s.dial(t, nil, once())
	if err := over(t, before, token); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		stranger(t, s.Place().GRPC[0], preface, true)
		stranger(t, s.Place().HTTP, "GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", true)
	}
	for range 10 {
		stranger(t, s.Place().GRPC[0], preface, true)
	}
	for path, address := range map[string]string{"/readyz": s.Place().HTTP, "/healthz": s.Place().HTTP, httpapi.Base + "/instances": s.Place().HTTP, "/metrics": s.Place().Admin} {
		if a := anew(t, address, path, token); a.StatusCode != http.StatusOK {
			t.Errorf("%s: %s", path, a.Status)
		}
	}
	if err := s.hello(t, nil, token); err != nil {
		t.Errorf("a caller who connects: %v", err)
	}
	if err := over(t, before, token); err != nil {
		t.Errorf("a caller who was there before: %v", err)
	}
}

func TestProbesAndOperatorsHaveRoomWhenCallersHaveAllConnections(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"*": gate.Admin})
	s := start(t, func(c *Config) { c.Keys, c.Limits.Connections, c.Admin = []gate.Key{entry}, 2, "127.0.0.1:0" })
	first, second := s.dial(t, nil, once()), s.dial(t, nil, once())
	for _, conn := range []*grpc.ClientConn{first, second} {
		if err := over(t, conn, token); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := stranger(t, s.Place().GRPC[0], "", false).Read(make([]byte, 1)); err == nil {
		t.Error("gRPC takes one connection too many")
	}
	for path, address := range map[string]string{"/readyz": s.Place().HTTP, "/healthz": s.Place().HTTP} {
		if a := anew(t, address, path, ""); a.StatusCode != http.StatusOK || !a.Close {
			t.Errorf("%s: %s, ends: %v", path, a.Status, a.Close)
		}
	}
	if a := anew(t, s.Place().HTTP, httpapi.Base+"/instances", token); a.StatusCode != http.StatusServiceUnavailable || !a.Close || a.Header.Get("Retry-After") == "" {
		t.Errorf("a caller for whom there is no room: %s %v", a.Status, a.Header)
	}
	for _, path := range []string{"/readyz", "/metrics"} {
		if a := anew(t, s.Place().Admin, path, token); a.StatusCode != http.StatusOK {
			t.Errorf("%s at the admin listener: %s", path, a.Status)
		}
	}
	for _, conn := range []*grpc.ClientConn{first, second} {
		if err := over(t, conn, token); err != nil {
			t.Errorf("who had a place: %v", err)
		}
	}
}

func TestCallersOverTLSKeepTheirConnections(t *testing.T) {
	s, ca := secured(t, func(c *Config, _ *authority) { c.Limits.Connections = 2 })
	rpc, api := s.dial(t, ca.trusting(t, "", ""), once()), &http.Client{Transport: &http.Transport{TLSClientConfig: ca.trusting(t, "", "")}}
	defer api.CloseIdleConnections()
	ask := func() (again bool) {
		q, err := http.NewRequestWithContext(httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{GotConn: func(i httptrace.GotConnInfo) { again = i.Reused }}),
			"GET", "https://"+s.Place().HTTP+httpapi.Base+"/instances", nil)
		if err != nil {
			t.Fatal(err)
		}
		a, err := api.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, a.Body)
		if a.Body.Close(); a.StatusCode != http.StatusOK {
			t.Error(a.Status)
		}
		return again
	}
	if err := over(t, rpc, ""); err != nil {
		t.Fatal(err)
	}
	ask()
	for range 3 { // each of them is closed at once
		if _, err := stranger(t, s.Place().GRPC[0], "", false).Read(make([]byte, 1)); err == nil {
			t.Error("gRPC takes one connection too many")
		}
	}
	if err := over(t, rpc, ""); err != nil {
		t.Error(err)
	}
	if !ask() {
		t.Error("the connection of HTTP was closed")
	}
}
