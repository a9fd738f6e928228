package server

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"slices"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/durable/durablehttp"
)

// Config says what to serve, and to whom.
type Config struct {
	Data string   // the data directory; empty keeps everything in memory
	GRPC []string // addresses, HOST:PORT
	HTTP string   // of the management API and the probes
	// Admin is the address of the figures and profiles; empty: there is none.
	Admin string
	// OnDemand makes a task hub when somebody names one that there is not, and
	// the default one at the start.
	OnDemand bool
	// OtherPorts are those of the listeners "grpc", "http" and "admin" that take another
	// port where one is taken already.
	OtherPorts []string
	Hub        string // the hub of callers that name none
	Partitions int    // of new hubs
	Memory     int64  // limit of each hub, in bytes; 0 is the hub's default
	// HistoryEvents and HistoryBytes bound the history of an orchestration; 0 is the
	// hub's default.
	HistoryEvents, HistoryBytes int64
	Payload                     int // limit of one payload, in bytes; 0 is the hub's default
	Streams                     int // limit of streams of one caller; 0 is the gate's default

	Retention      time.Duration   // of what no rule is about; 0 is the hub's default, negative for ever
	RetentionRules []RetentionRule // the first that fits counts
	RetentionRate  int             // instances purged a second in each hub; 0 is the hub's default

	Cert, Key string // files of the server's certificate and its key
	ClientCA  string // file of the certificates that sign those of clients
	Insecure  bool   // others may reach it although it cannot tell who they are

	// Who may call, in one or several ways; none lets everybody in, which only
	// listeners of this machine alone may.
	Keys         []gate.Key
	KeysFile     string // of more API keys, read again by Reload
	Tokens       *gate.TokenOptions
	Certificates map[string]map[string]gate.Role // roles by name in the certificate, and hub
	// AuditAll writes down each start, event and signal, too.
	AuditAll bool
	// Hosts are names under which the HTTP API is reached beside those of this
	// machine, Origins the origins of web pages that may use it.
	Hosts, Origins []string
	Limits         Limits

	ReadyFile string
	Level     *slog.LevelVar // what the admin listener changes; nil: it cannot
	Version   string         // of the program, for its figures

	// Calls says what orchestrations may call by HTTP; nothing without hosts.
	Calls durablehttp.Options
}

// RetentionRule is how long some ended orchestrations of some hubs are kept.
type RetentionRule struct {
	Hub string // empty: of all hubs
	netherite.RetentionRule
}

// Limits bound what callers may ask of the server. Zero is the default of each.
type Limits struct {
	Connections int // at a time, to the gRPC and HTTP doors, of all callers; default 10,000
	Calls       int // of one caller at a time; default 10,000
	Rate        int // calls of one caller in a second; default 100,000
	HubRate     int // calls for one task hub in a second; default 100,000
	Message     int // bytes of a message to the gRPC door; default 64 MiB
	Header      int // bytes of a request's header; default 16 KiB
	// Patience is how long a caller may leave unread what it is sent; default 30 s.
	Patience time.Duration
}

func (l *Limits) defaults() {
	l.Message = cmp.Or(l.Message, 64<<20)
	l.Header = cmp.Or(l.Header, 16<<10)
	l.Patience = cmp.Or(l.Patience, gate.DefaultPatience)
}

// ConfigError says why a configuration cannot, or must not be served.
type ConfigError struct{ Err error }

