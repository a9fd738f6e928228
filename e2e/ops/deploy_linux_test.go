package ops_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"google.golang.org/grpc/metadata"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
)

const deploy = "../../deploy"

func readDeploy(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(deploy, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// TestTheImagesBinaryRunsInAnEmptyRoot builds the command as the Dockerfile does
// and runs it where there is nothing else, as on the empty image.
func TestTheImagesBinaryRunsInAnEmptyRoot(t *testing.T) {
	build := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .* -o )/netherite( \./cmd/netherite)$`).FindStringSubmatch(readDeploy(t, "Dockerfile"))
	if build == nil {
		t.Fatal("the Dockerfile does not build the command")
	}
	root := t.TempDir()
	cmd := exec.Command("sh", "-c", build[1]+filepath.Join(root, "netherite")+build[2])
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "VERSION=v1.2.3-image")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd, err, out)
	}
	if out, err := exec.Command(filepath.Join(root, "netherite"), "version").CombinedOutput(); err != nil || string(out) != "v1.2.3-image\n" {
		t.Errorf("its version is %q, %v", out, err)
	}
	if err := os.Mkdir(filepath.Join(root, "data"), 0o700); err != nil {
		t.Fatal(err)
	}
	how := &syscall.SysProcAttr{Chroot: root}
	if id := os.Getuid(); id != 0 { // others may change the root in a name space of their own
		how.Cloneflags = syscall.CLONE_NEWUSER
		how.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: id, Size: 1}}
	}
	p := &process{t: t, ready: filepath.Join(root, "ready")}
	p.cmd = &exec.Cmd{
		Path: "/netherite", Args: append([]string{"/netherite", "server", "--ready-file", "/ready"}, loopback...), Dir: "/",
		Env: []string{"NETHERITE_DATA=/data", "NETHERITE_CREATE_HUBS=true"}, SysProcAttr: how,
	}
	p.run()
	if err := json.Unmarshal([]byte(readFile(t, p.ready)), &p.place); err != nil {
		t.Fatal(err)
	}
	if code, text := ask(t, "POST", "http://"+p.place.HTTP+"/runtime/webhooks/durabletask/orchestrators/Nobody/i", "1"); code != 202 {
		t.Errorf("start answers %d %s", code, text)
	}
	p.signal(syscall.SIGTERM, "")
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// exposure is the most that systemd may find exposed by the unit, of 10.
const exposure = 1.2

func TestTheUnitIsValidAndHardened(t *testing.T) {
	unit := filepath.Join(t.TempDir(), "netherite.service")
	text := readDeploy(t, "netherite.service")
	there := strings.ReplaceAll(text, "/usr/local/bin/netherite", sdktest.Binary(t))
	if there == text {
		t.Fatal("the unit does not start the command")
	}
	if err := os.WriteFile(unit, []byte(there), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("systemd-analyze", "verify", unit).CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	out, err := exec.Command("systemd-analyze", "security", "--offline=true", unit).CombinedOutput()
	if err != nil {
		t.Fatalf("systemd-analyze security: %v\n%s", err, out)
	}
	m := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindSubmatch(out)
	if m == nil {
		t.Fatalf("systemd-analyze prints no level:\n%s", out)
	}
	if level, err := strconv.ParseFloat(string(m[1]), 64); err != nil || level > exposure {
		t.Errorf("the exposure is %s, want at most %v\n%s", m[1], exposure, out)
	}
}

// TestTheUnitIsStartedAgainForAsLongAsItTakes: by default systemd gives a unit up that
// has failed five times within 10 s.
func TestTheUnitIsStartedAgainForAsLongAsItTakes(t *testing.T) {
	section := ""
	for line := range strings.Lines(readDeploy(t, "netherite.service")) {
		switch line = strings.TrimSpace(line); {
		case strings.HasPrefix(line, "["):
			section = line
		case line == "StartLimitIntervalSec=0" && section == "[Unit]":
			return
		}
	}
	t.Error("no StartLimitIntervalSec=0 in the section [Unit]")
}

func TestTheFilesOfSettingsAreAccepted(t *testing.T) {
	dir := t.TempDir()
	cert, key := selfSigned(t, dir)
	must(t, "key", "create", "ops", "--role", "*=admin", "--keys-file", filepath.Join(dir, "keys.yaml"))
	_, errs, code := command(t, "server", "--config", filepath.Join(deploy, "netherite.yaml"), "--data", filepath.Join(dir, "data"), "--check-config",
		"--tls-cert", cert, "--tls-key", key, "--keys-file", filepath.Join(dir, "keys.yaml"))
	if code != 0 {
		t.Errorf("netherite.yaml is refused: %s", errs)
	}
}

// TestEveryMetricOfTheDashboardIsThere: a panel of a figure that there is not stays
// empty for ever, which looks like good news.
func TestEveryMetricOfTheDashboardIsThere(t *testing.T) {
	p := start(t, append([]string{"dev", "--memory"}, loopback...)...)
	c := dial(t, p)
	ctx := metadata.AppendToOutgoingContext(t.Context(), "taskhub", "default")
	if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "Nobody"}); err != nil {
		t.Fatal(err)
	}
	s, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Recv(); err != nil {
		t.Fatal(err)
	}
	// A second stream is one that has ended.
	refused, err := c.StreamInstanceHistory(ctx, &wire.StreamInstanceHistoryRequest{InstanceId: "none"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := refused.Recv(); err == nil {
		t.Fatal("an instance that there is not has a history")
	}
	ask(t, "GET", "http://"+p.place.HTTP+"/runtime/webhooks/durabletask/instances", "")
	_, figures := ask(t, "GET", "http://"+p.place.Admin+"/metrics", "")
	there := map[string]bool{}
	for line := range strings.Lines(figures) {
		if name := regexp.MustCompile(`^[a-z_0-9]+`).FindString(line); name != "" {
			there[name] = true
		}
	}
	named := regexp.MustCompile(`\b(netherite|go|process)_[a-z_0-9]+`).FindAllString(readDeploy(t, "grafana-dashboard.json"), -1)
	if len(named) < 30 {
		t.Fatalf("the dashboard names %d metrics", len(named))
	}
	for _, name := range named {
		if !there[name] {
			t.Errorf("the dashboard shows %s, which /metrics does not have", name)
		}
	}
	if !json.Valid([]byte(readDeploy(t, "grafana-dashboard.json"))) {
		t.Error("the dashboard is no JSON")
	}
}
