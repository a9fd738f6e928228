package durablehttp_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite/durable/durablehttp"
)

func TestOnlyListedHostsAreCalled(t *testing.T) {
	x, err := durablehttp.Exchanger(durablehttp.Options{Hosts: []string{"api.example.com", "*.parts.example.com", "http://inside:8080", "https://odd:8443", "[2001:db8::1]"}})
	if err != nil {
		t.Fatal(err)
	}
	for uri, want := range map[string]bool{
		"https://api.example.com/x": true, "https://API.example.COM:443": true, "https://api.example.com.": true, "http://api.example.com": false,
		"https://api.example.com:8443": false, "https://example.com": false, "https://xapi.example.com": false, "https://api.example.com.evil.org": false,
		"https://a.parts.example.com": true, "https://a.b.parts.example.com": true, "https://parts.example.com": false, "https://aparts.example.com": false,
		"http://inside:8080": true, "https://inside:8080": true, "http://inside": false, "https://odd:8443": true, "http://odd:8443": false,
		"https://[2001:db8::1]/": true, "https://[2001:db8::2]/": false, "https://evil.org#api.example.com": false, "https://evil.org?api.example.com": false,
	} {
		if got := x.Allows(uri); got != want {
			t.Errorf("%s: %v", uri, got)
		}
	}
	for _, bad := range []string{"", "a/b", "*.", "a*", "x:0", "x:99999", "user@h", "https://"} {
		if _, err := durablehttp.New(durablehttp.Options{Hosts: []string{bad}}); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("%q", bad)) {
			t.Errorf("%q as a host: %v", bad, err)
		}
	}
}

func TestNobodyCallsTheMachineOrItsLink(t *testing.T) {
	for _, a := range []string{
		"127.0.0.1", "127.9.9.9", "0.0.0.0", "169.254.169.254", "169.254.0.1", "224.0.0.1", "255.255.255.255", "100.100.100.200", "::1", "::", "fe80::1",
		"fe80::1%eth0", "ff02::1", "::ffff:127.0.0.1", "::ffff:169.254.169.254", "64:ff9b::7f00:1", "2002:7f00:1::", "2002:a9fe:a9fe::1", "::127.0.0.1", "fd00:ec2::254",
		"64:ff9b:1::7f00:1", "64:ff9b:1:7f00:0:100::", "64:ff9b:1:aa7f:0:1::", "64:ff9b:1:aabb:7f:0:100:0",
		"64:ff9b:1:fffe::7f00:1", "64:ff9b:1:fffe::e000:1", "64:ff9b:1:fffe:ff:ffff:ff00:0",
	} {
		if durablehttp.AllowsAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s may be called", a)
		}
	}
	for _, a := range []string{"93.184.216.34", "10.1.2.3", "192.168.1.1", "2606:4700::1111", "fd12::1", "64:ff9b::5db8:d822", "64:ff9b:1::5db8:d822", "64:ff9b:1:5db8:d8:2200::", "64:ff9b:1:fffe::5db8:d822"} {
		if !durablehttp.AllowsAddress(netip.MustParseAddr(a)) {
			t.Errorf("%s may not be called", a)
		}
	}
}

// The addresses of the machine's interfaces are its own as well, in whatever form.
func TestNobodyCallsTheMachineByAnotherAddress(t *testing.T) {
	own := []net.Addr{
		&net.IPNet{IP: net.IPv4(192, 0, 2, 2), Mask: net.CIDRMask(24, 32)}, &net.IPNet{IP: net.ParseIP("2001:db8::2"), Mask: net.CIDRMask(64, 128)},
	}
	for a, may := range map[string]bool{
		"192.0.2.2": false, "::ffff:192.0.2.2": false, "64:ff9b::c000:202": false, "2001:db8::2": false, "2001:db8::2%eth0": false,
		"192.0.2.3": true, "2001:db8::3": true, "192.0.2.0": true,
	} {
		if durablehttp.AllowsAddress(netip.MustParseAddr(a), own...) != may {
			t.Errorf("%s may be called: %v", a, !may)
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	x, err := durablehttp.Exchanger(durablehttp.Options{Hosts: []string{"http://*:9"}})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	for _, a := range addrs {
		ip := a.(*net.IPNet).IP
		if _, err := x.Do(t.Context(), &durablehttp.Request{Method: "GET", URI: "http://" + net.JoinHostPort(ip.String(), "9")}); err == nil || !strings.Contains(err.Error(), "may not be called") {
			t.Errorf("%s: %v", ip, err)
		}
	}
}

// names is a resolver that answers each question with the next list of addresses.
type names struct {
	mu    sync.Mutex
	lists [][]string
}

func (n *names) resolver() *net.Resolver {
	return &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go n.serve(server)
		return client, nil
	}}
}

