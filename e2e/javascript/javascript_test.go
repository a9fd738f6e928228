package javascript_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m, "results.json")
}

// node is a program of the suite, that can reach the server s.
func node(t testing.TB, s *sdktest.Server, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("node", append([]string{program}, args...)...)
	cmd.Env = append(os.Environ(), "NODE_PATH="+sdktest.NodeModules(t), "NETHERITE_GRPC="+s.GRPC, "NETHERITE_HTTP="+s.HTTP)
	return cmd
}

// version is a package that the tests pin, with its version.
func version(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile("package.json")
	if err != nil {
		t.Fatal(err)
	}
	var list struct{ Dependencies map[string]string }
	if err := json.Unmarshal(text, &list); err != nil || list.Dependencies[name] == "" {
		t.Fatalf("package.json does not pin %s (%v)", name, err)
	}
	return name + " " + list.Dependencies[name]
}

const (
	sdk       = "@microsoft/durabletask-js"
	functions = "durable-functions"
)

// run runs a suite and records what its cases came to.
func run(t *testing.T, pack string, cmd *exec.Cmd, want int) {
	t.Helper()
	sdktest.Record(t, "js", version(t, pack), sdktest.Run(t, cmd, want))
}

func TestTheDurableTaskSDKOfJavaScript(t *testing.T) {
	t.Parallel()
	run(t, sdk, node(t, sdktest.Start(t), "suite/main.js"), 219)
}

func TestTheDurableClientOfDurableFunctions(t *testing.T) {
	t.Parallel()
	s := sdktest.Start(t)
	for hub, want := range map[string]int{"default": 28, "another": 15} {
		cmd := node(t, s, "suite/functions.js")
		cmd.Env = append(cmd.Env, "NETHERITE_HUB="+hub)
		run(t, functions, cmd, want)
	}
}

func TestNothingIsLostOrDoneTwiceWhenTheServerIsKilled(t *testing.T) {
	t.Parallel()
	s := sdktest.Start(t)
	control := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		s.Kill(t)
		s.Restart(t)
	}))
	defer control.Close()
	cmd := node(t, s, "suite/kill.js")
	cmd.Env = append(cmd.Env, "NETHERITE_CONTROL="+control.URL)
	run(t, sdk, cmd, 7)
}

func TestHTTPCallsOfOrchestrationsOutliveTheServer(t *testing.T) {
	t.Parallel()
	s, target := sdktest.StartCalling(t)
	cmd := node(t, s, "suite/calls.js")
	cmd.Env = append(cmd.Env, "NETHERITE_TARGET="+target.URL)
	run(t, sdk, cmd, 5)
	target.Judge(t)
}

func TestSamplesOfTheSDKsOwnDocumentationRunAsTheyStand(t *testing.T) {
	t.Parallel()
	run(t, sdk, node(t, sdktest.Start(t), "suite/sample.js"), 3)
}