// Error says what is wrong.
func (e *ConfigError) Error() string { return e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

// Check refuses what cannot, and what must not be served, as Start does, but
// opens nothing. Its error is a *ConfigError.
func (c *Config) Check() error {
	_, _, err := c.access()
	if err == nil {
		if err = c.checkPlaces(); err != nil {
			err = &ConfigError{err}
		}
	}
	return err
}

// checkPlaces refuses places on the disk that Start would find out about.
func (c *Config) checkPlaces() error {
	err := checkData(c.Data)
	if c.ReadyFile == "" || err != nil {
		return err
	}
	if info, err := os.Stat(c.ReadyFile); err == nil && info.IsDir() {
		return fmt.Errorf("ready-file %s: it is a directory", c.ReadyFile)
	}
	return checkFolder("the folder of the ready file (ready-file)", filepath.Dir(c.ReadyFile))
}

func checkFolder(what, dir string) error {
	info, err := os.Stat(dir)
	if err == nil && !info.IsDir() {
		err = errors.New("it is no directory")
	}
	if err != nil {
		return fmt.Errorf("%s, %s: %w", what, dir, err)
	}
	return nil
}

// access is who may call and how, unless the configuration is refused.
func (c *Config) access() (auth []gate.Authenticator, secure *liveTLS, err error) {
	auth, err = c.authenticators()
	if err == nil {
		err = c.check()
	}
	if err == nil {
		err = checkExports()
	}
	if err == nil {
		secure, err = newLiveTLS(c)
	}
	if err == nil {
		_, err = c.gate(auth, slog.New(slog.DiscardHandler))
	}
	if err != nil {
		return nil, nil, &ConfigError{err}
	}
	return auth, secure, nil
}

// authenticators are what tells who calls.
func (c *Config) authenticators() (list []gate.Authenticator, err error) {
	if c.KeysFile != "" {
		k, err := newLiveKeys(c.KeysFile, c.Keys)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	} else if len(c.Keys) > 0 {
		k, err := gate.NewKeys(c.Keys)
		if err != nil {
			return nil, err
		}
		list = append(list, k)
	}
	if c.Tokens != nil {
		t, err := gate.NewTokens(*c.Tokens)
		if err != nil {
			return nil, err
		}
		list = append(list, t)
	}
	if len(c.Certificates) > 0 {
		if c.ClientCA == "" {
			return nil, errors.New("client certificates are listed, but there is no file of the certificates that sign them (client-ca)")
		}
		list = append(list, &gate.Certificates{Names: c.Certificates})
	}
	return list, nil
}

// check refuses what must not be served.
func (c *Config) check() error {
	if err := checkName(c.Hub); err != nil {
		return err
	}
	for _, address := range append([]string{c.HTTP, c.Admin}, c.GRPC...) {
		if address == "" {
			continue
		}
		if err := c.checkAddress(address); err != nil {
			return err
		}
	}
	return c.checkListeners()
}

// checkListeners refuses two listeners of which one would take the other's port.
func (c *Config) checkListeners() error {
	type listener struct{ key, address string }
	var list []listener // in the order in which they begin to listen
	for _, address := range c.GRPC {
		list = append(list, listener{"grpc", address})
	}
	list = append(list, listener{"http", c.HTTP}, listener{"admin", c.Admin})
	for i, a := range list {
		if slices.Contains(c.OtherPorts, a.key) {
			continue // it takes another port, and says so
		}
		for _, b := range list[:i] {
			if a.address != "" && b.address != "" && samePort(a.address, b.address) {
				return fmt.Errorf("%s (%s) and %s (%s) cannot both listen there: give one of them another port", b.key, b.address, a.key, a.address)
			}
		}
	}
	return nil
}

// samePort reports whether two addresses have a port in common: the same one, on the
// same host or where one of them is all hosts. Port 0 is any that is free.
func samePort(a, b string) bool {
	hostA, portA, _ := net.SplitHostPort(a)
	hostB, portB, _ := net.SplitHostPort(b)
	return portA == portB && portA != "0" && (plainHost(hostA) == plainHost(hostB) || plainHost(hostA) == "" || plainHost(hostB) == "")
}

// plainHost is the host of an address; empty for all.
func plainHost(host string) string {
	switch ip := net.ParseIP(host); {
	case host == "localhost":
		return "127.0.0.1"
	case ip != nil && ip.IsUnspecified():
		return ""
	}
	return host
}

func (c *Config) checkAddress(address string) error {
	return gate.CheckListener(gate.Listener{Address: address, TLS: c.Cert != "", Authenticated: c.authenticated(), Insecure: c.Insecure})
}

// authenticated reports whether callers have to say who they are.
func (c *Config) authenticated() bool {
	return len(c.Keys) > 0 || c.KeysFile != "" || c.Tokens != nil || len(c.Certificates) > 0
}
