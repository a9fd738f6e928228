package server

import (
	"context"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

// tryStart starts a server that may be refused, and stops it.
func tryStart(t *testing.T, c Config, log io.Writer) error {
	t.Helper()
	if c.GRPC == nil {
		c.GRPC = []string{"127.0.0.1:0"}
	}
	if c.HTTP == "" {
		c.HTTP = "127.0.0.1:0"
	}
	c.Hub, c.Partitions = "default", 1
	s, err := Start(c, slog.New(slog.NewTextHandler(log, nil)))
	if err == nil {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := s.Stop(ctx); err != nil {
			t.Error(err)
		}
	}
	return err
}

func TestAnAddressThatOthersReachNeedsTLSAndAWayToTellWhoCalls(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, certKey := ca.sign(t, "server", nil)
	_, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	for _, place := range []func(*Config){
		func(c *Config) { c.GRPC = []string{"127.0.0.1:0", "0.0.0.0:0"} },
		func(c *Config) { c.GRPC = []string{":0"} },
		func(c *Config) { c.GRPC = []string{"[::]:0"} },
		func(c *Config) { c.HTTP = "0.0.0.0:0" },
		func(c *Config) { c.HTTP = ":0" },
		func(c *Config) { c.Admin = "0.0.0.0:0" },
	} {
		for _, way := range []struct {
			change  func(*Config)
			missing []string
		}{
			{func(*Config) {}, []string{"TLS", "way to tell who calls"}},
			{func(c *Config) { c.Keys = []gate.Key{entry} }, []string{"TLS"}},
			{func(c *Config) { c.Cert, c.Key = cert, certKey }, []string{"way to tell who calls"}},
			{func(c *Config) { c.Cert, c.Key, c.ClientCA = cert, certKey, ca.file }, []string{"way to tell who calls"}},
			{func(c *Config) { c.Cert, c.Key, c.Keys = cert, certKey, []gate.Key{entry} }, nil},
			{func(c *Config) { c.Insecure = true }, nil},
		} {
			var c Config
			place(&c)
			way.change(&c)
			err := tryStart(t, c, io.Discard)
			if (err == nil) != (way.missing == nil) {
				t.Errorf("%v %s: %v", c.GRPC, c.HTTP, err)
			}
			for _, m := range append(way.missing, "--insecure") {
				if err != nil && !strings.Contains(err.Error(), m) {
					t.Errorf("the refusal does not name %q: %v", m, err)
				}
			}
		}
	}
}

func TestInsecureIsSaidAtEachStart(t *testing.T) {
	l := &logged{}
	for n := range 2 {
		if err := tryStart(t, Config{Insecure: true, HTTP: "0.0.0.0:0"}, l); err != nil {
			t.Fatal(err)
		}
		if got := len(l.lines("INSECURE", "level=WARN", "0.0.0.0")); got != n+1 {
			t.Fatalf("said %d times after %d starts", got, n+1)
		}
	}
	quiet := &logged{}
	if err := tryStart(t, Config{}, quiet); err != nil || len(quiet.lines("INSECURE")) > 0 {
		t.Error(err, quiet)
	}
}

func TestAListenerOnLoopbackIsNotReachedByOtherAddresses(t *testing.T) {
	s := start(t, nil)
	for _, address := range append(s.Place().GRPC, s.Place().HTTP) {
		host, port, err := net.SplitHostPort(address)
		if err != nil || !net.ParseIP(host).IsLoopback() {
			t.Errorf("it listens at %s", address)
		}
		others, err := net.InterfaceAddrs()
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range others {
			ip, _, err := net.ParseCIDR(o.String())
			if err != nil || ip.IsLoopback() || ip.IsLinkLocalUnicast() {
				continue
			}
			if conn, err := net.Dial("tcp", net.JoinHostPort(ip.String(), port)); err == nil {
				_ = conn.Close()
				t.Errorf("%s answers at %s", address, ip)
			}
		}
	}
}

func TestAConfigurationThatCannotBeMeantIsRefused(t *testing.T) {
	ca := newAuthority(t, "ca")
	cert, certKey := ca.sign(t, "server", nil)
	for want, c := range map[string]Config{
		"no certificate (tls.cert)":             {ClientCA: ca.file},
		"no certificate (tls.cert) for the key": {Key: certKey},
		"read the server's certificate":         {Cert: cert, Key: ca.file},
		"read the certificates that sign":       {Cert: cert, Key: certKey, ClientCA: ca.file + ".none"},
		"has no certificates":                   {Cert: cert, Key: certKey, ClientCA: certKey},
		"client-ca":                             {Cert: cert, Key: certKey, Certificates: map[string]map[string]gate.Role{"a": {"*": gate.Reader}}},
		"no SHA-256":                            {Keys: []gate.Key{{Name: "a", Hashes: []string{"x"}, Roles: map[string]gate.Role{"*": gate.Reader}}}},
		"need an issuer":                        {Tokens: &gate.TokenOptions{}},
		"no origin":                             {Origins: []string{"ops.example.com"}},
		"an address is HOST:PORT":               {HTTP: "127.0.0.1"},
	} {
		if err := tryStart(t, c, io.Discard); err == nil || !strings.Contains(err.Error(), strings.TrimSuffix(want, " for the key")) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}

func TestAWebPageOfAnotherOriginChangesNothing(t *testing.T) {
	s := start(t, func(c *Config) { c.Origins = []string{"https://ops.example.com"} })
	start := httpapi.Base + "/orchestrators/F/"
	for name, c := range map[string]struct {
		header map[string]string
		code   int
	}{
		"a program":                 {nil, 202},
		"this server's own":         {map[string]string{"Sec-Fetch-Site": "same-origin", "Origin": "http://" + s.Place().HTTP}, 202},
		"another site":              {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}, 403},
		"another port":              {map[string]string{"Sec-Fetch-Site": "same-site", "Origin": "http://127.0.0.1:1"}, 403},
		"an old browser":            {map[string]string{"Origin": "https://evil.example"}, 403},
		"a page without an origin":  {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "null"}, 403},
		"a page that is allowed":    {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://ops.example.com"}, 202},
		"one that looks like it":    {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://ops.example.com.evil.example"}, 403},
		"a form, which sends texts": {map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example", "Content-Type": "text/plain"}, 403},
	} {
		a := s.ask(t, "POST", start+strings.ReplaceAll(name, " ", "-"), "{}", c.header)
		if a.code != c.code {
			t.Errorf("%s: %+v, want %d", name, a, c.code)
		}
		allowed := a.header.Get("Access-Control-Allow-Origin")
		if want := c.header["Origin"]; (allowed != "") != (want == "https://ops.example.com") || allowed != "" && allowed != want {
			t.Errorf("%s: allowed for %q", name, allowed)
		}
	}
}

func TestABrowserIsToldWhichPagesMayAsk(t *testing.T) {
	s := start(t, func(c *Config) { c.Origins = []string{"https://ops.example.com"} })
	ask := func(s *running, origin string) answer {
		return s.ask(t, "OPTIONS", httpapi.Base+"/instances", "", map[string]string{"Origin": origin, "Access-Control-Request-Method": "DELETE"})
	}
	if a := ask(s, "https://ops.example.com"); a.code != 204 || !strings.Contains(a.header.Get("Access-Control-Allow-Methods"), "DELETE") {
		t.Errorf("%+v", a)
	}
	for _, a := range []answer{ask(s, "https://evil.example"), ask(start(t, nil), "https://ops.example.com")} {
		if a.code < 400 || a.header.Get("Access-Control-Allow-Origin") != "" || a.header.Get("Access-Control-Allow-Methods") != "" {
			t.Errorf("%+v", a)
		}
	}
}

func TestANameThatSomebodyGaveThisMachineLetsNoPageIn(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"*": gate.Admin})
	open := start(t, func(c *Config) { c.Hosts = []string{"Flows.example.com"} })
	locked := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	for host, want := range map[string]int{
		"localhost": 200, "localhost:8082": 200, "127.0.0.1": 200, "[::1]:8082": 200, "127.0.0.9": 200, "flows.example.com:80": 200,
		"evil.example": 403, "evil.example:8082": 403, "localhost.evil.example": 403, "127.0.0.1.evil.example": 403, "10.0.0.1": 403, "0.0.0.0": 403,
	} {
		if a := open.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Host": host}); a.code != want {
			t.Errorf("%s: %+v, want %d", host, a, want)
		}
		if a := locked.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Host": host, "Authorization": token}); a.code != 200 {
			t.Errorf("%s with a key: %+v", host, a)
		}
	}
}

func TestAnswersAreNotKeptByAnybody(t *testing.T) {
	a := start(t, nil).ask(t, "GET", httpapi.Base+"/instances", "", nil)
	if a.header.Get("Cache-Control") != "no-store" || a.header.Get("X-Content-Type-Options") != "nosniff" || a.header.Get("Vary") != "" {
		t.Errorf("%v", a.header)
	}
}
