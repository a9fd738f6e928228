package main

import (
	"context"
	"strings"
	"time"

	"github.com/netherite-go/netherite/engine"
	"github.com/spf13/cobra"
)

const (
	// completionTime bounds how long a shell waits for suggestions, and completions
	// how many there are.
	completionTime = 2 * time.Second
	completions    = 50
)

// completeIDs makes the shell suggest the IDs of instances where a command takes one.
// Only a hub that is being run is asked.
func completeIDs(cmd *cobra.Command, f *hubFlags) {
	for _, sub := range cmd.Commands() {
		if _, args, _ := strings.Cut(sub.Use, " "); strings.HasPrefix(args, "ID") || args == "[ID]" {
			sub.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
				if len(args) > 0 {
					return nil, cobra.ShellCompDirectiveNoFileComp
				}
				return f.suggest(cmd, engine.Query{IDPrefix: typed}), cobra.ShellCompDirectiveNoFileComp
			}
		}
	}
}

// suggest lists IDs with what they are; nothing if the hub cannot be asked.
func (f *hubFlags) suggest(cmd *cobra.Command, q engine.Query) (list []string) {
	ctx := cmd.Context()
	if ctx == nil {
		ctx = context.Background()
	}
	ctx, cancel := context.WithTimeout(ctx, completionTime)
	defer cancel()
	t, err := f.connectRunning(ctx, cmd)
	if err != nil {
		return nil
	}
	q.PageSize = completions
	if page, err := t.Query(ctx, q); err == nil {
		for _, i := range page.Instances {
			list = append(list, i.ID+"\t"+i.Name+" "+i.Status.String())
		}
	}
	_ = t.close(ctx) // there is nobody to tell
	return list
}
