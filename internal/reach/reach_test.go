package reach

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"testing"
	"time"
)

// TestNothingIsSaidOfWhatMayGetBetter: who waits is to go on, whatever is in the way
// for now.
func TestNothingIsSaidOfWhatMayGetBetter(t *testing.T) {
	listen := func(serve func(net.Conn)) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				serve(c)
			}
		}()
		return l.Addr().String()
	}
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = gone.Close()
	unprepared := &tls.Config{GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}
	secure := &tls.Config{InsecureSkipVerify: true}
	for _, c := range []struct {
		name, address string
		secure        *tls.Config
	}{
		{"nothing listens", gone.Addr().String(), nil},
		{"nothing listens, with TLS", gone.Addr().String(), secure},
		{"it hangs up", listen(func(c net.Conn) { _ = c.Close() }), nil},
		{"it hangs up, with TLS", listen(func(c net.Conn) { _ = c.Close() }), secure},
		{"it is silent", listen(func(net.Conn) {}), nil},
		{"it is silent, with TLS", listen(func(net.Conn) {}), secure},
		{"it has no certificate yet", listen(func(c net.Conn) { _ = tls.Server(c, unprepared).Handshake() }), secure},
		{"the address is of another kind", "unix:/nowhere", nil},
		{"the address names a resolver", "dns:///nobody.invalid:1", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
			defer cancel()
			if err := Check(ctx, c.address, c.secure); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAServerOfAnOlderTLSIsRefusedForGood(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	go func() {
		c, err := l.Accept()
		if err == nil {
			_ = tls.Server(c, &tls.Config{MaxVersion: tls.VersionTLS12, GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return nil, nil }}).Handshake()
		}
	}()
	if err := Check(t.Context(), l.Addr().String(), &tls.Config{MinVersion: tls.VersionTLS13}); !errors.Is(err, ErrTLS) {
		t.Errorf("got %v, want a %q", err, ErrTLS)
	}
}
