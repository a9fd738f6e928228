package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/spf13/cobra"
)

// local is the name that stands for no context: a directory of this machine.
const local = "local"

// contexts are what a file keeps of servers, by names of the user's.
type contexts struct {
	Current  string              `json:"current,omitempty"`
	Contexts map[string]serverAt `json:"contexts"`
}

// contextsFile is where that file is; empty if there is no place for it.
func contextsFile() string {
	dir, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(dir, "netherite", "contexts.json")
}

// readContexts reads the file; there are none without it.
func readContexts() (*contexts, error) {
	c := &contexts{Contexts: map[string]serverAt{}}
	path := contextsFile()
	if path == "" {
		return c, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return c, nil
	} else if err != nil {
		return nil, fmt.Errorf("read the contexts: %w", err)
	}
	if err := json.Unmarshal(b, c); err != nil {
		return nil, fmt.Errorf("read the contexts in %s: %w; correct or remove it", path, err)
	}
	if c.Contexts == nil {
		c.Contexts = map[string]serverAt{}
	}
	return c, nil
}

// write writes the file as a whole, for its owner only.
func (c *contexts) write() error {
	path := contextsFile()
	if path == "" {
		return errors.New("there is no place for the contexts: set XDG_CONFIG_HOME or HOME")
	}
	b, err := json.MarshalIndent(c, "", "  ")
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err == nil {
		err = os.WriteFile(path+".tmp", append(b, '\n'), 0o600)
	}
	if err == nil {
		err = os.Rename(path+".tmp", path)
	}
	if err != nil {
		return fmt.Errorf("write the contexts: %w", err)
	}
	return nil
}

// currentContext is the context of a name, or if that is empty the one that is in
// use; nil if none is.
func currentContext(name string) (*serverAt, error) {
	c, err := readContexts()
	if err != nil {
		return nil, err
	}
	if name == "" {
		if name = os.Getenv("NETHERITE_CONTEXT"); name == "" {
			name = c.Current
		}
	}
	if name == "" || name == local {
		return nil, nil
	}
	s, ok := c.Contexts[name]
	if !ok {
		return nil, fmt.Errorf("there is no context %q: netherite context list shows those that there are: %w", name, os.ErrNotExist)
	}
	return &s, nil
}

func newContext() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "context",
		Short: "Keep servers under names, for instance, entity and hub",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newContextAdd(), newContextUse(), newContextList(), newContextRemove())
	return cmd
}

func newContextAdd() *cobra.Command {
	var s serverAt
	var replace bool
	cmd := &cobra.Command{
		Use:   "add NAME --server ADDRESS",
		Short: "Keep a server under a name; the first one is used from now on",
		Args:  cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			name := args[0]
			switch {
			case s.Server == "":
				return usagef("--server is missing: it says where the server is")
			case name == local || name == "" || strings.ContainsAny(name, " \t\n/"):
				return usagef("%q cannot be the name of a context", name)
			}
			if _, err := s.secure(); err != nil {
				return err
			}
			for _, file := range []*string{&s.APIKeyFile, &s.TLSCA, &s.TLSCert, &s.TLSKey} {
				if *file != "" {
					abs, err := filepath.Abs(*file) // it is used from elsewhere
					if err != nil {
						return err
					}
					*file = abs
				}
			}
			c, err := readContexts()
			if err != nil {
				return err
			}
			if old, ok := c.Contexts[name]; ok && old != s && !replace {
				return usagef("there is a context %q already, of %s: use another name, or say --replace", name, old.Server)
			}
			if len(c.Contexts) == 0 {
				c.Current = name
			}
			c.Contexts[name] = s
			return c.write()
		},
	}
	s.add(cmd)
	cmd.Flags().BoolVar(&replace, "replace", false, "in the place of the context that has this name")
	return cmd
}

func newContextUse() *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Use a server from now on; local is a directory of this machine again",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: suggestContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			c, err := readContexts()
			if err != nil {
				return err
			}
			if args[0] != local {
				if _, err := currentContext(args[0]); err != nil {
					return err
				}
			}
			c.Current = args[0]
			return c.write()
		},
	}
}

func newContextRemove() *cobra.Command {
	return &cobra.Command{
		Use:               "remove NAME",
		Short:             "Forget a server",
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: suggestContexts,
		RunE: func(_ *cobra.Command, args []string) error {
			if _, err := currentContext(args[0]); err != nil || args[0] == local {
				return errors.Join(err, refuseLocal(args[0]))
			}
			c, err := readContexts()
			if err != nil {
				return err
			}
			delete(c.Contexts, args[0])
			if c.Current == args[0] {
				c.Current = ""
			}
			return c.write()
		},
	}
}

func refuseLocal(name string) error {
	if name == local {
		return usagef("local is always there")
	}
	return nil
}

func newContextList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the servers that are kept", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		c, err := readContexts()
		if err != nil {
			return err
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), c)
		}
		w := table.NewWriter()
		w.SetOutputMirror(cmd.OutOrStdout())
		w.SetStyle(table.StyleLight)
		w.AppendHeader(table.Row{"", "Name", "Server", "Hub"})
		for _, name := range slices.Sorted(maps.Keys(c.Contexts)) {
			used := ""
			if name == c.Current {
				used = "*"
			}
			w.AppendRow(table.Row{used, name, c.Contexts[name].Server, c.Contexts[name].Hub})
		}
		w.Render()
		return nil
	}
	return cmd
}

// suggestContexts suggests contexts for an argument, and suggestContext for a flag.
func suggestContexts(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return suggestContext(cmd, args, typed)
}

func suggestContext(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
	c, err := readContexts()
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return append(slices.Sorted(maps.Keys(c.Contexts)), local), cobra.ShellCompDirectiveNoFileComp
}
