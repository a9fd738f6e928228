package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/sim"
)

// fileFlags are the flags whose values are files, and dirFlags those that are
// directories, unless a command says otherwise: where no files are meant the shell
// suggests none.
var (
	fileFlags = []string{
		"api-key-file", "config", "from", "jwt-keys-file", "keys-file", "profile-file", "ready-file", "report",
		"tls-ca", "tls-cert", "tls-client-ca", "tls-key",
	}
	dirFlags = []string{"data", "dir"}
)

// flagWords are the values of flags that have a fixed set of them.
func flagWords() map[string][]string {
	words := map[string][]string{
		"release": bench.Releases(), "profile": {"cpu", "mem", "trace"}, "without": sim.FaultNames(),
		"log-level": {"debug", "info", "warn", "error"}, "log-format": {"text", "json"},
	}
	for _, s := range model.Statuses() {
		if s != model.ContinuedAsNew { // no instance has it
			words["status"] = append(words["status"], s.String())
		}
	}
	return words
}

// completeAll says, of all flags and arguments of a command and those below it of
// which nothing is said yet, what the shell suggests.
func completeAll(cmd *cobra.Command) {
	words := flagWords()
	flag := func(f *pflag.Flag) {
		if _, said := cmd.GetFlagCompletionFunc(f.Name); said || f.NoOptDefVal != "" {
			return
		}
		how := cobra.NoFileCompletions
		switch {
		case words[f.Name] != nil:
			how = fixed(words[f.Name])
		case slices.Contains(fileFlags, f.Name):
			how = filesMeant
		case slices.Contains(dirFlags, f.Name):
			how = dirsMeant
		}
		_ = cmd.RegisterFlagCompletionFunc(f.Name, how) // it is there, and nothing is said of it
	}
	cmd.PersistentFlags().VisitAll(flag)
	cmd.LocalFlags().VisitAll(flag)
	if cmd.ValidArgsFunction == nil && !cmd.HasSubCommands() {
		cmd.ValidArgsFunction = cobra.NoFileCompletions
		if _, args, _ := strings.Cut(cmd.Use, " "); strings.Contains(args, "DIR") {
			cmd.ValidArgsFunction = dirsMeant
		}
	}
	if cmd.ValidArgsFunction != nil {
		cmd.ValidArgsFunction = splitByBash(cmd, cmd.ValidArgsFunction)
	}
	for _, sub := range cmd.Commands() {
		completeAll(sub)
	}
}

func filesMeant(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveDefault
}

func dirsMeant(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	return nil, cobra.ShellCompDirectiveFilterDirs
}

// fixed suggests words, of which a list with commas may have several.
func fixed(words []string) completer {
	return suggesting(func(_ *cobra.Command, _ []string, typed string) (list []string) {
		before, last := "", typed
		if i := strings.LastIndex(typed, ","); i >= 0 {
			before, last = typed[:i+1], typed[i+1:]
		}
		for _, w := range words {
			if len(w) >= len(last) && strings.EqualFold(w[:len(last)], last) {
				list = append(list, before+w)
			}
		}
		return list
	})
}
