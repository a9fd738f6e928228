package main

import (
	"runtime/debug"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/internal/terminal"
)

// commit is what the linker is told of the version (-X main.commit=...), as "make
// build" and the Dockerfile do: the go command notes none in builds without a
// repository, or with -buildvcs=false.
var commit string

// version is what this was built from.
func version() string {
	info, _ := debug.ReadBuildInfo()
	return versionOf(commit, info)
}

// versionOf is what the linker was told, else the module's version, else the commit
// of the repository, with "-dirty" if files had been changed; info may be nil.
func versionOf(told string, info *debug.BuildInfo) string {
	if told != "" {
		return told
	}
	if info == nil {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	noted := map[string]string{}
	for _, s := range info.Settings {
		noted[s.Key] = s.Value
	}
	revision := noted["vcs.revision"]
	switch {
	case revision == "":
		return "devel"
	case noted["vcs.modified"] == "true":
		return revision[:min(12, len(revision))] + "-dirty"
	}
	return revision[:min(12, len(revision))]
}

func newVersion() *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the version",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			terminal.Println(cmd.OutOrStdout(), version())
			return nil
		},
	}
}
