package main

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/remote"
	"github.com/netherite-go/netherite/server"
	"google.golang.org/grpc"
)

// noContexts keeps a test away from the contexts of who runs it.
func noContexts(t *testing.T) {
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
	for _, name := range []string{"NETHERITE_SERVER", "NETHERITE_CONTEXT", "NETHERITE_API_KEY", "NETHERITE_API_KEY_FILE", "NETHERITE_TLS_CA"} {
		t.Setenv(name, "")
	}
}

// serving starts a server in memory with a worker for the test hubs' code.
func serving(t *testing.T, c server.Config) (*server.Server, *remote.Hub) {
	t.Helper()
	s := serverOf(t, c)
	hub, err := remote.Dial(s.Place().GRPC[0], netherite.Serve(handlers...), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = hub.Close(ctx)
	})
	return s, hub
}

// serverOf is a server without a worker.
func serverOf(t *testing.T, c server.Config) *server.Server {
	t.Helper()
	c.GRPC, c.HTTP, c.Hub, c.OnDemand = []string{"127.0.0.1:0"}, "127.0.0.1:0", "default", true
	s, err := server.Start(c, quietLogger)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_ = s.Stop(ctx) // cut short, which it says
	})
	return s
}

// commandLine runs one.
func commandLine(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs strings.Builder
	code = run(t.Context(), args, &out, &errs)
	return out.String(), errs.String(), code
}

var masks = []struct {
	of *regexp.Regexp
	by string
}{
	{regexp.MustCompile(`\d{4}-\d\d-\d\dT[0-9:.]+Z?`), "TIME"}, {regexp.MustCompile(`[0-9a-f]{32}`), "HEX"}, {regexp.MustCompile(` +`), " "},
	{regexp.MustCompile(`─+`), "─"}, {regexp.MustCompile(`"(stack|historyBytes)": .*`), "$1"}, {regexp.MustCompile(`events, \d+ bytes`), "events"},
}

func masked(text string) string {
	for _, m := range masks {
		text = m.of.ReplaceAllString(text, m.by)
	}
	return text
}

func TestVerbsSayTheSameOfAServersHubAsOfADirectorys(t *testing.T) {
	noContexts(t)
	s, far := serving(t, server.Config{})
	dir := t.TempDir()
	near, err := netherite.Open(dir, netherite.Serve(handlers...), netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = closeHub(near) }()
	both := func(line string) {
		t.Helper()
		args := strings.Fields(line)
		here, errHere, codeHere := commandLine(t, append(args, "--dir", dir)...)
		there, errThere, codeThere := commandLine(t, append(args, "--server", s.Place().GRPC[0])...)
		if masked(here) != masked(there) || codeHere != codeThere {
			t.Errorf("%s\nof a directory: exit code %d %s\n%s\nof a server: exit code %d %s\n%s", line, codeHere, errHere, here, codeThere, errThere, there)
		}
	}
	// asks waits until the instance waits for its event, as its step may be under way.
	asks := func(id string) {
		t.Helper()
		for _, c := range []engine.Client{near.Engine(), far.Engine()} {
			for {
				i, err := c.Get(t.Context(), id, engine.GetOptions{Waits: true})
				if err != nil {
					t.Fatal(err)
				}
				if w := i.Waits; w != nil && w.Messages == 0 && !w.InFlight && len(w.Events) == 1 {
					break
				}
			}
		}
	}
	for _, line := range []string{
		`instance start Greets --id g --input "Ada" --version-tag 2 --tag k=v`, `instance wait g`, `instance show g`, `instance show g -o json`, `instance show g -o yaml`,
		`instance history g -o json`, `instance start Breaks --id b`, `instance wait b -o json`, `instance start Asks --id a`,
	} {
		both(line)
	}
	asks("a")
	for _, line := range []string{
		`instance show a -o json`, `instance suspend a --reason r`, `instance show a`, `instance resume a`, `instance start Asks --id a`,
		`instance list`, `instance list -o json --status Failed`, `instance list --tag k=v`, `instance list --name Asks --prefix a`, `instance list --status x`,
		`instance raise a Release --data "x"`, `instance wait a`, `instance tail a -o json`, `instance history a`,
		`instance show missing`, `instance raise missing E`, `instance suspend g`, `instance rewind g`, `instance terminate g`, `instance purge missing`, `instance retry g`,
		`instance rewind b --reason again`, `instance wait b`, `instance restart g --same-id`, `instance wait g -o json`,
		`instance start Asks --id c`, "asks c", `instance terminate c --output "bye"`, `instance show c -o json`, `instance terminate --query prefix=c --dry-run`,
		`entity signal Account x Add --data 5`, `entity signal Account bad@key`, `entity get nothing x`, `instance show @account`,
		`instance purge g`, `instance show g`, `instance purge --status Failed`, `instance purge --all`, `instance list -o json`, `instance start Greets --id bad/id`,
	} {
		if id, ok := strings.CutPrefix(line, "asks "); ok {
			asks(id)
			continue
		}
		both(line)
	}
	for _, c := range []engine.Client{near.Engine(), far.Engine()} {
		if _, err := c.Get(t.Context(), "@account@x", engine.GetOptions{Fresh: true}); err != nil {
			t.Fatal(err)
		}
	}
	both(`entity get Account x -o json`)
	both(`entity list`)
	both(`entity list --prefix @account -o json`)
}

