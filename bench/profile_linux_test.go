package bench

import (
	"errors"
	"syscall"
	"testing"
)

func TestProfileWithoutRoomFailsTheRun(t *testing.T) {
	for _, kind := range Profiles() {
		cfg := Config{
			Workload: "hello5", Clients: 1, Count: 1, Partitions: 1, Release: "node", Dir: t.TempDir(), SkipProbe: true,
			Profile: kind, ProfileFile: "/dev/full", // a device on which no byte has room
		}
		if err := Run(t.Context(), cfg, func(*Result) { t.Error("figures without the profile") }); !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("%s: %v", kind, err)
		}
	}
}
