package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/server/keyfile"
)

// keyFlags are those of all commands about API keys.
type keyFlags struct{ file string }

func newKey() *cobra.Command {
	var f keyFlags
	cmd := &cobra.Command{
		Use:   "key",
		Short: "Make and withdraw the API keys in a server's file of keys",
		Long: `Make and withdraw the API keys in a server's file of keys, which has their hashes
only. A server reads the file when it starts, and again on SIGHUP.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.PersistentFlags().StringVar(&f.file, "keys-file", os.Getenv("NETHERITE_KEYS_FILE"), "file of keys; also NETHERITE_KEYS_FILE")
	cmd.AddCommand(f.newCreate(), f.newList(), f.newRevoke(), f.newRotate())
	return cmd
}

func (f *keyFlags) check() error {
	if f.file == "" {
		return usagef("name the file of keys: --keys-file FILE")
	}
	return nil
}

// change changes the entry of a name.
func (f *keyFlags) change(name string, to func(list []gate.Key, at int) ([]gate.Key, error)) error {
	if err := f.check(); err != nil {
		return err
	}
	return keyfile.Change(f.file, func(list []gate.Key) ([]gate.Key, error) {
		return to(list, slices.IndexFunc(list, func(k gate.Key) bool { return k.Name == name }))
	})
}

// again says when a server that runs knows that a secret is withdrawn.
const again = "Servers that run accept it until they read the file again: " + hangUp + "\n"

// hangUp is how a server is told to read its files again.
const hangUp = "systemctl reload netherite, docker compose kill -s HUP netherite, or kill -HUP with the pid of its --ready-file. Their log then says changed=true."

// reveal prints a key, which nobody can print again.
func reveal(cmd *cobra.Command, key string) {
	terminal.Println(cmd.OutOrStdout(), key)
	terminal.Println(cmd.ErrOrStderr(), "This is the only time that the key is shown. Servers that run accept it once they have read the file again: "+hangUp)
}

func (f *keyFlags) newCreate() *cobra.Command {
	var roles []string
	var expires expiryFlag
	cmd := &cobra.Command{
		Use: "create NAME --role HUB=ROLE...", Short: "Make a key and print it, once", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			k := gate.Key{Name: args[0], Roles: map[string]gate.Role{}}
			for _, r := range roles {
				hub, name, ok := strings.Cut(r, "=")
				role, err := gate.ParseRole(name)
				if !ok || hub == "" || err != nil {
					return usagef("--role %s: it is HUB=ROLE, such as orders=client or *=reader; the roles are reader, client, worker, admin", r)
				}
				if before, twice := k.Roles[hub]; twice {
					return usagef("--role %s: the key has the role %s in %s already, and each role includes those before it: say which one is meant", r, before, hub)
				}
				k.Roles[hub] = role
			}
			if len(k.Roles) == 0 {
				return usagef("key %q: say what it is for, such as --role orders=client", k.Name)
			}
			key, hash, err := gate.NewKey(k.Name)
			if err != nil {
				return usagef("%w", err)
			}
			k.Hashes = []string{hash}
			if err := expires.set(&k); err != nil {
				return err
			}
			err = f.change(k.Name, func(list []gate.Key, at int) ([]gate.Key, error) {
				if at >= 0 {
					return nil, fmt.Errorf("there is a key %q already; replace it by: netherite key rotate %s", k.Name, k.Name)
				}
				return append(list, k), nil
			})
			if err == nil {
				reveal(cmd, key)
			}
			return err
		},
	}
	cmd.Flags().StringArrayVar(&roles, "role", nil, "role of its holder in a task hub, HUB=ROLE; * stands for all hubs")
	_ = cmd.RegisterFlagCompletionFunc("role", suggestRoles)
	expires.add(cmd, never)
	return cmd
}

// keyJSON is a key in the command's output. Fields are only ever added.
type keyJSON struct {
	Name    string            `json:"name"`
	Secrets int               `json:"secrets"` // that are live
	Roles   map[string]string `json:"roles"`   // by task hub
	Expires string            `json:"expires,omitempty"`
}

func (f *keyFlags) newList() *cobra.Command {
	cmd := &cobra.Command{Use: "list", Short: "List the keys: name, how many secrets are live, roles, when it expires", Args: cobra.NoArgs}
	output := outputFlag(cmd)
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		asJSON, err := output()
		if err != nil {
			return err
		}
		if err := f.check(); err != nil {
			return err
		}
		list, err := keyfile.Read(f.file)
		if err != nil {
			return err
		}
		keys := make([]keyJSON, len(list))
		for i, k := range list {
			keys[i] = keyJSON{k.Name, len(k.Hashes), map[string]string{}, keyfile.FormatExpiry(k.Expires)}
			for hub, role := range k.Roles {
				keys[i].Roles[hub] = role.String()
			}
		}
		if asJSON {
			return printJSON(cmd.OutOrStdout(), map[string][]keyJSON{"keys": keys})
		}
		printKeys(cmd.OutOrStdout(), keys)
		return nil
	}
	return cmd
}

func printKeys(out io.Writer, keys []keyJSON) {
	for _, k := range keys {
		var roles []string
		for _, hub := range sortedKeys(k.Roles) {
			roles = append(roles, hub+"="+k.Roles[hub])
		}
		terminal.Printf(out, "%s\t%d\t%s%s\n", k.Name, k.Secrets, strings.Join(roles, " "), endOf(k.Expires))
	}
}

// noKey says that there is no entry of a name.
func (f *keyFlags) noKey(name string) error {
	return notFoundf("there is no key %q in %s: netherite key list shows those that there are", name, f.file)
}

func (f *keyFlags) newRevoke() *cobra.Command {
	return &cobra.Command{
		Use: "revoke NAME", Short: "Withdraw a key, with all of its secrets", Args: cobra.ExactArgs(1),
		ValidArgsFunction: suggesting(f.suggestKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			if _, err := os.Stat(f.file); f.file != "" && errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("the file of keys (--keys-file): %w", err)
			}
			err := f.change(args[0], func(list []gate.Key, at int) ([]gate.Key, error) {
				if at < 0 {
					return nil, f.noKey(args[0])
				}
				return slices.Delete(list, at, at+1), nil
			})
			if err == nil {
				terminal.Printf(cmd.ErrOrStderr(), "Key %q is withdrawn. "+again, args[0])
			}
			return err
		},
	}
}

func (f *keyFlags) newRotate() *cobra.Command {
	var finish bool
	var expires expiryFlag
	cmd := &cobra.Command{
		Use: "rotate NAME", Short: "Give a key a second secret and print it; with --finish, withdraw the first one", Args: cobra.ExactArgs(1),
		ValidArgsFunction: suggesting(f.suggestKeys),
		RunE: func(cmd *cobra.Command, args []string) error {
			name := args[0]
			key, hash, err := gate.NewKey(name)
			if err != nil {
				return usagef("%w", err)
			}
			err = f.change(name, func(list []gate.Key, at int) ([]gate.Key, error) {
				if at < 0 {
					return nil, f.noKey(name)
				}
				if err := expires.set(&list[at]); err != nil {
					return nil, err
				}
				switch {
				case finish && len(list[at].Hashes) < 2:
					return nil, fmt.Errorf("key %q has one secret: there is nothing to finish", name)
				case finish:
					list[at].Hashes = slices.Clone(list[at].Hashes[1:])
				case len(list[at].Hashes) > 1:
					return nil, fmt.Errorf("key %q has two secrets already; once nobody uses the first one: netherite key rotate %s --finish", name, name)
				default:
					list[at].Hashes = append(slices.Clone(list[at].Hashes), hash)
				}
				return list, nil
			})
			switch {
			case err != nil:
			case finish:
				terminal.Printf(cmd.ErrOrStderr(), "The first secret of key %q is withdrawn. "+again, name)
			default:
				reveal(cmd, key)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&finish, "finish", false, "withdraw the older secret")
	expires.add(cmd, "as before")
	return cmd
}

// suggestKeys lists the keys in the file.
func (f *keyFlags) suggestKeys(_ *cobra.Command, args []string, _ string) (names []string) {
	if f.file == "" || len(args) > 0 {
		return nil
	}
	list, _ := keyfile.Read(f.file)
	for _, k := range list {
		names = append(names, k.Name)
	}
	return typable(names)
}

// suggestRoles lists the roles behind the name of a hub.
func suggestRoles(_ *cobra.Command, _ []string, typed string) (list []string, _ cobra.ShellCompDirective) {
	hub, _, named := strings.Cut(typed, "=")
	if !named {
		return []string{"*="}, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
	for r := gate.Reader; r <= gate.Admin; r++ {
		list = append(list, hub+"="+r.String())
	}
	return list, cobra.ShellCompDirectiveNoFileComp
}
