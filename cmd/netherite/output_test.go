package main

import (
	"errors"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/netherite-go/netherite"
)

// failing is an output that takes nothing.
type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestNoCommandIsDoneWhoseOutputCouldNotBeWritten(t *testing.T) {
	noContexts(t)
	data, dir := t.TempDir(), t.TempDir()
	hub, err := netherite.Open(dir, netherite.Logger(quietLogger))
	if err == nil {
		err = hub.Close(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	keys := filepath.Join(t.TempDir(), "keys.yaml")
	if _, errs, code := commandLine(t, "key", "create", "a", "--role", "x=admin", "--keys-file", keys); code != 0 {
		t.Fatal(errs)
	}
	for _, line := range []string{
		"version", "help", "context list", "context list -o yaml", "key list --keys-file " + keys, "hub create a --data " + data, "hub list --data " + data, "hub list -o json --data " + data,
		"instance list --dir " + dir, "instance list -o yaml --dir " + dir, "entity list --dir " + dir, "instance terminate --all --dir " + dir, "inspect " + dir,
		"inspect --verify " + dir, "repair --dry-run " + dir, "sim --seed 7",
	} {
		for _, why := range []error{syscall.ENOSPC, syscall.EPIPE} {
			var errs strings.Builder
			code := run(t.Context(), strings.Fields(line), failing{why}, &errs)
			if said := errs.String(); code != exitFailed || errors.Is(why, syscall.ENOSPC) && !strings.Contains(said, why.Error()) {
				t.Errorf("%s: %v: exit code %d, %q", line, why, code, said)
			}
		}
	}
}

func TestWhatIsDamagedIsSaidOnceAndOnOneLine(t *testing.T) {
	var out strings.Builder
	one := netherite.Damage{File: "store/main/1.sst", Offset: 7, Kind: "crc", Detail: "a\n<corruption detail carrier>\na\nb", Partition: 2}
	printDamage(&out, []netherite.Damage{one, one, {File: "hub", Kind: "short", Detail: "gone", Partition: -1}})
	const want = `damage: file=store/main/1.sst offset=7 kind=crc partition=2 detail="a; b"
damage: file=hub offset=0 kind=short partition=- detail="gone"
`
	if out.String() != want {
		t.Errorf("%s", out.String())
	}
}
