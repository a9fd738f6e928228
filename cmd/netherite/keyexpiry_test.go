package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/server/keyfile"
)

// keyCommand runs a command about the keys of a file, and returns all that it said.
func keyCommand(t *testing.T, file, line string) (said string, code int) {
	t.Helper()
	out, errs, code := commandLine(t, append([]string{"key"}, append(strings.Fields(line), "--keys-file", file)...)...)
	return out + errs, code
}

func TestAKeyHasTheEndThatItsCommandSays(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	end := func() time.Time {
		t.Helper()
		list, err := keyfile.Read(file)
		if err != nil {
			t.Fatal(err)
		}
		return list[0].Expires
	}
	for _, c := range []struct {
		line string
		want time.Time
	}{
		{"create ci --role *=reader --expires 9000-01-31", time.Date(9000, 1, 31, 0, 0, 0, 0, time.UTC)},
		{"rotate ci", time.Date(9000, 1, 31, 0, 0, 0, 0, time.UTC)},
		{"rotate ci --finish --expires 9001-01-31T18:00:00+01:00", time.Date(9001, 1, 31, 17, 0, 0, 0, time.UTC)},
		{"rotate ci --expires never", time.Time{}},
	} {
		if said, code := keyCommand(t, file, c.line); code != 0 || !end().Equal(c.want) {
			t.Errorf("%s: exit code %d, %s; it expires at %v, want %v", c.line, code, said, end(), c.want)
		}
	}
}

func TestAnEndThatIsOverIsRefusedAndNothingIsChanged(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys.yaml")
	for line, want := range map[string]string{
		"create ci --role *=reader --expires 2020-01-01": "that is over",
		"create ci --role *=reader --expires soon":       "2027-01-31",
	} {
		if said, code := keyCommand(t, file, line); code != exitUsage || !strings.Contains(said, want) {
			t.Errorf("%s: exit code %d, %s", line, code, said)
		}
	}
	if said, code := keyCommand(t, file, "create ci --role *=reader"); code != 0 {
		t.Fatal(said)
	}
	over := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	if err := keyfile.Change(file, func(list []gate.Key) ([]gate.Key, error) {
		list[0].Expires = over
		return list, nil
	}); err != nil {
		t.Fatal(err)
	}
	if said, code := keyCommand(t, file, "rotate ci"); code != exitUsage || !strings.Contains(said, "has expired at 2026-01-01T00:00:00Z") || !strings.Contains(said, "--expires") {
		t.Errorf("exit code %d, %s", code, said)
	}
	if said, _ := keyCommand(t, file, "list"); said != "ci\t1\t*=reader\texpired 2026-01-01T00:00:00Z\n" {
		t.Error(said)
	}
	if said, code := keyCommand(t, file, "rotate ci --expires 9000-01-01"); code != 0 {
		t.Error(said)
	}
	if said, _ := keyCommand(t, file, "list"); said != "ci\t2\t*=reader\texpires 9000-01-01T00:00:00Z\n" {
		t.Error(said)
	}
	if said, _ := keyCommand(t, file, "list -o json"); !strings.Contains(said, `"expires": "9000-01-01T00:00:00Z"`) {
		t.Error(said)
	}
}
