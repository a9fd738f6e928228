// Package config says how a server is configured: by flags, by variables of the
// environment, and by one file, in that order of precedence. It has one table of
// all settings, from which the flags, the variables and the keys of the file have
// their names.
package config

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netherite-go/netherite/internal/nearest"
)

// DefaultHub is the task hub of callers that name none, unless a setting says another.
const DefaultHub = "default"

// kind is what a setting's value is.
type kind uint8

const (
	text         kind = iota
	texts             // a list
	number            // an integer, not negative
	bytes             // a size, such as 64MiB
	span              // a duration, such as 36h or 30d
	keepSpan          // a duration, or forever
	yes               // true or false
	address           // HOST:PORT, or off
	addresses         // a list of HOST:PORT
	level             // of logs
	certificates      // a list of client certificates and their roles; in the file only
	rules             // a list of rules of retention; in the file only
)

var kinds = [...]string{
	"text", "list", "number", "size", "duration", "duration or `forever`", "true or false", "HOST:PORT, or `off`",
	"list of HOST:PORT", "`debug`, `info`, `warn` or `error`", "list, in the file only", "list, in the file only",
}

// String says what the value is, for people.
func (k kind) String() string { return kinds[k] }

// fileOnly reports whether values of the kind have no flag and no variable.
func (k kind) fileOnly() bool { return k == certificates || k == rules }

// Command is which of the two commands a server is started by.
type Command uint8

const (
	// Server is for production: nothing is guessed.
	Server Command = iota
	// Dev is for a programmer's own machine: nothing has to be said.
	Dev
)

// Setting is one thing that can be set.
type Setting struct {
	Key  string // in the file; dots stand for nesting
	Kind kind
	// Default is the value if nobody says anything, by command. That of a server
	// is explicit where it is required.
	Default  [2]string
	Required bool   // by the server
	Only     string // "dev": the other command does not have it
	Typed    bool   // a flag only: who wants it says so at each start
	// Least and Most bound a number, a size in bytes, or a duration in seconds; without
	// Most it has no bounds.
	Least, Most int64
	Help        string
}

// Flag is the name of the setting's flag, without the dashes; empty if it has none.
func (s *Setting) Flag() string {
	if s.Kind.fileOnly() {
		return ""
	}
	return strings.ReplaceAll(s.Key, ".", "-")
}

// Variable is the name of the setting's variable; empty if it has none.
func (s *Setting) Variable() string {
	if s.Kind.fileOnly() || s.Typed {
		return ""
	}
	return s.variable()
}

// variable is the name that the setting's variable has, or would have.
func (s *Setting) variable() string {
	return prefix + strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s.Key))
}

const prefix = "NETHERITE_"

func both(v string) [2]string { return [2]string{v, v} }

