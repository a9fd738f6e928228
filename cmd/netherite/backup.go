package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/owner"
	"github.com/spf13/cobra"
)

func newBackup() *cobra.Command {
	var f hubFlags
	cmd := &cobra.Command{
		Use:   "backup DIR DEST",
		Short: "Copy a hub, running or not, to another directory, or bring the copy there up to date",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			f.dir = args[0]
			dest, err := filepath.Abs(args[1]) // the hub's process may be elsewhere
			if err != nil {
				return fmt.Errorf("find %s: %w", args[1], err)
			}
			return f.with(cmd, func(ctx context.Context, t *target) error {
				b, err := t.manage.Backup(ctx, dest)
				if err != nil {
					return err
				}
				printBackup(cmd, b)
				return nil
			})
		},
	}
	cmd.Flags().DurationVar(&f.timeout, "timeout", 0, "give up after this long; 0 waits for ever")
	return cmd
}

func printBackup(cmd *cobra.Command, b owner.Backup) {
	fmt.Fprintf(cmd.OutOrStdout(), "backup: number=%d files=%d bytes=%d copied_files=%d copied_bytes=%d log=%d-%d ok\n",
		b.Number, b.Files, b.Bytes, b.CopiedFiles, b.CopiedBytes, b.LogBegin, b.LogEnd)
}

func newRestore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore DEST DIR",
		Short: "Make a hub from a backup, in a new or empty directory",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if !netherite.IsBackup(args[0]) {
				return fmt.Errorf("no backup in %q: %w", args[0], os.ErrNotExist)
			}
			i, err := netherite.Restore(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "restored: number=%d taken=%s files=%d bytes=%d log=%d-%d ok\n",
				i.Number, i.Taken.Format(time.RFC3339), i.Files, i.Bytes, i.LogBegin, i.LogEnd)
			return nil
		},
	}
}
