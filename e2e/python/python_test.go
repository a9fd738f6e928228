package python_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m, "results.json")
}

// requirements is the file of the packages with their versions.
const requirements = "requirements.txt"

// packages says which versions of the SDK the tests run.
func packages(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(requirements)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^(durabletask\S*)==(\S+)$`).FindAllStringSubmatch(string(text), -1)
	if len(found) != 2 {
		t.Fatalf("%s names %d packages of the SDK, want 2", requirements, len(found))
	}
	var list []string
	for _, f := range found {
		list = append(list, strings.ReplaceAll(f[1], ".", "-")+" "+f[2])
	}
	return strings.Join(list, ", ")
}

// script is a program of the suite.
func script(t testing.TB, name string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(sdktest.Python(t), append([]string{filepath.Join("suite", name)}, args...)...)
	cmd.Env = append(os.Environ(), "PYTHONDONTWRITEBYTECODE=1")
	return cmd
}

// run runs a suite and records what its cases came to.
func run(t *testing.T, cmd *exec.Cmd, want int, watch ...func(line string)) {
	t.Helper()
	sdktest.Record(t, "python", packages(t), sdktest.Run(t, cmd, want, watch...))
}

func TestThePythonSDKDoesAllThatItCan(t *testing.T) {
	s := sdktest.Start(t)
	run(t, script(t, "run.py", "--address", s.GRPC), 90)
}
