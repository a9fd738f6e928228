package main

import (
	"runtime/debug"
	"testing"
)

func TestTheVersionIsTheBestThatIsKnownOfABuild(t *testing.T) {
	revision := debug.BuildSetting{Key: "vcs.revision", Value: "0123456789abcdef0123456789abcdef01234567"}
	modified := debug.BuildSetting{Key: "vcs.modified", Value: "true"}
	build := func(version string, settings ...debug.BuildSetting) *debug.BuildInfo {
		return &debug.BuildInfo{Main: debug.Module{Version: version}, Settings: settings}
	}
	for name, c := range map[string]struct {
		told string
		info *debug.BuildInfo
		want string
	}{
		"the linker was told":              {"v1.2.3", build("v0.0.0-2030", revision), "v1.2.3"},
		"go install of a version":          {"", build("v1.2.3"), "v1.2.3"},
		"go build in a clone":              {"", build("(devel)", revision), "0123456789ab"},
		"go build in a clone with changes": {"", build("", revision, modified), "0123456789ab-dirty"},
		"go build without a repository":    {"", build("(devel)"), "devel"},
		"a build that notes nothing":       {"", nil, "unknown"},
	} {
		if got := versionOf(c.told, c.info); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
