package main

import (
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
