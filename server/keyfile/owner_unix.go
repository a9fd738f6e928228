//go:build unix

package keyfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// give has a new file belong to whom the one belongs to in whose place it comes, with
// the same mode; or, if there is none, to whom root makes it for.
func give(f *os.File, path string) error {
	before, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return giveNew(f, filepath.Dir(path))
	}
	if err != nil {
		return err
	}
	uid, gid := owners(before)
	if err := chown(f, uid, gid); err != nil {
		return fmt.Errorf("%s is the user's with ID %d and the group's with ID %d, and it cannot be changed so that it stays theirs: do this as that user, or as root: %w", path, uid, gid, err)
	}
	return f.Chmod(before.Mode().Perm()) // last: to change the owner may change the mode
}

// giveNew has a new file belong to whom its directory belongs to, if root makes it.
func giveNew(f *os.File, dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	in, err := os.Stat(dir)
	if err != nil {
		return err
	}
	uid, gid := owners(in)
	if err := chown(f, uid, gid); err != nil {
		return err
	}
	const groupReads = 0o050
	if uid == 0 && gid != 0 && in.Mode().Perm()&groupReads == groupReads {
		return f.Chmod(0o640)
	}
	return nil
}

// chown changes owner and group if they are others: a file system that knows of none
// refuses every change.
func chown(f *os.File, uid, gid int) error {
	info, err := f.Stat()
	if err != nil {
		return err
	}
	if u, g := owners(info); u == uid && g == gid {
		return nil
	}
	return f.Chown(uid, gid)
}

func owners(info fs.FileInfo) (uid, gid int) {
	s := info.Sys().(*syscall.Stat_t)
	return int(s.Uid), int(s.Gid)
}