// Table is all settings, in the order in which they are documented.
var Table = []Setting{
	{Key: "data", Kind: text, Default: [2]string{"", ".netherite"}, Required: true, Help: "data directory; it is made if its parent exists"},
	{Key: "memory", Kind: yes, Default: both("false"), Only: "dev", Help: "keep everything in memory and write nothing"},
	{Key: "grpc", Kind: addresses, Default: [2]string{"", "127.0.0.1:4001,127.0.0.1:8080"}, Required: true, Help: "where the SDKs connect"},
	{Key: "http", Kind: address, Default: [2]string{"", "127.0.0.1:8082"}, Required: true, Help: "HTTP API, /readyz and /healthz"},
	{Key: "admin", Kind: address, Default: [2]string{"off", "127.0.0.1:8083"}, Help: "/metrics, /debug/pprof and /log/level"},
	{Key: "hub", Kind: text, Default: both(DefaultHub), Help: "task hub of callers that name none"},
	{Key: "create-hubs", Kind: yes, Default: [2]string{"false", "true"}, Help: "make a task hub that there is not for a worker that asks for work, and for a start or signal; what reads makes none"},
	{Key: "partitions", Kind: number, Default: both("8"), Least: 1, Most: 256, Help: "partitions of new hubs"},
	{Key: "drain", Kind: span, Default: both("10s"), Help: "how long workers may take to complete what they have when the server stops"},
	{Key: "ready-file", Kind: text, Default: both(""), Help: "file that is there while the server is ready, and says where it can be reached"},

	{Key: "tls.cert", Kind: text, Default: both(""), Help: "file of the server's certificate, PEM; read again on SIGHUP"},
	{Key: "tls.key", Kind: text, Default: both(""), Help: "file of its key, PEM; read again on SIGHUP"},
	{Key: "tls.client-ca", Kind: text, Default: both(""), Help: "file of the certificates that sign those of clients, PEM; read again on SIGHUP"},
	{Key: "insecure", Kind: yes, Default: both("false"), Typed: true, Help: "other machines may reach it without TLS, or without saying who they are"},
	{Key: "keys-file", Kind: text, Default: both(""), Help: "file of API keys, see `netherite key`; read again on SIGHUP"},
	{Key: "certificates", Kind: certificates, Default: both(""), Help: "client certificates by name, with their roles"},
	{Key: "jwt.issuer", Kind: text, Default: both(""), Help: "issuer (`iss`) of the tokens that are accepted"},
	{Key: "jwt.audience", Kind: text, Default: both(""), Help: "audience (`aud`) that they must have"},
	{Key: "jwt.keys-url", Kind: text, Default: both(""), Help: "address of the issuer's public keys (JWKS)"},
	{Key: "jwt.keys-file", Kind: text, Default: both(""), Help: "file of these keys instead of an address; read again on SIGHUP"},
	{Key: "jwt.algorithms", Kind: texts, Default: both("RS256,ES256"), Help: "algorithms that may sign them"},
	{Key: "jwt.claim", Kind: text, Default: both("netherite"), Help: "claim with the roles by task hub"},

	{Key: "hosts", Kind: texts, Default: both(""), Help: "names under which the HTTP API is reached, beside those of this machine"},
	{Key: "origins", Kind: texts, Default: both(""), Help: "origins of web pages that may use the HTTP API"},
	{Key: "audit-all", Kind: yes, Default: both("false"), Help: "the audit log has each start, event and signal, too"},

	{Key: "retention.keep", Kind: keepSpan, Default: both("30d"), Help: "how long ended orchestrations are kept that no rule is about"},
	{Key: "retention.rate", Kind: number, Default: both("10000"), Least: 1, Most: 1 << 20, Help: "instances a second, in each hub, that are purged at most when their time is over"},
	{Key: "retention.rules", Kind: rules, Default: both(""), Help: "rules by hub, status and name; the first that fits counts"},

	{Key: "limits.memory", Kind: bytes, Default: both("128MiB"), Least: 16 << 20, Most: 1 << 40, Help: "what a hub keeps in memory"},
	{Key: "limits.payload", Kind: bytes, Default: both("2MiB"), Least: 1, Most: 16 << 20, Help: "one payload"},
	{Key: "limits.history", Kind: number, Default: both("50000"), Least: 100, Most: 1 << 30, Help: "events of an orchestration's history, from which on it fails"},
	{Key: "limits.history-size", Kind: bytes, Default: both("50MiB"), Least: 64 << 10, Most: 1 << 40, Help: "the same, its size"},
	{Key: "limits.streams", Kind: number, Default: both("100"), Least: 1, Most: 1 << 20, Help: "streams that one caller has open at a time"},

	{Key: "limits.connections", Kind: number, Default: both("10000"), Least: 1, Most: 1 << 20, Help: "connections to the gRPC and HTTP listeners at a time, of all callers together"},
	{Key: "limits.calls", Kind: number, Default: both("10000"), Least: 1, Most: 1 << 20, Help: "calls that one caller has under way at a time"},
	{Key: "limits.rate", Kind: number, Default: both("100000"), Least: 1, Most: 1 << 30, Help: "calls of one caller in a second"},
	{Key: "limits.hub-rate", Kind: number, Default: both("100000"), Least: 1, Most: 1 << 30, Help: "calls for one task hub in a second, of all callers"},
	{Key: "limits.message", Kind: bytes, Default: both("64MiB"), Least: 64 << 10, Most: 256 << 20, Help: "a message to the gRPC door"},
	{Key: "limits.header", Kind: bytes, Default: both("16KiB"), Least: 4 << 10, Most: 1 << 20, Help: "the header of a request"},
	{Key: "limits.patience", Kind: span, Default: both("30s"), Least: 1, Most: 3600, Help: "how long a caller may leave unread what it is sent"},

	{Key: "calls.hosts", Kind: texts, Default: both(""), Help: "hosts that orchestrations may call by HTTP, such as `api.example.com`, `*.example.com`, or `*` for all by https; empty: none"},
	{Key: "calls.exempt", Kind: texts, Default: both(""), Help: "networks, such as 127.0.0.0/8, that they may call although they are of this machine or its link"},
	{Key: "calls.response", Kind: bytes, Default: both("1MiB"), Help: "the body of an answer to such a call"},
	{Key: "calls.timeout", Kind: span, Default: both("100s"), Help: "one exchange of such a call"},
	{Key: "calls.polling", Kind: span, Default: both("7d"), Help: "such a call with all its polling"},

	{Key: "log.level", Kind: level, Default: both("info"), Help: "least level that is logged, but for the audit log of named callers"},
	{Key: "log.format", Kind: text, Default: both("text"), Help: "`text` or `json`"},
}

// of lists the settings of a command.
func of(c Command) []*Setting {
	var list []*Setting
	for i := range Table {
		if Table[i].Only == "" || c == Dev {
			list = append(list, &Table[i])
		}
	}
	return list
}

// find returns the setting of a key, nil if there is none.
func find(list []*Setting, is func(*Setting) bool) *Setting {
	if i := slices.IndexFunc(list, is); i >= 0 {
		return list[i]
	}
	return nil
}

// similar is the key that somebody may have meant, as a hint; or empty.
func similar(list []*Setting, key string, name func(*Setting) string) string {
	names := make([]string, len(list))
	for i, s := range list {
		names[i] = name(s)
	}
	best := nearest.Of(key, names)
	if best == "" {
		return ""
	}
	return fmt.Sprintf("; there is %q", best)
}
