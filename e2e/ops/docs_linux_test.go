package ops_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// commandsOf are the command lines of a page, in the pieces between lines that say
// sh.
func commandsOf(t *testing.T, page string) (pieces [][]string) {
	t.Helper()
	for i, part := range strings.Split(readFile(t, page), "\n```") {
		if text, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			pieces = append(pieces, strings.Split(text, "\n"))
		}
	}
	return pieces
}

// settingsFor puts a file of deploy into a directory that stands for /etc/netherite,
// with listeners that nobody else reaches.
func settingsFor(t *testing.T, etc string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(etc, "tls"), 0o700); err != nil {
		t.Fatal(err)
	}
	cert, key := selfSigned(t, t.TempDir())
	text := strings.ReplaceAll(readDeploy(t, "netherite.yaml"), "/etc/netherite", etc)
	text = regexp.MustCompile(`\b0\.0\.0\.0:\d+`).ReplaceAllString(text, "127.0.0.1:0")
	for name, content := range map[string]string{"netherite.yaml": text, "tls/server.pem": readFile(t, cert), "tls/server.key": readFile(t, key)} {
		if err := os.WriteFile(filepath.Join(etc, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestTheCommandsOfTheOperatingPageWorkOnANewMachine runs them as they stand there,
// with directories of its own.
func TestTheCommandsOfTheOperatingPageWorkOnANewMachine(t *testing.T) {
	root := t.TempDir()
	etc, data := filepath.Join(root, "etc"), filepath.Join(root, "data")
	settingsFor(t, etc)
	var p *process
	const reload = "systemctl reload netherite"
	shell := func(line string) *exec.Cmd {
		line = strings.NewReplacer("/etc/netherite", etc, "/var/lib/netherite", data).Replace(line)
		if p != nil {
			line = strings.ReplaceAll(line, reload, "kill -HUP "+strconv.Itoa(p.cmd.Process.Pid)) // as the unit does
		}
		cmd := exec.Command("sh", "-e", "-c", line)
		cmd.Env = append(os.Environ(), "PATH="+filepath.Dir(sdktest.Binary(t))+":"+os.Getenv("PATH"))
		return cmd
	}
	pieces := commandsOf(t, "../../docs/operating.md")
	if len(pieces) != 3 {
		t.Fatalf("the page has %d pieces of commands, want 3", len(pieces))
	}
	var secret string
	for _, line := range slices.Concat(pieces...) {
		if strings.HasPrefix(line, "netherite server") && !strings.Contains(line, "--check-config") {
			p = &process{t: t, cmd: shell("exec " + line)}
			p.run()
			continue
		}
		reads := strings.Contains(line, reload)
		var again <-chan struct{}
		if reads {
			again = p.logged("read again")
		}
		cmd := shell(line)
		var errs strings.Builder
		cmd.Stderr = &errs
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s%s", line, err, out, errs.String())
		}
		if reads {
			wait(t, again, "word that the keys were read again")
		}
		if strings.HasPrefix(string(out), "nk_") {
			secret = strings.TrimSpace(string(out))
		}
	}
	if out, err := shell("netherite inspect --verify /var/lib/netherite-backup/orders").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "ok: backup=1") {
		t.Errorf("the backup that the page makes is %s, %v", out, err)
	}
	if unit := readDeploy(t, "netherite.service"); !strings.Contains(unit, "\nStateDirectory=netherite netherite-backup\n") {
		t.Errorf("the unit has no place for the backup of the page:\n%s", unit)
	}
	list := shell("exec netherite hub list --tls-ca /etc/netherite/tls/server.pem --server " + grpcOf(t, p))
	list.Env = append(list.Env, "NETHERITE_API_KEY="+secret)
	if out, err := list.CombinedOutput(); err != nil || strings.TrimSpace(string(out)) != "orders" {
		t.Errorf("the server that the page makes has %q, %v", out, err)
	}
}

// composed is what the file for Docker Compose says of the server.
type composed struct {
	Command     []string          `yaml:"command"`
	Environment map[string]string `yaml:"environment"`
	Volumes     []string          `yaml:"volumes"`
	Ports       []string          `yaml:"ports"`
	Grace       time.Duration     `yaml:"stop_grace_period"`
}

// TestTheServerOfTheComposeFileTakesCallsFromNothing runs it as the file says, with
// an empty directory of data: a program must not have to be told first that task hubs
// are made by somebody.
func TestTheServerOfTheComposeFileTakesCallsFromNothing(t *testing.T) {
	var file struct{ Services struct{ Netherite composed } }
	if err := yaml.Unmarshal([]byte(readDeploy(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	c := file.Services.Netherite
	if drain := 10 * time.Second; c.Grace < 2*drain {
		t.Errorf("it may take %v to stop, which is not much more than the %v that work under way has", c.Grace, drain)
	}
	etc, data := filepath.Join(t.TempDir(), "etc"), t.TempDir()
	settingsFor(t, etc)
	keys := strings.ReplaceAll(c.Environment["NETHERITE_KEYS_FILE"], "/etc/netherite", etc)
	if err := os.Mkdir(filepath.Dir(keys), 0o700); err != nil {
		t.Fatal(err)
	}
	secret := strings.TrimSpace(must(t, "key", "create", "shop", "--role", "*=worker", "--keys-file", keys))
	p := &process{t: t, cmd: exec.Command(sdktest.Binary(t))}
	for _, arg := range c.Command {
		p.cmd.Args = append(p.cmd.Args, strings.ReplaceAll(arg, "/etc/netherite", etc))
	}
	p.cmd.Env = append(os.Environ(), "NETHERITE_DATA="+data)
	for name, value := range c.Environment {
		p.cmd.Env = append(p.cmd.Env, name+"="+strings.ReplaceAll(value, "/etc/netherite", etc))
	}
	p.run()
	for _, hub := range []string{"default", "orders"} {
		cmd := exec.Command(sdktest.Binary(t), "instance", "start", "Nobody", "--id", "i", "--hub", hub, "--server", grpcOf(t, p), "--tls-ca", filepath.Join(etc, "tls", "server.pem"))
		cmd.Env = append(os.Environ(), "NETHERITE_API_KEY="+secret)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("task hub %s: %v\n%s", hub, err, out)
		}
	}
}

// TestTheComposeFileMountsDirectoriesOfWhatIsReadAgain: a container to which a file
// alone is given goes on seeing the one in whose place another was put.
func TestTheComposeFileMountsDirectoriesOfWhatIsReadAgain(t *testing.T) {
	var file struct{ Services struct{ Netherite composed } }
	if err := yaml.Unmarshal([]byte(readDeploy(t, "compose.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	var settings struct {
		TLS struct{ Cert, Key string }
	}
	if err := yaml.Unmarshal([]byte(readDeploy(t, "netherite.yaml")), &settings); err != nil {
		t.Fatal(err)
	}
	c, mounted := file.Services.Netherite, map[string]bool{}
	for _, v := range c.Volumes {
		mounted[strings.Split(v, ":")[1]] = true
	}
	for _, path := range []string{c.Environment["NETHERITE_KEYS_FILE"], settings.TLS.Cert, settings.TLS.Key} {
		if mounted[path] || !mounted[filepath.Dir(path)] {
			t.Errorf("%q is not in a directory that is mounted: %q", path, c.Volumes)
		}
	}
}

// grpcOf is the first gRPC address that a server has announced.
func grpcOf(t *testing.T, p *process) string {
	t.Helper()
	for _, line := range p.out {
		if at, ok := strings.CutPrefix(line, "gRPC:"); ok {
			return strings.TrimSpace(at)
		}
	}
	t.Fatalf("it announces no gRPC address: %q", p.out)
	return ""
}
