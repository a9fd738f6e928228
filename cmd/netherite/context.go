package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/internal/plainjson"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/server"
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
		return nil, fmt.Errorf("read the contexts in %s: %w; correct or remove it", path, plainjson.Explain(err))
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
		return nil, notFoundf("there is no context %q: netherite context list shows those that there are", name)
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

// contextName is what contexts are called.
var contextName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// check refuses what cannot be reached in any case; nothing is connected to.
func (s *serverAt) check() error {
	address, _ := s.address()
	host, port, err := net.SplitHostPort(address)
	if n, bad := strconv.ParseUint(port, 10, 16); err != nil || bad != nil || n == 0 || host == "" || strings.ContainsAny(host, "/ @") {
		return usagef("--server %s: it is no address such as shop.example.com:4001 or https://shop.example.com:4001", s.Server)
	}
	if s.Hub != "" {
		if _, err := server.HubDir("", s.Hub); err != nil {
			return usagef("--hub %s: %w", s.Hub, err)
		}
	}
	if err := checkHTTP(s.HTTP); err != nil {
		return err
	}
	if s.APIKeyFile != "" {
		if _, err := s.secret(); err != nil {
			return err
		}
	}
	if _, err := s.secure(); err != nil {
		return usagef("%w", err)
	}
	return nil
}

func newContextAdd() *cobra.Command {
	var s serverAt
	var replace bool
	cmd := &cobra.Command{
		Use:   "add NAME --server ADDRESS",
		Short: "Keep a server under a name; the first one is used from now on",
		Args:  cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			switch {
			case s.Server == "":
				return usagef("--server is missing: it says where the server is")
			case name == local:
				return usagef("local stands for directories of this machine: use another name")
			case !contextName.MatchString(name):
				return usagef("%q cannot be the name of a context: it has 1 to 64 letters, digits, dots, dashes and underscores, and begins with a letter or digit", name)
			}
			if err := s.check(); err != nil {
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
			first := len(c.Contexts) == 0
			if first {
				c.Current = name
			}
			c.Contexts[name] = s
			if err := c.write(); err != nil {
				return err
			}
			switch {
			case first:
				terminal.Printf(cmd.ErrOrStderr(), "context %q is in use from now on, for instance, entity and hub; netherite context use local goes back to directories of this machine\n", name)
			case name != c.Current:
				terminal.Printf(cmd.ErrOrStderr(), "context %q is kept; netherite context use %s makes it the one in use\n", name, name)
			}
			return nil
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
		c.print(cmd.OutOrStdout())
		return nil
	}
	return cmd
}

// print prints the contexts, with a mark at the one in use.
func (c *contexts) print(out io.Writer) {
	w := newTable(out, "", "Name", "Server", "Hub")
	for _, name := range slices.Sorted(maps.Keys(c.Contexts)) {
		used := ""
		if name == c.Current {
			used = "*"
		}
		w.row(used, name, c.Contexts[name].Server, c.Contexts[name].Hub)
	}
	w.Render()
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
	return append(typable(slices.Sorted(maps.Keys(c.Contexts))), local), cobra.ShellCompDirectiveNoFileComp
}