func TestAServersInstanceIsFollowedByItsHTTPAPI(t *testing.T) {
	followed(t, func(p server.Place) []string { return []string{"--http", "http://" + p.HTTP, "--interval", "1h"} })
}

func TestAServersInstanceIsFollowedWithoutItsHTTPAPI(t *testing.T) {
	followed(t, func(server.Place) []string { return []string{"--interval", "10ms"} })
}

// followed holds that what happens to an instance of a server is seen by tail.
func followed(t *testing.T, flags func(server.Place) []string) {
	t.Helper()
	noContexts(t)
	s, hub := serving(t, server.Config{})
	if _, err := hub.Engine().Start(t.Context(), engine.StartRequest{Instance: "x", Name: "Asks", Input: []byte(`""`)}); err != nil {
		t.Fatal(err)
	}
	done := make(chan string, 1)
	first := &firstLine{seen: make(chan struct{})}
	go func() {
		var errs strings.Builder
		run(t.Context(), append([]string{"instance", "tail", "x", "--server", s.Place().GRPC[0]}, flags(s.Place())...), first, &errs)
		done <- errs.String()
	}()
	<-first.seen
	if err := hub.Engine().Raise(t.Context(), engine.RaiseRequest{Instance: "x", Event: "Release", Payload: []byte(`"go"`)}); err != nil {
		t.Fatal(err)
	}
	if errs := <-done; errs != "" || !strings.Contains(first.String(), `Completed  "go"`) {
		t.Errorf("%s\n%s", errs, first.String())
	}
}

// firstLine is an output that tells when it has something.
type firstLine struct {
	strings.Builder
	seen chan struct{}
}

func (f *firstLine) Write(p []byte) (int, error) {
	if f.Len() == 0 {
		defer close(f.seen)
	}
	return f.Builder.Write(p)
}

