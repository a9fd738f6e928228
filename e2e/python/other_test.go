package python_test

import (
	"fmt"
	"net"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

func TestAConnectionStringOfTheSchedulerWorksOnTheSecondPort(t *testing.T) {
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
	run(t, script(t, "samples.py", "--address", s.GRPC), 3)
}

func TestThePageAboutPythonSaysWhatItsCodePrints(t *testing.T) {
	s := sdktest.Start(t)
	run(t, script(t, "page.py", "--address", s.GRPC, filepath.Join("..", "..", "docs", "sdk-python.md")), 3)
}
