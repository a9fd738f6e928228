package main

import (
	"errors"
	"strings"

	"github.com/netherite-go/netherite/bench"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// wanted says what the value of a flag of some type looks like.
var wanted = map[string]string{
	"int":         "give a whole number in digits, such as 1000",
	"intSlice":    "give whole numbers in digits, such as 128, or 1,8,128",
	"float64":     "give a number, such as 2500",
	"duration":    "give a time with its unit, such as 10s or 5m",
	"bool":        "it is true or false",
	"stringSlice": "give names with commas between them",
}

// flagError says of a flag's value what it should be, rather than who refused it.
func flagError(err error) error {
	bad, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok || wanted[bad.GetFlag().Value.Type()] == "" {
		return usagef("%w", err)
	}
	return usagef("--%s %q: %s", bad.GetFlag().Name, bad.GetValue(), wanted[bad.GetFlag().Value.Type()])
}

// lists completes the lists and refuses empty ones.
func (f *benchFlags) lists(cmd *cobra.Command) error {
	if !cmd.Flags().Changed("clients") {
		f.clients = []int{bench.DefaultClients(f.Workload)}
	}
	if len(f.releases) == 0 {
		return usagef("--release names none: use one of %s", strings.Join(bench.Releases(), ", "))
	}
	return nil
}
