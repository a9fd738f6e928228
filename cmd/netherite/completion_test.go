package main

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/server"
)

// TestTheShellSuggestsFilesOnlyWhereFilesAreMeant holds every flag and argument
// against its help.
func TestTheShellSuggestsFilesOnlyWhereFilesAreMeant(t *testing.T) {
	noContexts(t)
	t.Chdir(t.TempDir())
	var look func(cmd *cobra.Command)
	look = func(cmd *cobra.Command) {
		flag := func(f *pflag.Flag) {
			how, said := cmd.GetFlagCompletionFunc(f.Name)
			if f.NoOptDefVal != "" {
				return // it takes no value
			}
			want := cobra.ShellCompDirectiveNoFileComp
			switch {
			case strings.HasPrefix(f.Usage, "file"), f.Name == "from":
				want = cobra.ShellCompDirectiveDefault
			case strings.HasPrefix(f.Usage, "data directory"):
				want = cobra.ShellCompDirectiveFilterDirs
			}
			if !said {
				t.Errorf("%s --%s: the shell suggests files", cmd.CommandPath(), f.Name)
			} else if _, got := how(cmd, nil, ""); got&want != want || want == 0 && got != 0 {
				t.Errorf("%s --%s (%s): directive %v, want %v", cmd.CommandPath(), f.Name, f.Usage, got, want)
			}
		}
		cmd.PersistentFlags().VisitAll(flag)
		cmd.LocalFlags().VisitAll(flag)
		for _, sub := range cmd.Commands() {
			look(sub)
		}
		if cmd.HasSubCommands() || cmd.Name() == "help" {
			return
		}
		want := cobra.ShellCompDirectiveNoFileComp
		if strings.Contains(cmd.Use, "DIR") {
			want = cobra.ShellCompDirectiveFilterDirs
		}
		if _, got := cmd.ValidArgsFunction(cmd, nil, ""); got != want {
			t.Errorf("%s: directive %v, want %v", cmd.Use, got, want)
		}
	}
	look(newRoot())
}

func TestTheShellSuggestsWhatThereIs(t *testing.T) {
	noContexts(t)
	t.Chdir(t.TempDir())
	s, hub := serving(t, server.Config{})
	if err := s.Create(t.Context(), "orders"); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"ann", "bob"} {
		if err := hub.Engine().Signal(t.Context(), engine.SignalRequest{Entity: "@account@" + key, Operation: "Add", Input: []byte("1")}); err != nil {
			t.Fatal(err)
		}
		if _, err := hub.Engine().Get(t.Context(), "@account@"+key, engine.GetOptions{Fresh: true}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := hub.Engine().Start(t.Context(), engine.StartRequest{Instance: "there", Name: "Asks", Input: []byte(`""`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := hub.Engine().Wait(t.Context(), "there", engine.UntilStarted, engine.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	data, keys := t.TempDir(), filepath.Join(t.TempDir(), "keys.yaml")
	for _, line := range []string{"context add here --server " + s.Place().GRPC[0], "hub create near --data " + data, "key create ops --role *=admin --keys-file " + keys} {
		if _, errs, code := commandLine(t, strings.Fields(line)...); code != 0 {
			t.Fatal(line, errs)
		}
	}
	const none = cobra.ShellCompDirectiveNoFileComp
	for line, want := range map[string]string{
		"instance show th":                          "there",
		"instance raise there ":                     "Release",
		"instance start ":                           "Asks",
		"instance list --name ":                     "Asks",
		"instance list --status comp":               "Completed",
		"instance list --status Failed,t":           "Failed,Terminated",
		"instance purge --status susp":              "Suspended",
		"instance list --hub ":                      "default orders",
		"entity get ":                               "account",
		"entity get Account ":                       "ann bob",
		"entity signal account b":                   "bob",
		"entity signal account bob ":                "",
		"hub delete ":                               "default orders",
		"hub delete --data " + data + " ":           "near",
		"hub create ":                               "",
		"context use ":                              "here local",
		"context remove h":                          "here local", // the shell takes those that begin so
		"key revoke --keys-file " + keys + " ":      "ops",
		"key rotate --keys-file " + keys + " ":      "ops",
		"key create x --role orders=":               "orders=reader orders=client orders=worker orders=admin",
		"bench --release p":                         "partition",
		"server --log-level w":                      "warn",
		"instance tail there --context ":            "here local",
		"instance raise there Release --data ":      "",
		"instance list --server 127.0.0.1:1 --hub ": "",
	} {
		args := append([]string{"__complete"}, strings.Split(line, " ")...)
		out, errs, code := commandLine(t, args...)
		var got []string
		directive := ""
		for _, l := range strings.Split(strings.TrimSpace(out), "\n") {
			if d, ok := strings.CutPrefix(l, ":"); ok {
				directive = d
				continue
			}
			word, _, _ := strings.Cut(l, "\t")
			got = append(got, word)
		}
		if code != 0 || strings.Join(got, " ") != want || directive != fmt.Sprint(int(none)) {
			t.Errorf("%s: exit code %d, directive %s, %q, want %q\n%s", line, code, directive, got, want, errs)
		}
	}
}
