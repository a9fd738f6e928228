//go:build unix

package owner

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/engine"
)

func TestSocketIsForItsOwnerAlone(t *testing.T) {
	dir := t.TempDir()
	opened(t, dir, &recorder{})
	info, err := os.Stat(filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Type() != os.ModeSocket || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, want a socket with 0600", info.Mode())
	}
}

func TestDirectoryWithLongPath(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir := filepath.Join(temp, strings.Repeat("long/", 60))
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s, c := opened(t, dir, &recorder{answer: 3})
	n, err := c.Purge(t.Context(), "i", false)
	if err != nil || n != 3 {
		t.Fatalf("call: %d, %v", n, err)
	}
	target, err := os.Readlink(filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]os.FileMode{target: 0o600, filepath.Dir(target): 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode().Perm() != want {
			t.Errorf("%s: %v, %v, want %v", path, info.Mode(), err, want)
		}
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{filepath.Join(dir, SocketName), filepath.Dir(target)} {
		if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is left behind: %v", path, err)
		}
	}
}

func TestSocketOfKilledProcessIsReplaced(t *testing.T) {
	dir := t.TempDir()
	stale, err := net.Listen("unix", filepath.Join(dir, SocketName))
	if err != nil {
		t.Fatal(err)
	}
	stale.(*net.UnixListener).SetUnlinkOnClose(false)
	if err := stale.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := Dial(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("Dial of a socket without a process: %v", err)
	}
	_, c := opened(t, dir, &recorder{})
	if err := c.Raise(t.Context(), engine.RaiseRequest{}); err != nil {
		t.Fatal(err)
	}
}

func TestPrivateDirectoryOfKilledProcessIsRemoved(t *testing.T) {
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	dir, private := filepath.Join(temp, strings.Repeat("long/", 60)), filepath.Join(temp, "netherite-1")
	for _, d := range []string{dir, private} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	socket := filepath.Join(private, SocketName)
	for _, err := range []error{os.WriteFile(socket, nil, 0o600), os.Symlink(socket, filepath.Join(dir, SocketName))} {
		if err != nil {
			t.Fatal(err)
		}
	}
	opened(t, dir, &recorder{})
	if _, err := os.Lstat(private); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is left behind: %v", private, err)
	}
}
