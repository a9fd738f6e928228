package config_test

import (
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/pflag"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/durable/durablehttp"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/server/config"
)

// load loads the settings of a command line, an environment and a file.
func load(t *testing.T, c config.Command, file string, environ []string, args ...string) (*config.Settings, error) {
	t.Helper()
	f := pflag.NewFlagSet("server", pflag.ContinueOnError)
	config.Flags(f, c)
	if file != "" {
		path := filepath.Join(t.TempDir(), "netherite.yaml")
		if err := os.WriteFile(path, []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
		args = append(args, "--config", path)
	}
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	return config.Load(c, f, environ)
}

// perByte: a byte of YAML, such as a bracket, becomes a node of the document, some
// hundred bytes in each of the steps from text to settings.
const perByte = 4_000

// needed are what a server has to be told.
var needed = []string{"--data", "d", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"}

func TestAFlagGoesBeforeAVariableAndThatBeforeTheFileAndThatBeforeTheDefault(t *testing.T) {
	const file = "hub: file\npartitions: 3\ndrain: 3s\n"
	environ := []string{"NETHERITE_HUB=variable", "NETHERITE_PARTITIONS=4", "PATH=/bin"}
	s, err := load(t, config.Server, file, environ, append(needed, "--hub", "flag")...)
	if err != nil {
		t.Fatal(err)
	}
	if c := s.Config; c.Hub != "flag" || c.Partitions != 4 || s.Drain != 3*time.Second || c.Retention != 30*24*time.Hour {
		t.Errorf("hub %q, partitions %d, drain %v, retention %v", c.Hub, c.Partitions, s.Drain, c.Retention)
	}
}

const everything = `
data: /var/lib/netherite
grpc: [127.0.0.1:4001, "[::1]:4001"]
http: "off"
admin: 127.0.0.1:9
hub: main
create-hubs: true
partitions: 16
drain: 1m30s
ready-file: /run/ready
tls: {cert: c, key: k, client-ca: a}
keys-file: keys
certificates:
  - name: worker.example.com
    roles: {main: worker, "*": reader}
jwt:
  issuer: https://issuer
  audience: netherite
  keys-url: https://issuer/keys
  algorithms: [ES384]
  claim: roles
retention:
  keep: forever
  rate: 50
  rules:
    - {hub: main, status: [Failed, terminated], keep: 90d}
    - {name: Tour*, keep: forever}
hosts: [netherite.example.com]
origins: ["https://example.com"]
audit-all: true
limits: {memory: 256MiB, payload: 1024, history: 2000, history-size: 2MiB, streams: 7, connections: 8, calls: 9, rate: 10, hub-rate: 11, message: 1MiB, header: 4KiB, patience: 5s}
calls: {hosts: [api.example.com], exempt: [10.0.0.0/8], response: 4KiB, timeout: 7s, polling: 8h}
log: {level: debug, format: json}
`

func TestEverySettingCanBeInTheFile(t *testing.T) {
	s, err := load(t, config.Server, everything, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := &config.Settings{Drain: 90 * time.Second, Level: slog.LevelDebug, JSON: true, Config: server.Config{
		Data: "/var/lib/netherite", GRPC: []string{"127.0.0.1:4001", "[::1]:4001"}, Admin: "127.0.0.1:9", Hub: "main", OnDemand: true, Partitions: 16,
		ReadyFile: "/run/ready", Cert: "c", Key: "k", ClientCA: "a", KeysFile: "keys",
		Certificates: map[string]map[string]gate.Role{"worker.example.com": {"main": gate.Worker, "*": gate.Reader}},
		Tokens:       &gate.TokenOptions{Issuer: "https://issuer", Audience: "netherite", KeysURL: "https://issuer/keys", Algorithms: []string{"ES384"}, Claim: "roles"},
		Retention:    -1, RetentionRate: 50, RetentionRules: []server.RetentionRule{
			{Hub: "main", RetentionRule: netherite.RetentionRule{Statuses: []model.Status{model.Failed, model.Terminated}, Keep: 90 * 24 * time.Hour}},
			{RetentionRule: netherite.RetentionRule{Names: []string{"Tour*"}, Keep: -1}},
		},
		Memory: 256 << 20, Payload: 1024, HistoryEvents: 2000, HistoryBytes: 2 << 20, Streams: 7, Hosts: []string{"netherite.example.com"}, Origins: []string{"https://example.com"}, AuditAll: true,
		Calls: durablehttp.Options{
			Hosts: []string{"api.example.com"}, Exempt: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")},
			MaxResponse: 4 << 10, CallTimeout: 7 * time.Second, PollTimeout: 8 * time.Hour,
		},
		Limits: server.Limits{Connections: 8, Calls: 9, Rate: 10, HubRate: 11, Message: 1 << 20, Header: 4 << 10, Patience: 5 * time.Second},
	}}
	if d := cmp.Diff(want, s, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); d != "" {
		t.Error(d)
	}
	for _, setting := range config.Table {
		last := setting.Key[strings.LastIndex(setting.Key, ".")+1:]
		if setting.Only == "" && !setting.Typed && !strings.Contains(everything, last+":") {
			t.Errorf("the test's file does not set %s", setting.Key)
		}
	}
}

func TestKeysOfTokensMayComeFromAFileInPlaceOfAnAddress(t *testing.T) {
	want := &gate.TokenOptions{Issuer: "https://issuer", Audience: "netherite", KeysFile: "/etc/jwks.json", Algorithms: []string{"RS256", "ES256"}, Claim: "netherite"}
	for name, c := range map[string]struct {
		file          string
		environ, args []string
	}{
		"file":     {"jwt: {issuer: 'https://issuer', audience: netherite, keys-file: /etc/jwks.json}\n", nil, nil},
		"variable": {"jwt: {issuer: 'https://issuer', audience: netherite, keys-file: other}\n", []string{"NETHERITE_JWT_KEYS_FILE=/etc/jwks.json"}, nil},
		"flag":     {"jwt: {issuer: 'https://issuer', audience: netherite}\n", []string{"NETHERITE_JWT_KEYS_FILE=other"}, []string{"--jwt-keys-file", "/etc/jwks.json"}},
	} {
		s, err := load(t, config.Server, c.file, c.environ, append(slices.Clone(needed), c.args...)...)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if d := cmp.Diff(want, s.Config.Tokens); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

func TestWhatIsWrongIsNamedWithItsSource(t *testing.T) {
	for _, c := range []struct {
		name, file string
		environ    []string
		args       []string
		says       []string
	}{
		{"calls without hosts", "calls: {timeout: 7s}\n", nil, nil, []string{"netherite.yaml:1", "calls.hosts"}},
		{"a network that is none", "calls: {hosts: [a.example.com], exempt: [10.0.0.1]}\n", nil, nil, []string{"calls.exempt", "127.0.0.0/8"}},
		{"a host that is none", "", nil, []string{"--calls-hosts", "https://a b"}, []string{"calls.hosts", "flag --calls-hosts"}},
		{"an unknown key", "hub: x\npartitoins: 4\n", nil, nil, []string{"netherite.yaml:2: partitoins", `"partitions"`}},
		{"an unknown key below another", "tls:\n  cert: c\n  crt: x\n", nil, nil, []string{"netherite.yaml:3: tls.crt", `"tls.cert"`}},
		{"a wrong type", "partitions: many\n", nil, nil, []string{"netherite.yaml:1: partitions", "number is wanted"}},
		{"a number for a text", "hub: 5\n", nil, nil, []string{"netherite.yaml:1: hub", "text is wanted"}},
		{"a list for a text", "hub: [a]\n", nil, nil, []string{"netherite.yaml:1: hub", "one value"}},
		{"a text for a group", "tls: x\n", nil, nil, []string{"netherite.yaml:1: tls"}},
		{"a key twice", "hub: a\nhub: b\n", nil, nil, []string{"netherite.yaml", "hub"}},
		{"what is for dev only", "memory: true\n", nil, nil, []string{"netherite.yaml:1: memory", "dev only"}},
		{"no YAML", "hub: [\n", nil, nil, []string{"netherite.yaml", "line"}},
		{"a tab in the first line", "\thub: x\n", nil, nil, []string{"netherite.yaml:1: ", "cannot start any token"}},
		{"a tab in a later line", "tls:\n\tcert: x\n", nil, nil, []string{"netherite.yaml: ", "line 2"}},
		{"an alias of itself", "tls: &a {cert: *a}\n", nil, nil, []string{"netherite.yaml:1: tls.cert"}},
		{"an address without a port", "admin: localhost\n", nil, nil, []string{"netherite.yaml:1: admin", "HOST:PORT"}},
		{"an address without a host", "", nil, []string{"--admin", ":80"}, []string{"--admin", "without a host"}},
		{"an unknown variable", "", []string{"NETHERITE_TLS_CRT=x"}, nil, []string{"variable NETHERITE_TLS_CRT", "NETHERITE_TLS_CERT"}},
		{"a variable's value", "", []string{"NETHERITE_LIMITS_MEMORY=lots"}, nil, []string{"variable NETHERITE_LIMITS_MEMORY", "64MiB"}},
		{"a variable that is for dev only", "", []string{"NETHERITE_MEMORY=true"}, nil, []string{"NETHERITE_MEMORY", "dev only"}},
		{"a flag's value", "", nil, []string{"--drain", "soon"}, []string{"--drain", "duration"}},
		{"a key without a certificate", "tls:\n  key: k\n", nil, nil, []string{"tls.key", "netherite.yaml:2", "tls.cert"}},
		{"a certificate without a key", "", []string{"NETHERITE_TLS_CERT=c"}, nil, []string{"tls.cert (variable NETHERITE_TLS_CERT)", "tls.key"}},
		{"clients' certificates without TLS", "", nil, []string{"--tls-client-ca", "a"}, []string{"tls.client-ca (flag --tls-client-ca)", "tls.cert"}},
		{"certificates that nobody signs", "certificates: [{name: a, roles: {x: reader}}]\n", nil, nil, []string{"certificates", "tls.client-ca"}},
		{"half of the tokens", "jwt: {issuer: i}\n", nil, nil, []string{"jwt.issuer", "jwt.audience", "jwt.keys-url or jwt.keys-file"}},
		{"a file of tokens' keys alone", "", nil, []string{"--jwt-keys-file", "f"}, []string{"jwt.keys-file (flag --jwt-keys-file)", "jwt.issuer", "jwt.audience"}},
		{"tokens' keys from two places", "jwt: {issuer: i, audience: a, keys-url: 'https://i/keys'}\n", []string{"NETHERITE_JWT_KEYS_FILE=f"}, nil, []string{
			"jwt.keys-url (", "netherite.yaml:1", "jwt.keys-file (variable NETHERITE_JWT_KEYS_FILE)", "leave one of them out"}},
		{"an unknown role", "certificates: [{name: a, roles: {x: king}}]\n", nil, nil, []string{"king"}},
		{"a rule without keep", "retention:\n  rules:\n    - status: Failed\n", nil, nil, []string{"line 3", "keep"}},
		{"a rule of what has not ended", "retention: {rules: [{status: Running, keep: 1d}]}\n", nil, nil, []string{"Running", "Completed"}},
		{"a rule with another key", "retention: {rules: [{state: Failed, keep: 1d}]}\n", nil, nil, []string{"state"}},
		{"a rule with a key that is mistyped", "retention: {rules: [{statuz: Failed, keep: 1d}]}\n", nil, nil, []string{`line 1: there is no key "statuz" here; there is "status"`}},
		{"a rule with a key like no other", "retention: {rules: [{nothing: Failed, keep: 1d}]}\n", nil, nil, []string{`line 1: there is no key "nothing" here: there are hub, keep, name, status`}},
		{"a rule with a key twice", "retention:\n  rules:\n    - keep: 1d\n      keep: 2d\n", nil, nil, []string{`line 4: the key "keep" is there twice`}},
		{"no settings at all", "hub\n", nil, nil, []string{"netherite.yaml:1: here go settings by their keys"}},
		{"a rule with a star amidst a name", "retention: {rules: [{keep: 1d}, {name: [Tour, a*b], keep: 1d}]}\n", nil, nil, []string{"netherite.yaml:1", "a*b", "at the end"}},
		{"too many partitions", "", nil, []string{"--partitions", "257"}, []string{"partitions (flag --partitions)", "1 to 256"}},
		{"too little memory", "limits: {memory: 1MiB}\n", nil, nil, []string{"limits.memory", "netherite.yaml:1"}},
		{"a form of logs", "log: {format: xml}\n", nil, nil, []string{"log.format", "xml"}},
		{"messages too small for payloads", "limits: {message: 1MiB}\n", nil, nil, []string{"limits.message (", "netherite.yaml:1", "limits.payload"}},
		{"nothing kept, which would be the default", "", nil, []string{"--retention-keep", "0s"}, []string{"retention.keep (flag --retention-keep)", "forever"}},
		{"a host with a scheme", "hosts: ['http://x']\n", nil, nil, []string{"hosts (", "http://x", "without scheme"}},
		{"a rule of a hub that none is", "retention: {rules: [{hub: a b, keep: 1d}]}\n", nil, nil, []string{"retention.rules (", "a b"}},
		{"a level of logs", "log: {level: loud}\n", nil, nil, []string{"log.level", "debug"}},
	} {
		_, err := load(t, config.Server, c.file, c.environ, append(slices.Clone(needed), c.args...)...)
		if err == nil {
			t.Errorf("%s: it is accepted", c.name)
			continue
		}
		for _, text := range c.says {
			if !strings.Contains(err.Error(), text) {
				t.Errorf("%s: %v\nhas no %q", c.name, err, text)
			}
		}
	}
}

func TestAServerIsToldWhereItsDataLiesAndWhereItListens(t *testing.T) {
	_, err := load(t, config.Server, "", nil)
	for _, key := range []string{"--data", "--grpc", "--http"} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: %v", key, err)
		}
	}
	if _, err := load(t, config.Server, "", nil, "--data", "d", "--http", "off", "--grpc", ""); err == nil || !strings.Contains(err.Error(), "grpc (flag --grpc): it is empty") {
		t.Errorf("without a listener for workers: %v", err)
	}
	s, err := load(t, config.Dev, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"127.0.0.1:4001", "127.0.0.1:8080", "127.0.0.1:8082", "127.0.0.1:8083"}
	if got := append(s.Config.GRPC, s.Config.HTTP, s.Config.Admin); !slices.Equal(got, want) || s.Config.Data != ".netherite" || !s.Config.OnDemand {
		t.Errorf("dev has %+v", s.Config)
	}
	if _, err := load(t, config.Dev, "", nil, "--memory", "--data", "d"); err == nil || !strings.Contains(err.Error(), "leave one of them out") {
		t.Errorf("in memory and in a directory: %v", err)
	}
	if s, err := load(t, config.Dev, "", nil, "--memory"); err != nil || s.Config.Data != "" {
		t.Errorf("in memory: %+v, %v", s, err)
	}
}

func TestAServerListensWhereItIsToldAndNowhereElse(t *testing.T) {
	s, err := load(t, config.Server, "", nil, "--data", "d", "--grpc", "127.0.0.1:1", "--http", "off")
	if err != nil {
		t.Fatal(err)
	}
	if got := append(s.Config.GRPC, s.Config.HTTP, s.Config.Admin); !slices.Equal(got, []string{"127.0.0.1:1", "", ""}) {
		t.Errorf("it listens at %q", got)
	}
}

// What lies in a file or an environment is not noticed at the next start.
func TestInsecureHasToBeTyped(t *testing.T) {
	for _, c := range []config.Command{config.Server, config.Dev} {
		if s, err := load(t, c, "", nil, append(slices.Clone(needed), "--insecure")...); err != nil || !s.Config.Insecure {
			t.Errorf("typed: %+v, %v", s, err)
		}
		for source, how := range map[string]struct {
			file    string
			environ []string
		}{"netherite.yaml:1": {"insecure: true\n", nil}, "NETHERITE_INSECURE": {"", []string{"NETHERITE_INSECURE=true"}}} {
			_, err := load(t, c, how.file, how.environ, needed...)
			for _, want := range []string{source, "flag only"} {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%v, want %q", err, want)
				}
			}
		}
	}
}

func TestVariablesThatAreForOthersAreLeftAlone(t *testing.T) {
	environ := []string{
		"NETHERITE_API_KEY=nk_x_y", "NETHERITE_SERVER=h:1", "NETHERITE_SWEEP_SEED=4", "NETHERITE_SERVICE_HOST=10.0.0.1", "NETHERITE_SERVICE_PORT_GRPC=4001",
		"NETHERITE_PORT=tcp://10.0.0.1:4001", "NETHERITE_PORT_4001_TCP_ADDR=10.0.0.1", "NETHERITE_HTTP_SERVICE_HOST=10.0.0.2", "NETHERITE_HTTP_PORT_8082_TCP=tcp://10.0.0.2:8082",
	}
	if _, err := load(t, config.Server, "", environ, needed...); err != nil {
		t.Error(err)
	}
	// No setting may be mistaken for one of these.
	for _, s := range config.Table {
		if v := s.Variable(); v != "" && s.Only == "" {
			if _, err := load(t, config.Server, "", []string{v + "=\x00 nonsense"}, needed...); err == nil && s.Kind.String() != "text" && s.Kind.String() != "list" {
				t.Errorf("%s is taken for somebody else's", v)
			}
		}
	}
}

func TestAPortThatSomebodyHasNamedIsNotReplacedByAnother(t *testing.T) {
	for _, c := range []struct {
		command config.Command
		environ []string
		args    []string
		want    string
	}{
		{config.Dev, nil, nil, "[grpc http admin]"},
		{config.Dev, nil, []string{"--grpc", "127.0.0.1:4001"}, "[http admin]"},
		{config.Dev, []string{"NETHERITE_HTTP=127.0.0.1:8082"}, nil, "[grpc admin]"},
		{config.Server, nil, []string{"--data", "d", "--grpc", "127.0.0.1:4001", "--http", "off"}, "[]"},
	} {
		s, err := load(t, c.command, "", c.environ, c.args...)
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(s.Config.OtherPorts); got != c.want {
			t.Errorf("%v %v: other ports for %s, want %s", c.environ, c.args, got, c.want)
		}
	}
}

// FuzzFile: whatever a file says, it is accepted or refused with its name.
func FuzzFile(f *testing.F) {
	f.Add([]byte(everything))
	f.Add([]byte("tls: &a {cert: *a}\n"))
	f.Add([]byte("retention: {rules: [{name: [a, b], keep: 1d}]}"))
	f.Add([]byte("? [a]\n: b\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzztest.Bounded(t, len(b), perByte, func() {
			if len(b) == 0 {
				return
			}
			if _, err := load(t, config.Server, string(b), nil, needed...); err != nil && err.Error() == "" {
				t.Error("an error says nothing")
			}
		})
	})
}
