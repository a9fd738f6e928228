package python_test

import (
	"encoding/json"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// kills is how often the server is killed at most, least how often it is at least, and
// amid how many different cases.
const (
	kills = 30
	least = 15
	amid  = 80
)

func TestTheCasesOfTheSuiteBearThatTheServerIsKilled(t *testing.T) {
	s := sdktest.Start(t)
	k := sdktest.NewKiller(t, s, 7, kills)
	hubs := map[string]int{"default": 150, "load": 140} // of which so many instances are left, at least
	cmd := script(t, "kill.py", "--address", s.GRPC)
	cmd.Env = append(cmd.Env, "NETHERITE_KILLED=1")
	run(t, cmd, 100, func(line string) {
		var made struct{ Hub string }
		if err := json.Unmarshal([]byte(line), &made); err == nil && made.Hub != "" {
			hubs[made.Hub] += 0
		}
		k.Watch(t, line)
	})
	k.Enough(t, least, amid)
	found := sdktest.NewHistories()
	for hub, n := range hubs {
		found.Add(sdktest.Audit(t, s, hub, "", n, nil))
	}
	k.Activities(t, found)
}

func TestHTTPCallsOfOrchestrationsOutliveTheServer(t *testing.T) {
	s, target := sdktest.StartCalling(t)
	run(t, script(t, "calls.py", "--address", s.GRPC, "--target", target.URL), 5)
	target.Judge(t)
}
