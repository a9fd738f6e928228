package python_test

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// page is the page about the SDK.
const page = "../../docs/sdk-python.md"

// The package reads no connection strings: programs take them apart and give it the
// parts, as the suite does.
func TestThePartsOfAConnectionStringOfTheSchedulerWorkOnTheSecondPort(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	second := l.Addr().String()
	_ = l.Close()
	sdktest.Start(t, "--grpc", second)
	run(t, script(t, "dts.py", fmt.Sprintf("Endpoint=http://%s;TaskHub=mine;Authentication=None", second)), 4)
}

func TestSamplesOfTheSDKRunAsTheyStand(t *testing.T) {
	s := sdktest.Start(t)
	cmd := script(t, "samples.py")
	cmd.Env = append(cmd.Env, detour(t, s.GRPC))
	run(t, cmd, 3)
}

func TestThePageAboutPythonSaysWhatItsCodePrints(t *testing.T) {
	s := sdktest.Start(t)
	cmd := script(t, "page.py", page)
	cmd.Env = append(cmd.Env, detour(t, s.GRPC))
	run(t, cmd, 4)
}

func TestAProgramReachesAServerWithTLSAndKeysAsThePageSays(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile("(?s)```python\n(# secure.py\n.*?)```.*?`(GRPC_[A-Z_]+=\\S+) [^`]* secure.py` prints\n\n```text\n(.*?)```").FindSubmatch(text)
	if m == nil {
		t.Fatal("the page has no secure.py, or does not say how it is run and what it prints")
	}
	s, dir := sdktest.StartSecure(t)
	program := strings.ReplaceAll(string(m[1]), sdktest.SecureAddress, s.GRPC)
	cmd := exec.Command(sdktest.Python(t), "-c", program)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), string(m[2]))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	c := sdktest.Case{Test: "documentation: secure.py", OK: err == nil && string(out) == string(m[3])}
	if !c.OK {
		t.Errorf("%v, it prints\n%swhat the page says:\n%s\n%s", err, out, m[3], stderr.String())
	}
	sdktest.Record(t, "python", packages(t), []sdktest.Case{c})
}
