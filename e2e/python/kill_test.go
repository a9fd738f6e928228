package python_test

import (
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// kills is how often the suite asks for the end of the server.
const kills = 5

func TestNothingIsLostOrDoneTwiceWhenTheServerIsKilled(t *testing.T) {
	s := sdktest.Start(t)
	n := 0
	run(t, script(t, "kill.py", "--address", s.GRPC), 50, func(line string) {
		switch {
		case strings.HasPrefix(line, `{"kill":`):
			n++
			s.Kill(t)
			s.Restart(t)
		case strings.HasPrefix(line, `{"activities":`):
			t.Log(line)
		}
	})
	if n != kills {
		t.Errorf("the server was killed %d times, want %d", n, kills)
	}
	for hub, least := range map[string]int{"default": 50, "load": 70} {
		sdktest.Audit(t, s, hub, "", least, nil)
	}
}

func TestHTTPCallsOfOrchestrationsOutliveTheServer(t *testing.T) {
	s, target := sdktest.StartCalling(t)
	run(t, script(t, "calls.py", "--address", s.GRPC, "--target", target.URL), 5)
	target.Judge(t)
}
