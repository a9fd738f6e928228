package javascript_test

import (
	"os/exec"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// killed runs a suite while its server is killed and started again, and holds that
// nothing has happened twice: there must be so many kills, amid so many cases.
func killed(t *testing.T, s *sdktest.Server, pack, hub string, cmd *exec.Cmd, want, pace, kills, amid int) {
	t.Helper()
	const most = 8 // kills
	k := sdktest.NewKiller(t, s, pace, most)
	cmd.Env = append(cmd.Env, "NETHERITE_KILLED=1")
	sdktest.Record(t, "js", version(t, pack), sdktest.Run(t, cmd, want, func(line string) { k.Watch(t, line) }))
	k.Enough(t, kills, amid)
	k.Activities(t, sdktest.Audit(t, s, hub, "", want, nil))
}

func TestTheCasesOfTheSDKBearThatTheServerIsKilled(t *testing.T) {
	t.Parallel()
	s := sdktest.Start(t)
	killed(t, s, sdk, "default", node(t, s, "suite/main.js"), 170, 20, 5, 80)
}

func TestTheCasesOfDurableFunctionsBearThatTheServerIsKilled(t *testing.T) {
	t.Parallel()
	for hub, least := range map[string]struct{ cases, kills, amid int }{"default": {24, 2, 10}, "another": {12, 1, 4}} {
		t.Run(hub, func(t *testing.T) {
			t.Parallel()
			s := sdktest.Start(t)
			cmd := node(t, s, "suite/functions.js")
			cmd.Env = append(cmd.Env, "NETHERITE_HUB="+hub)
			killed(t, s, functions, hub, cmd, least.cases, 3, least.kills, least.amid)
		})
	}
}
