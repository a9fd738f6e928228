package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/netherite-go/netherite/internal/shellword"
	"github.com/netherite-go/netherite/substrate/dirlock"
)

// argsKey is of contexts: the words of the command line.
type argsKey struct{}

// withArgs has messages repeat a command line.
func withArgs(ctx context.Context, args []string) context.Context {
	return context.WithValue(ctx, argsKey{}, args)
}

// notOthers refuses that root writes into a directory that is, or is to be, in one of
// another user: the files would be root's, and keep that user's server from opening the
// hub. Nothing has been written when it returns. A directory that somebody holds is an
// ErrHeld, as it is to who has it open that one has to talk then.
func notOthers(ctx context.Context, dir string) error {
	if os.Geteuid() != 0 {
		return nil // the system refuses, or they have agreed upon it
	}
	at, uid := ownerOf(dir)
	if uid == 0 {
		return nil
	}
	lock, err := dirlock.Share(dir)
	if errors.Is(err, dirlock.ErrHeld) {
		return err
	}
	if err == nil {
		if err := lock.Close(); err != nil {
			return err
		}
	}
	name, as := fmt.Sprintf("the user with ID %d", uid), "'#"+strconv.Itoa(uid)+"'"
	if u, err := user.LookupId(strconv.Itoa(uid)); err == nil {
		name, as = "user "+u.Username, shellword.Quote(u.Username)
	}
	line := []string{"sudo", "-u", as, "netherite"}
	args, _ := ctx.Value(argsKey{}).([]string)
	for _, a := range args {
		line = append(line, shellword.Quote(a))
	}
	return usagef("%s belongs to %s, and what root writes there that user cannot open: run it as that user: %s", at, name, strings.Join(line, " "))
}

// ownerOf is who owns a directory, or the nearest above it that is there; root where
// there are no such owners, or where nothing can be seen.
func ownerOf(dir string) (at string, uid int) {
	at, err := filepath.Abs(dir)
	if err != nil {
		return dir, 0
	}
	for {
		info, err := os.Stat(at)
		if err == nil {
			return at, userOf(info)
		}
		parent := filepath.Dir(at)
		if parent == at {
			return at, 0
		}
		at = parent
	}
}
