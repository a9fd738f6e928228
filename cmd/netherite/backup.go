package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/substrate/backup"
	"github.com/spf13/cobra"
)

func newBackup() *cobra.Command {
	var f hubFlags
	cmd := &cobra.Command{
		Use:   "backup DIR DEST",
		Short: "Copy a hub, running or not, to another directory, or bring the copy there up to date",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[1] == "" { // which would be where the command is run
				return usagef("DEST is empty: name the directory that the copy goes to: netherite backup DIR DEST")
			}
			f.dir, f.how = args[0], "name its directory, and where the copy goes: netherite backup DIR DEST"
			dest, err := filepath.Abs(args[1]) // the hub's process may be elsewhere
			if err != nil {
				return fmt.Errorf("find %s: %w", args[1], err)
			}
			return f.with(cmd, func(ctx context.Context, t *target) error {
				b, err := t.manage.Backup(ctx, dest)
				if err == nil && t.served {
					err = seen(dest)
				}
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

// seen makes sure that a backup that another process has written is where this one sees
// it: a container has files of its own, and so may a unit of systemd.
func seen(dest string) error {
	if _, err := os.Stat(dest); !errors.Is(err, fs.ErrNotExist) {
		return nil // or it is not for this user to look at
	}
	return fmt.Errorf("the backup is complete, but nothing is at %s here: the process that has the hub open sees other files under that name (PrivateTmp= of its systemd unit, or a container); name a directory that both see", dest)
}

func printBackup(cmd *cobra.Command, b owner.Backup) {
	terminal.Printf(cmd.OutOrStdout(), "backup: number=%d files=%d bytes=%d copied_files=%d copied_bytes=%d log=%d-%d ok\n",
		b.Number, b.Files, b.Bytes, b.CopiedFiles, b.CopiedBytes, b.LogBegin, b.LogEnd)
}

// noBackupAt says that there is no backup in a directory, or why nobody knows.
func noBackupAt(dir string) error {
	_, err := os.Stat(filepath.Join(dir, backup.ManifestName))
	switch {
	case err == nil, errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return notFoundf("no backup in %q: name the directory that netherite backup has written", dir)
	case errors.Is(err, fs.ErrPermission):
		err = fmt.Errorf("%w: run this as the user whose backup it is, or let this one read the directory", err)
	}
	return fmt.Errorf("look for a backup in %s: %w", dir, err)
}

func newRestore() *cobra.Command {
	return &cobra.Command{
		Use:   "restore DEST DIR",
		Short: "Make a hub from a backup, in a new or empty directory",
		Args:  cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" || args[1] == "" {
				return usagef("DEST %q and DIR %q: name both: netherite restore DEST DIR", args[0], args[1])
			}
			if netherite.IsUnfinishedBackup(args[0]) {
				return notFoundf("%s", unfinished(args[0]))
			}
			if !netherite.IsBackup(args[0]) {
				return noBackupAt(args[0])
			}
			if err := notOthers(cmd.Context(), args[1]); err != nil {
				return err
			}
			i, err := netherite.Restore(cmd.Context(), args[0], args[1])
			if err != nil {
				return err
			}
			terminal.Printf(cmd.OutOrStdout(), "restored: number=%d taken=%s files=%d bytes=%d log=%d-%d ok\n",
				i.Number, i.Taken.Format(time.RFC3339), i.Files, i.Bytes, i.LogBegin, i.LogEnd)
			return nil
		},
	}
}
