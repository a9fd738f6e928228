package gate

import (
	"fmt"
	"net"
	"strings"

	"github.com/netherite-go/netherite/internal/loopback"
)

// Listener is an address to listen at, and how it is protected.
type Listener struct {
	Address       string
	TLS           bool
	Authenticated bool
	Insecure      bool // the operator has typed that it may be open
}

// CheckListener refuses a listener that other machines can reach without TLS and
// without having to say who they are, unless the operator insists.
func CheckListener(l Listener) error {
	host, _, err := net.SplitHostPort(l.Address)
	if err != nil {
		return fmt.Errorf("listen at %q: %w; an address is HOST:PORT", l.Address, err)
	}
	if l.Insecure || loopback.Host(host) {
		return nil
	}
	var missing []string
	if !l.TLS {
		missing = append(missing, "TLS (--tls-cert, --tls-key)")
	}
	if !l.Authenticated {
		missing = append(missing, "way to tell who calls (API keys, tokens or client certificates)")
	}
	if len(missing) == 0 {
		return nil
	}
	return fmt.Errorf("listen at %s: other machines can reach it, and there is no %s; set these up, listen at 127.0.0.1, or type --insecure", l.Address, strings.Join(missing, " and no "))
}
