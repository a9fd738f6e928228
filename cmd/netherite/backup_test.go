package main

import (
	"bytes"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

func TestABackupThatIsRefusedSaysWhyOnce(t *testing.T) {
	noContexts(t)
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "file")
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err == nil {
		err = closeHub(hub)
	}
	if err == nil {
		err = os.WriteFile(file, nil, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	whole := filepath.Join(t.TempDir(), "backup")
	if _, errs, code := commandLine(t, "backup", dir, whole); code != 0 {
		t.Fatal(errs)
	}
	if _, errs, code := commandLine(t, "restore", whole, filepath.Join(whole, "x")); code != exitUsage || strings.Count(errs, "is inside of") != 1 {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	for dest, c := range map[string]struct {
		says string
		code int
	}{
		filepath.Join(dir, "copy"): {"is inside of", exitUsage}, filepath.Join(file, "copy"): {"not a directory", exitFailed},
	} {
		_, errs, code := commandLine(t, "backup", dir, dest)
		if code != c.code || strings.Count(errs, c.says) != 1 || strings.Count(errs, "\n") != 1 {
			t.Errorf("to %s: exit code %d, want %d and %q once\n%s", dest, code, c.code, c.says, errs)
		}
	}
}

func TestABackupOfANewerProgramIsRefusedByNameByEachCommand(t *testing.T) {
	noContexts(t)
	dir, dest := t.TempDir(), t.TempDir()
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err == nil {
		err = closeHub(hub)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, errs, code := commandLine(t, "backup", dir, dest); code != 0 {
		t.Fatal(errs)
	}
	manifest := filepath.Join(dest, "manifest")
	data, err := os.ReadFile(manifest)
	if err != nil {
		t.Fatal(err)
	}
	body, _, _ := bytes.Cut(data, []byte("\n"))
	body = bytes.Replace(body, []byte(`{"format":1,`), []byte(`{"format":99,`), 1)
	sum := crc32.Checksum(body, crc32.MakeTable(crc32.Castagnoli))
	if err := os.WriteFile(manifest, fmt.Appendf(nil, "%s\ncrc32c %08x\n", body, sum), 0o600); err != nil {
		t.Fatal(err)
	}
	const says = "format 99, this program reads up to 1"
	for _, args := range [][]string{{"inspect", dest}, {"inspect", "--verify", dest}} {
		out, errs, code := commandLine(t, args...)
		if code != exitFailed || errs != "" || !strings.HasPrefix(out, "damage: file=manifest offset=0 kind=version partition=- detail=") ||
			!strings.Contains(out, says) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
	into := filepath.Join(t.TempDir(), "new")
	for _, args := range [][]string{{"restore", dest, into}, {"backup", dir, dest}} {
		out, errs, code := commandLine(t, args...)
		if code != exitFailed || out != "" || strings.Count(errs, says) != 1 || strings.Count(errs, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s%s", args, code, out, errs)
		}
	}
}

func TestABackupThatCannotBeLookedAtIsNotOneThatIsNotThere(t *testing.T) {
	noContexts(t)
	dest, into := t.TempDir(), filepath.Join(t.TempDir(), "new")
	if _, errs, code := commandLine(t, "restore", dest, into); code != exitNotFound || !strings.Contains(errs, "no backup in") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if err := os.Symlink("manifest", filepath.Join(dest, "manifest")); err != nil { // a link to itself
		t.Fatal(err)
	}
	if _, errs, code := commandLine(t, "restore", dest, into); code != exitFailed || !strings.Contains(errs, "look for a backup in "+dest) {
		t.Errorf("exit code %d\n%s", code, errs)
	}
}