// serve answers one connection's questions: for addresses of the older kind.
func (n *names) serve(c net.Conn) {
	defer c.Close()
	for {
		var size [2]byte
		if _, err := io.ReadFull(c, size[:]); err != nil {
			return
		}
		q := make([]byte, binary.BigEndian.Uint16(size[:]))
		if _, err := io.ReadFull(c, q); err != nil {
			return
		}
		end := 12 + bytes.IndexByte(q[12:], 0) + 5
		a := append([]byte(nil), q[:end]...)
		copy(a[2:], []byte{0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0})
		if q[end-3] == 1 {
			for _, ip := range n.next() {
				a[7]++
				a = append(a, 0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4)
				a = append(a, netip.MustParseAddr(ip).AsSlice()...)
			}
		}
		if _, err := c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
			return
		}
	}
}

func (n *names) next() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.lists) == 0 {
		return nil
	}
	list := n.lists[0]
	n.lists = n.lists[1:]
	return list
}

func TestANameThatTurnsToTheMachineIsRefused(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.2:0") // as the machine itself is reached
	if err != nil {
		t.Fatal(err)
	}
	inside := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the machine itself was called") }))
	inside.Listener.Close()
	inside.Listener = l
	inside.Start()
	defer inside.Close()
	port := l.Addr().(*net.TCPAddr).Port
	outside, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		t.Fatal(err)
	}
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close") // so that the name is asked for again
		w.Header().Set("Location", "/status")
		w.WriteHeader(http.StatusAccepted)
	}))
	s.Listener.Close()
	s.Listener = outside
	s.Start()
	defer s.Close()
	n := &names{lists: [][]string{{"127.0.0.1"}, {"127.0.0.2"}, {"127.0.0.2"}, {"127.0.0.2", "127.0.0.1"}}}
	x, err := durablehttp.Exchanger(durablehttp.Options{
		Hosts: []string{fmt.Sprintf("http://turns.example:%d", port)}, Exempt: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}, Resolver: n.resolver(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	r := &durablehttp.Request{Method: "GET", URI: fmt.Sprintf("http://turns.example:%d/", port)}
	for round, want := range []string{"", "may not be called", "may not be called", ""} {
		got, err := x.Do(t.Context(), r)
		if want == "" && (err != nil || got.StatusCode != 202) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("round %d: %+v, %v", round, got, err)
		}
	}
}

// The address that is connected to is the one that was checked, so a proxy would
// make the check one of the proxy's address.
func TestProxiesOfTheEnvironmentAreNotUsed(t *testing.T) {
	proxy := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the proxy was asked") }))
	defer proxy.Close()
	for _, name := range []string{"HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"} {
		t.Setenv(name, proxy.URL)
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "direct") }))
	defer s.Close()
	at := fmt.Sprintf("http://direct.example:%d", s.Listener.Addr().(*net.TCPAddr).Port) // of no name that is never proxied
	n := &names{lists: [][]string{{"127.0.0.1"}}}
	x, err := durablehttp.Exchanger(durablehttp.Options{Hosts: []string{at}, Exempt: loopback, Resolver: n.resolver()})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if got, err := x.Do(t.Context(), &durablehttp.Request{Method: "GET", URI: at}); err != nil || got.Content != "direct" {
		t.Errorf("%+v, %v", got, err)
	}
}
