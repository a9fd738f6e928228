//go:build unix

package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/netherite-go/netherite"
)

// stranger is a user that this test program is not.
const stranger = 65532

// giveAway has a directory with all that is in it belong to the stranger, if root runs
// the tests: only root gives files away. It reports whether it has done so.
func giveAway(t *testing.T, dir string) bool {
	t.Helper()
	if os.Geteuid() != 0 {
		return false
	}
	err := filepath.WalkDir(dir, func(path string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		return os.Lchown(path, stranger, stranger)
	})
	if err != nil {
		t.Fatal(err)
	}
	return true
}

// allOf is what is in a directory: names, owners and when they were changed.
func allOf(t *testing.T, dir string) string {
	t.Helper()
	var list strings.Builder
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		fmt.Fprintln(&list, path, info.Sys().(*syscall.Stat_t).Uid, info.Mode(), info.Size(), info.ModTime())
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return list.String()
}

// madeHub makes the task hub default in a data directory, and a backup of it.
func madeHub(t *testing.T, root string) (data, hub, copied string) {
	t.Helper()
	data, copied = filepath.Join(root, "data"), filepath.Join(root, "backup")
	hub = filepath.Join(data, "hubs", "default")
	for _, line := range [][]string{{"hub", "create", "default", "--data", data}, {"backup", hub, copied}} {
		if _, errs, code := commandLine(t, line...); code != exitDone {
			t.Fatal(line, code, errs)
		}
	}
	return data, hub, copied
}

func TestRootLeavesNoFilesOfItsOwnInTheHubsOfOthers(t *testing.T) {
	noContexts(t)
	root, backups := t.TempDir(), t.TempDir()
	data, hub, copied := madeHub(t, root)
	if !giveAway(t, root) { // then nobody but the owner writes into it, and is refused nothing
		if _, errs, code := commandLine(t, "hub", "create", "orders", "--data", data); code != exitDone {
			t.Errorf("the owner is refused: exit code %d, %s", code, errs)
		}
		return
	}
	before := allOf(t, root)
	as := fmt.Sprintf("sudo -u '#%d' netherite ", stranger)
	if u, err := user.LookupId(fmt.Sprint(stranger)); err == nil {
		as = "sudo -u " + u.Username + " netherite "
	}
	for _, line := range []string{
		"instance list --dir " + data,
		"instance list --dir " + hub,
		"instance start Greets --dir " + hub,
		"entity list --dir " + hub,
		"backup " + hub + " " + backups + "/new",
		"restore " + copied + " " + root + "/restored",
		"restore " + copied + " " + root + "/a/b/restored",
		"repair --dry-run " + hub,
		"repair " + hub,
		"hub create orders --data " + data,
		"hub create orders --data " + root + "/other",
		"hub list --data " + data,
		"hub delete default --yes --data " + data,
	} {
		_, errs, code := commandLine(t, strings.Fields(line)...)
		if code != exitUsage || !strings.Contains(errs, as+line) {
			t.Errorf("%s: exit code %d, %s\nwant %s", line, code, errs, as)
		}
		if after := allOf(t, root); after != before {
			t.Fatalf("%s has changed it: %s", line, cmp.Diff(before, after))
		}
	}
	if _, err := os.Stat(backups + "/new"); err == nil {
		t.Error("a backup was begun")
	}
	for _, line := range []string{"inspect " + hub, "inspect --verify " + hub, "inspect " + copied} {
		if _, errs, code := commandLine(t, strings.Fields(line)...); code != exitDone {
			t.Errorf("%s: exit code %d, %s", line, code, errs)
		}
		if after := allOf(t, root); after != before {
			t.Fatalf("%s has changed it: %s", line, cmp.Diff(before, after))
		}
	}
	if _, errs, code := commandLine(t, "restore", copied, backups+"/restored"); code != exitDone {
		t.Errorf("to restore a backup of others to a directory of root's: exit code %d, %s", code, errs)
	}
}

func TestRootMayAskAHubOfOthersThatIsServedAndIsToldWhoHoldsIt(t *testing.T) {
	noContexts(t)
	root := t.TempDir()
	_, dir, _ := madeHub(t, root)
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close(context.Background())
	giveAway(t, root) // to its owner the same holds
	for line, want := range map[string]int{
		"instance list --dir " + dir:                    exitDone,
		"backup " + dir + " " + t.TempDir() + "/backup": exitDone,
		"repair " + dir:                                 exitNotServed,
	} {
		if _, errs, code := commandLine(t, strings.Fields(line)...); code != want {
			t.Errorf("%s: exit code %d, want %d: %s", line, code, want, errs)
		}
	}
}
