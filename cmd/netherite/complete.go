package main

import (
	"context"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/model"
)

const (
	// completionTime bounds how long a shell waits for suggestions, completions
	// how many IDs there are, and looked at how many instances names are looked for.
	completionTime = 2 * time.Second
	completions    = 50
	looked         = 1000
)

// completer suggests what a word that is being typed can become; args are the words
// before it, without flags.
type completer = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// suggesting makes a completer of one that never means files.
func suggesting(list func(cmd *cobra.Command, args []string, typed string) []string) completer {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return list(cmd, args, typed), cobra.ShellCompDirectiveNoFileComp
	}
}

// typable leaves out what no shell can show as it is, and so nobody type: it would steer
// the terminal, and a tab would part it from its description.
func typable(words []string) []string {
	return slices.DeleteFunc(words, func(w string) bool { return !terminal.Clean(w) })
}

// completeIDs makes the shell suggest the IDs of instances where a command takes one,
// the events that an instance waits for, and names. Only a hub that is being run is
// asked.
func completeIDs(cmd *cobra.Command, f *hubFlags) {
	for _, sub := range cmd.Commands() {
		f.completeNameFlag(sub, false)
		_, args, _ := strings.Cut(sub.Use, " ")
		switch {
		case strings.HasPrefix(args, "ID") || args == "[ID]":
			sub.ValidArgsFunction = suggesting(func(cmd *cobra.Command, words []string, typed string) []string {
				switch {
				case len(words) == 0:
					return f.suggest(cmd, engine.Query{IDPrefix: typed})
				case len(words) == 1 && strings.HasSuffix(args, "EVENT"):
					return f.suggestEvents(cmd, words[0])
				}
				return nil
			})
		case args == "NAME":
			sub.ValidArgsFunction = suggesting(func(cmd *cobra.Command, words []string, _ string) []string {
				if len(words) > 0 {
					return nil
				}
				return f.suggestNames(cmd, false)
			})
		}
	}
}

// completeEntities makes the shell suggest types and keys of entities.
func completeEntities(cmd *cobra.Command, f *hubFlags) {
	for _, sub := range cmd.Commands() {
		f.completeNameFlag(sub, true)
		if _, args, _ := strings.Cut(sub.Use, " "); strings.HasPrefix(args, "TYPE KEY") {
			sub.ValidArgsFunction = suggesting(func(cmd *cobra.Command, words []string, typed string) []string {
				switch len(words) {
				case 0:
					return f.suggestEntities(cmd, "@"+strings.ToLower(typed), func(e model.EntityID) string { return e.Name })
				case 1:
					return f.suggestEntities(cmd, model.EntityID{Name: words[0], Key: typed}.String(), func(e model.EntityID) string { return e.Key })
				}
				return nil
			})
		}
	}
}

// completeNameFlag makes the shell suggest names for a command's --name, if it has
// that.
func (f *hubFlags) completeNameFlag(cmd *cobra.Command, entities bool) {
	if cmd.Flags().Lookup("name") == nil {
		return
	}
	_ = cmd.RegisterFlagCompletionFunc("name", func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		return fixed(f.suggestNames(cmd, entities))(cmd, args, typed)
	})
}

// ask asks the hub that is meant, if it is being run and answers in time.
func (f *hubFlags) ask(cmd *cobra.Command, what func(context.Context, *target)) {
	ctx, cancel := completing(cmd)
	defer cancel()
	t, err := f.connectRunning(ctx, cmd)
	if err != nil {
		return
	}
	what(ctx, t)
	_ = t.close(ctx) // there is nobody to tell
}

// completing is how long a shell waits.
func completing(cmd *cobra.Command) (context.Context, context.CancelFunc) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	return context.WithTimeout(ctx, completionTime)
}

// suggest lists IDs with what they are.
func (f *hubFlags) suggest(cmd *cobra.Command, q engine.Query) (list []string) {
	q.PageSize = completions
	f.ask(cmd, func(ctx context.Context, t *target) {
		page, _ := t.Query(ctx, q) // what there is of it
		for _, i := range page.Instances {
			list = append(list, i.ID+"\t"+string(terminal.Text(i.Name))+" "+i.Status.String()) // IDs have no controls
		}
	})
	return list
}

// suggestEvents lists what an instance waits for.
func (f *hubFlags) suggestEvents(cmd *cobra.Command, id string) (list []string) {
	f.ask(cmd, func(ctx context.Context, t *target) {
		if m, err := t.Get(ctx, id, engine.GetOptions{Waits: true}); err == nil && m.Waits != nil {
			list = typable(m.Waits.Events)
		}
	})
	return list
}

// suggestNames lists the names of orchestrations, or entities, among the instances
// that are looked at.
func (f *hubFlags) suggestNames(cmd *cobra.Command, entities bool) (list []string) {
	f.ask(cmd, func(ctx context.Context, t *target) {
		page, _ := t.Query(ctx, engine.Query{Entities: entities, PageSize: looked})
		for _, i := range page.Instances {
			list = append(list, i.Name)
		}
	})
	slices.Sort(list)
	return typable(slices.Compact(list))
}

// suggestEntities lists a part of the IDs of entities.
func (f *hubFlags) suggestEntities(cmd *cobra.Command, prefix string, part func(model.EntityID) string) (list []string) {
	f.ask(cmd, func(ctx context.Context, t *target) {
		page, _ := t.Query(ctx, engine.Query{Entities: true, IDPrefix: prefix, PageSize: looked})
		for _, i := range page.Instances {
			if e, err := model.ParseEntityID(i.ID); err == nil {
				list = append(list, part(e))
			}
		}
	})
	slices.Sort(list)
	return typable(slices.Compact(list))
}
