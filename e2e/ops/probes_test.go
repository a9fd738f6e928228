package ops_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// dial connects to a server's first gRPC address.
func dial(t *testing.T, p *process, o ...grpc.DialOption) wire.TaskHubSidecarServiceClient {
	t.Helper()
	c, err := grpc.NewClient(p.place.GRPC[0], append(o, grpc.WithTransportCredentials(insecure.NewCredentials()))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return wire.NewTaskHubSidecarServiceClient(c)
}

// halfSent begins to start an orchestration, and returns the connection when the
// server has begun to read its input, of which the rest is still to come.
func halfSent(t *testing.T, address string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := fmt.Fprintf(c, "POST /runtime/webhooks/durabletask/orchestrators/Nobody HTTP/1.1\r\nHost: %s\r\n"+
		"Content-Type: application/json\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n", address); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(io.LimitReader(c, int64(len("HTTP/1.1 100 Continue\r\n\r\n")))).ReadString('\n')
	if err != nil || !strings.Contains(line, "100 Continue") {
		t.Fatalf("%q, %v", line, err)
	}
	if _, err := c.Write([]byte(`"o`)); err != nil {
		t.Fatal(err)
	}
	return c
}

// until asks again until the answer is as wanted.
func until(t *testing.T, url string, want int) string {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	end := time.After(limit)
	for {
		code, text := ask(t, "GET", url, "")
		if code == want {
			return text
		}
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s answers %d, want %d", url, code, want)
		}
	}
}

func TestTheReadyFileAndTheProbesSayThatAServerIsReadyAndWhenItDrains(t *testing.T) {
	p := start(t, append([]string{"dev", "--data", filepath.Join(t.TempDir(), "data"), "--drain", "20s"}, loopback...)...)
	if p.place.PID != p.cmd.Process.Pid || len(p.place.GRPC) != 1 || p.place.Admin == "" || !filepath.IsAbs(p.place.Data) {
		t.Errorf("the ready file says %+v", p.place)
	}
	web := "http://" + p.place.HTTP
	if code, text := ask(t, "GET", web+"/readyz", ""); code != 200 || strings.TrimSpace(text) != `{"status":"ready"}` {
		t.Errorf("readyz answers %d %s", code, text)
	}
	under := halfSent(t, p.place.HTTP)
	p.signal(syscall.SIGTERM, "stopping")
	until(t, web+"/readyz", 503)
	if code, _ := ask(t, "GET", web+"/healthz", ""); code != 200 {
		t.Errorf("while it drains healthz answers %d", code)
	}
	if code, text := ask(t, "GET", web+"/runtime/webhooks/durabletask/instances", ""); code != 503 {
		t.Errorf("while it drains the API answers %d %s", code, text)
	}
	if _, err := os.Stat(p.ready); !os.IsNotExist(err) {
		t.Errorf("while it drains the ready file is there: %v", err)
	}
	if _, err := under.Write([]byte(`ne two"`)); err != nil {
		t.Fatal(err)
	}
	if answer, err := http.ReadResponse(bufio.NewReader(under), nil); err != nil {
		t.Errorf("what was under way has no answer: %v, %v", answer, err)
	}
	if code := p.end(); code != 0 {
		t.Errorf("after SIGTERM it ends with %d", code)
	}
}

func TestAHubThatCannotBeOpenedKeepsTheServerFromBeingReadyAndNoOtherHubDown(t *testing.T) {
	data := t.TempDir()
	must(t, "hub", "create", "held", "--data", data)
	must(t, "hub", "create", "free", "--data", data)
	lock, err := dirlock.Acquire(filepath.Join(data, "hubs", "held"))
	if err != nil {
		t.Fatal(err)
	}
	p := start(t, append([]string{"server", "--data", data}, loopback...)...)
	// Nobody has written the ready file, but the announcement says where it is.
	web := ""
	for _, line := range p.out {
		if rest, ok := strings.CutPrefix(line, "probes:"); ok {
			web, _, _ = strings.Cut(strings.TrimSpace(rest), "/readyz")
		}
	}
	if code, text := ask(t, "GET", web+"/readyz", ""); code != 503 || strings.Contains(text, "held") {
		t.Errorf("readyz answers %d %s", code, text)
	}
	api := web + "/runtime/webhooks/durabletask/instances?taskHub="
	if code, text := ask(t, "GET", api+"free", ""); code != 200 {
		t.Errorf("the other hub answers %d %s", code, text)
	}
	if code, text := ask(t, "GET", api+"held", ""); code != 503 {
		t.Errorf("the hub that is held answers %d %s", code, text)
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
	until(t, web+"/readyz", 200)
	if code, text := ask(t, "GET", api+"held", ""); code != 200 {
		t.Errorf("the hub that is free again answers %d %s", code, text)
	}
	b, err := os.ReadFile(p.ready)
	if err != nil || json.Unmarshal(b, &p.place) != nil || "http://"+p.place.HTTP != web {
		t.Errorf("the ready file says %s, %v", b, err)
	}
}

// TestWhatAKilledServerLeavesBehindIsBelievedByNobody: a ready file survives SIGKILL.
func TestWhatAKilledServerLeavesBehindIsBelievedByNobody(t *testing.T) {
	data, ready := t.TempDir(), filepath.Join(t.TempDir(), "ready")
	must(t, "hub", "create", "held", "--data", data)
	args := append([]string{"server", "--data", data, "--ready-file", ready}, loopback...)
	serve := func() *process {
		p := &process{t: t, ready: ready, cmd: exec.Command(sdktest.Binary(t), args...)}
		p.run()
		return p
	}
	there := func() bool { _, err := os.Stat(ready); return err == nil }
	kill := func(p *process) {
		t.Helper()
		p.signal(syscall.SIGKILL, "")
		p.end()
		if !there() {
			t.Fatal("the server was killed, and its ready file is gone: there is nothing to test")
		}
	}

	p := serve()
	if _, errs, code := command(t, args...); code != 4 || !there() {
		t.Errorf("a second server ends with %d, %s; the file of the first is there: %t", code, errs, there())
	}
	kill(p)
	for name, refused := range map[string][]string{
		"a certificate that there is not": {"--tls-cert", "none", "--tls-key", "none"},
		"a listener for everybody":        {"--grpc", "0.0.0.0:0"},
	} {
		if _, errs, code := command(t, append(args, refused...)...); code != 2 || there() {
			t.Errorf("%s: exit code %d, %s; the file is there: %t", name, code, errs, there())
		}
		kill(serve())
	}
	lock, err := dirlock.Acquire(filepath.Join(data, "hubs", "held"))
	if err != nil {
		t.Fatal(err)
	}
	serve() // and it is not ready
	if there() {
		t.Error("the server is not ready, but its ready file is there")
	}
	if err := lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestSettingsThatAreRefusedAreUsageErrorsWhetherCheckedOrServed(t *testing.T) {
	dir := t.TempDir()
	for _, refused := range [][]string{{"--grpc", "0.0.0.0:0"}, {"--tls-cert", "none", "--tls-key", "none"}, {"--keys-file", "none"}, {"--hub", "a/b"}} {
		args := append(append([]string{"server", "--data", filepath.Join(dir, "data")}, loopback...), refused...)
		_, served, code := command(t, args...)
		_, checked, checkedCode := command(t, append(args, "--check-config")...)
		if code != 2 || checkedCode != 2 || served != checked {
			t.Errorf("%v: served, exit code %d: %schecked, exit code %d: %s", refused, code, served, checkedCode, checked)
		}
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}
