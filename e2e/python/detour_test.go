package python_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"testing"
)

// usual is where the SDK, its samples and our page look for a server.
const usual = "localhost:4001"

// detour leads whoever looks for the usual server to another one, by the proxy that
// gRPC takes from its environment: so what runs stays as it stands, and tests can run
// beside each other. It returns the variable.
func detour(t *testing.T, address string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return // the test has ended
			}
			go lead(t, c, address)
		}
	}()
	return "grpc_proxy=http://" + l.Addr().String()
}

// lead connects one caller.
func lead(t *testing.T, c net.Conn, address string) {
	defer c.Close()
	in := bufio.NewReader(c)
	r, err := http.ReadRequest(in)
	if err != nil {
		return // it was given up
	}
	if r.Method != http.MethodConnect || r.Host != usual {
		t.Errorf("%s %s was asked for, want CONNECT %s", r.Method, r.Host, usual)
		return
	}
	s, err := net.Dial("tcp", address)
	if err != nil {
		return // the server has ended
	}
	defer s.Close()
	if _, err := io.WriteString(c, "HTTP/1.1 200 OK\r\n\r\n"); err != nil {
		return
	}
	go func() {
		defer s.Close()
		_, _ = io.Copy(s, in)
	}()
	_, _ = io.Copy(c, s)
}