func TestContextsStandForServers(t *testing.T) {
	noContexts(t)
	s, hub := serving(t, server.Config{})
	if _, err := hub.Engine().Start(t.Context(), engine.StartRequest{Instance: "there", Name: "Asks", Input: []byte(`""`)}); err != nil {
		t.Fatal(err)
	}
	at := s.Place().GRPC[0]
	dir := filepath.Join(t.TempDir(), "none")
	for _, c := range []struct {
		line string
		code int
		want string // regular expression of stdout, or of stderr if the code is not 0
	}{
		{"context list", 0, `NAME`}, {"context add here --server " + at, 0, ``}, {"instance list", 0, `there`}, {"instance show there", 0, `Asks`},
		{"instance list --dir " + dir, 3, `no task hub`}, {"context add other --server 127.0.0.1:1 --hub h", 0, ``},
		{"context list -o json", 0, `"current": "here"`}, {"context use other", 0, ``}, {"instance list --timeout 300ms", 4, `127.0.0.1:1`},
		{"instance list --context here", 0, `there`}, {"instance list --context nowhere", 3, `no context "nowhere"`}, {"context use nowhere", 3, `nowhere`},
		{"instance list --server " + at, 0, `there`}, {"instance list --server " + at + " --dir x", 2, `leave one`}, {"instance list --context here --dir x", 2, `leave --server`},
		{"instance list --server " + at + " --hub new", 3, `no such task hub`}, {"context list", 0, `\*.*other.*127.0.0.1:1.*h`}, {"context use local", 0, ``},
		{"instance list --hub x --dir " + dir, 3, `or a server with --server`}, {"context add other --server 127.0.0.1:1 --hub h", 0, ``}, {"context add other --server " + at, 2, `already, of 127.0.0.1:1.*--replace`},
		{"context add other --server " + at + " --replace", 0, ``}, {"instance list --context other", 0, `there`}, {"context list -o yaml", 0, `current: "local"`},
		{"context remove other", 0, ``}, {"context remove other", 3, `other`}, {"context remove local", 2, `local`},
		{"context add local --server x:1", 2, `local`}, {"context add x", 2, `--server is missing`}, {"context add x --server h:1 --tls-ca f", 2, `certificates need TLS`},
		{"__complete instance show --context here th", 0, `^there\s`}, {"__complete context use h", 0, `here`}, {"instance list --server " + at + " --tls-ca f", 2, `need TLS`},
	} {
		out, errs, code := commandLine(t, strings.Fields(c.line)...)
		text := out
		if c.code != 0 {
			text = errs
		}
		if code != c.code || !regexp.MustCompile(`(?im)`+c.want).MatchString(text) {
			t.Errorf("%s: exit code %d\n%s%s\nwant %d and %s", c.line, code, out, errs, c.code, c.want)
		}
	}
	path := filepath.Join(os.Getenv("XDG_CONFIG_HOME"), "netherite", "contexts.json")
	if i, err := os.Stat(path); err != nil || i.Mode().Perm() != 0o600 {
		t.Errorf("the file of contexts: %v, %v", i, err)
	}
	if err := os.WriteFile(path, []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, errs, code := commandLine(t, "instance", "list"); code != exitFailed || !strings.Contains(errs, path) {
		t.Errorf("a broken file of contexts: exit code %d, %s", code, errs)
	}
}

func TestHubVerbsGoWhereInstanceVerbsGo(t *testing.T) {
	noContexts(t)
	s, _ := serving(t, server.Config{})
	at, data := s.Place().GRPC[0], t.TempDir()
	for _, c := range []struct {
		line, env string // of NETHERITE_CONTEXT
		code      int
		want      string // regular expression of stdout, or of stderr if the code is not 0
	}{
		{"hub list", "", 2, `--server HOST:PORT, or --context NAME`},
		{"context add here --server " + at + " --hub default", "", 0, ``},
		{"context add other --server 127.0.0.1:1", "", 0, ``},
		{"hub create orders", "", 0, `"orders" is there, made now`},
		{"hub create orders", "", 0, `"orders" is there, and was before`},
		{"hub list", "", 0, `^default\norders$`},
		{"hub list -o json", "", 0, `"orders"`},
		{"hub list -o yaml", "", 0, `^hubs:\n  - "default"\n  - "orders"$`},
		{"hub list -o xml", "", 2, `table, json or yaml`},
		{"hub list --timeout 300ms", "other", 4, `127.0.0.1:1`},
		{"hub list --context here", "other", 0, `orders`},
		{"hub list", "nowhere", 3, `no context "nowhere"`},
		{"hub list", "local", 2, `name a server`},
		{"hub list --context other --server " + at, "", 2, `leave --server and --data out`},
		{"hub list --context here --data " + data, "", 2, `leave --server and --data out`},
		{"hub list --server " + at + " --data " + data, "", 2, `leave one of them out`},
		{"hub create near --data " + data, "", 0, `near`},
		{"hub list --data " + data, "", 0, `^near$`},
		{"hub list --data " + data + " --tls-ca f", "", 2, `--tls-ca is about a server`},
		{"hub delete orders --yes", "", 0, `"orders" is deleted`},
	} {
		t.Setenv("NETHERITE_CONTEXT", c.env)
		out, errs, code := commandLine(t, strings.Fields(c.line)...)
		text := out
		if c.code != 0 {
			text = errs
		}
		if code != c.code || !regexp.MustCompile(`(?m)`+c.want).MatchString(text) {
			t.Errorf("%s %s: exit code %d\n%s%s\nwant %d and %s", c.env, c.line, code, out, errs, c.code, c.want)
		}
	}
}

func TestAProgramThatServesAHubOfItsOwnListsNoTaskHubsAndIsSaidToBeOne(t *testing.T) {
	noContexts(t)
	hub, err := netherite.Open(filepath.Join(t.TempDir(), "hub"))
	if err != nil {
		t.Fatal(err)
	}
	at, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	g := grpc.NewServer()
	service := durabletask.Register(g, hub)
	go g.Serve(at)
	defer func() {
		service.Close()
		g.GracefulStop()
		if err := hub.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	server := at.Addr().String()
	if _, errs, code := commandLine(t, "instance", "list", "--server", server); code != 0 {
		t.Fatalf("instance list: exit code %d: %s", code, errs)
	}
	_, errs, code := commandLine(t, "hub", "list", "--server", server)
	if code != exitFailed || !strings.Contains(errs, server) || !strings.Contains(errs, "a program that serves a hub of its own") {
		t.Errorf("hub list: exit code %d: %s", code, errs)
	}
}

func TestKeysAreListedForProgramsToo(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	if _, errs, code := commandLine(t, "key", "create", "ops", "--role", "*=admin", "--role", "orders=client", "--keys-file", file); code != 0 {
		t.Fatal(errs)
	}
	for format, want := range map[string]string{
		"table": "ops\t1\t*=admin orders=client\n",
		"json":  "{\n  \"keys\": [\n    {\n      \"name\": \"ops\",\n      \"secrets\": 1,\n      \"roles\": {\n        \"*\": \"admin\",\n        \"orders\": \"client\"\n      }\n    }\n  ]\n}\n",
		"yaml":  "keys:\n  - name: \"ops\"\n    secrets: 1\n    roles:\n      \"*\": \"admin\"\n      orders: \"client\"\n",
	} {
		if out, errs, code := commandLine(t, "key", "list", "-o", format, "--keys-file", file); code != 0 || out != want {
			t.Errorf("%s: exit code %d %s\n%s\nwant\n%s", format, code, errs, out, want)
		}
	}
}
