package ops_test

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

func hubs(t *testing.T, args ...string) []string {
	t.Helper()
	var list struct{ Hubs []string }
	out := must(t, append([]string{"hub", "list", "-o", "json"}, args...)...)
	if err := json.Unmarshal([]byte(out), &list); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return list.Hubs
}

func TestTaskHubsAreMadeAndDeletedOnAServerAndInADirectoryThatNobodyServes(t *testing.T) {
	data := t.TempDir()
	must(t, "hub", "create", "orders", "--data", data, "--partitions", "2")
	p := start(t, append([]string{"server", "--data", data}, loopback...)...)
	to := []string{"--server", p.place.GRPC[0]}
	must(t, append([]string{"hub", "create", "billing"}, to...)...)
	if got := hubs(t, to...); !slices.Equal(got, []string{"billing", "orders"}) {
		t.Errorf("the server has %q", got)
	}
	api := "http://" + p.place.HTTP + "/runtime/webhooks/durabletask/instances?taskHub="
	for hub, want := range map[string]int{"billing": 200, "orders": 200, "none": 404} {
		if code, text := ask(t, "GET", api+hub, ""); code != want {
			t.Errorf("hub %s answers %d %s, want %d", hub, code, text, want)
		}
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{append([]string{"hub", "delete", "billing"}, to...), 2, "--yes"},
		{append([]string{"hub", "delete", "none", "--yes"}, to...), 3, "none"},
		{append([]string{"hub", "create", "../x"}, to...), 2, "no name of a task hub"},
		{[]string{"hub", "list", "--data", data}, 4, "held"},
		{[]string{"hub", "list"}, 2, "--server"},
		{[]string{"hub", "list", "--server", "127.0.0.1:1"}, 4, "does not answer"},
	} {
		if _, errs, code := command(t, c.args...); code != c.code || !strings.Contains(errs, c.says) {
			t.Errorf("%v ends with %d: %s, want %d and %s", c.args, code, errs, c.code, c.says)
		}
	}
	must(t, append([]string{"hub", "delete", "billing", "--yes"}, to...)...)
	if code, text := ask(t, "GET", api+"billing", ""); code != 404 {
		t.Errorf("the hub that was deleted answers %d %s", code, text)
	}
	p.signal(syscall.SIGTERM, "")
	if code := p.end(); code != 0 {
		t.Errorf("the server ends with %d", code)
	}
	if got := hubs(t, "--data", data); !slices.Equal(got, []string{"orders"}) {
		t.Errorf("the directory has %q", got)
	}
	must(t, "hub", "delete", "orders", "--data", data, "--yes")
	if left, err := os.ReadDir(filepath.Join(data, "hubs")); err != nil || len(left) != 0 {
		t.Errorf("left over: %v, %v", left, err)
	}
}

func TestAServerMakesNothingThatNobodyAskedFor(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, append([]string{"server", "--data", data}, loopback...)...)
	if code, text := ask(t, "GET", "http://"+p.place.HTTP+"/runtime/webhooks/durabletask/instances", ""); code != 404 {
		t.Errorf("the default hub answers %d %s", code, text)
	}
	if found, _ := filepath.Glob(filepath.Join(data, "hubs", "*")); len(found) != 0 {
		t.Errorf("there are %v", found)
	}
	for _, args := range [][]string{
		{"server"}, {"server", "--data", filepath.Join(data, "none", "below")}, append([]string{"server"}, loopback...),
	} {
		if _, errs, code := command(t, args...); code != 2 || !strings.Contains(errs, "is missing") {
			t.Errorf("%v ends with %d: %s", args, code, errs)
		}
	}
	_, errs, code := command(t, append([]string{"server", "--data", filepath.Join(data, "none", "below")}, loopback...)...)
	if code != 3 || !strings.Contains(errs, "none") {
		t.Errorf("a data directory without a parent: %d: %s", code, errs)
	}
	_, errs, code = command(t, append([]string{"server", "--data", data}, loopback...)...)
	if code != 4 || !strings.Contains(errs, "held") {
		t.Errorf("a second server: %d: %s", code, errs)
	}
}

func TestKeysComeAndGoWithoutARestartAndTwoSecretsLiveWhileOneIsReplaced(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "keys.yaml")
	key := func(args ...string) string {
		return strings.TrimSpace(must(t, append([]string{"key", "--keys-file", file}, args...)...))
	}
	first := key("create", "ops", "--role", "*=admin")
	p := start(t, append([]string{"server", "--data", dir + "/data", "--keys-file", file}, loopback...)...)
	allowed := func(secret string) bool {
		t.Helper()
		cmd := exec.Command(sdktest.Binary(t), "hub", "list", "--server", p.place.GRPC[0])
		cmd.Env = append(os.Environ(), "NETHERITE_API_KEY="+secret)
		out, err := cmd.CombinedOutput()
		code, text := ask(t, "GET", "http://"+p.place.Admin+"/metrics", "", "Authorization", "Bearer "+secret)
		if (err == nil) != (code == 200) {
			t.Errorf("gRPC says %v %s, the admin listener %d %.100s", err, out, code, text)
		}
		return err == nil
	}
	reload := func() { t.Helper(); p.signal(syscall.SIGHUP, "read again") }
	want := func(what, secret string, ok bool) {
		t.Helper()
		if allowed(secret) != ok {
			t.Errorf("%s: allowed is %t", what, !ok)
		}
	}
	want("without a key", "", false)
	want("the first secret", first, true)
	second := key("rotate", "ops")
	want("a second secret that is not read yet", second, false)
	reload()
	want("the first secret beside another", first, true)
	want("the second secret", second, true)
	if _, errs, code := command(t, "key", "rotate", "ops", "--keys-file", file); code != 1 || !strings.Contains(errs, "--finish") {
		t.Errorf("a third secret: %d: %s", code, errs)
	}
	key("rotate", "ops", "--finish")
	reload()
	want("the first secret after its end", first, false)
	want("the second secret alone", second, true)
	reader := key("create", "eyes", "--role", "*=reader")
	reload()
	want("a reader", reader, false)
	if list := key("list"); list != "ops\t1\t*=admin\neyes\t1\t*=reader" {
		t.Errorf("list prints %q", list)
	}
	if err := os.WriteFile(file, []byte("keys: nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	p.signal(syscall.SIGHUP, "could not be read again")
	want("the keys of before a file that cannot be read", second, true)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	key("create", "other", "--role", "*=admin")
	reload()
	want("a key that is withdrawn", second, false)
	if _, _, code := command(t, "key", "revoke", "ops", "--keys-file", file); code != 3 {
		t.Errorf("to withdraw a key that is not there ends with %d", code)
	}
}

func TestAnAPIKeyIsNotSentToAnotherMachineForEverybodyToRead(t *testing.T) {
	key := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(key, []byte("nk_ops_secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, errs, code := command(t, "hub", "list", "--server", "192.0.2.1:4001", "--api-key-file", key)
	if code != 2 || !strings.Contains(errs, "https://192.0.2.1:4001") || !strings.Contains(errs, "--insecure") {
		t.Errorf("it ends with %d: %s", code, errs)
	}
}
