package server

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

func TestTwoListenersDoNotShareAPort(t *testing.T) {
	for _, same := range [][2]string{
		{"127.0.0.1:7002", "127.0.0.1:7002"}, {"localhost:7002", "127.0.0.1:7002"}, {"127.0.0.1:7002", "0.0.0.0:7002"}, {"[::]:7002", "[::1]:7002"},
	} {
		c := Config{Hub: "default", GRPC: []string{same[0]}, HTTP: same[1], Insecure: true}
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), "cannot both listen") {
			t.Errorf("%v: %v", same, err)
		}
		c.OtherPorts = []string{"grpc", "http", "admin"}
		if err := c.Check(); err != nil {
			t.Errorf("%v, where another port may be taken: %v", same, err)
		}
	}
	for _, apart := range [][2]string{{"127.0.0.1:7001", "127.0.0.1:7002"}, {"127.0.0.1:0", "127.0.0.1:0"}, {"127.0.0.1:7002", "127.0.0.2:7002"}, {"127.0.0.1:7002", ""}} {
		c := Config{Hub: "default", GRPC: []string{apart[0]}, HTTP: apart[1], Insecure: true}
		if err := c.Check(); err != nil {
			t.Errorf("%v: %v", apart, err)
		}
	}
}

func TestACheckFindsPlacesOnTheDiskThatCannotBeServed(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	others := t.TempDir()
	if err := os.WriteFile(filepath.Join(others, "notes"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	locked, wheels := folder(t, "LOCK", "notes"), folder(t, "hubs/wheel.jpg", "notes")
	hub := makeHub(t, dir, "shop")
	copied := filepath.Join(t.TempDir(), "copy")
	open, err := netherite.Open(hub)
	if err != nil {
		t.Fatal(err)
	}
	_, err = open.Backup(t.Context(), copied)
	if err = errors.Join(err, open.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]Config{
		"a file": {Data: file}, "no parent": {Data: filepath.Join(dir, "a", "b")}, "a hub": {Data: hub}, "a backup": {Data: copied},
		"a ready file nowhere": {ReadyFile: filepath.Join(dir, "a", "b")}, "a ready file that is a directory": {ReadyFile: dir},
		"a folder of somebody's": {Data: others}, "such a folder with a lock": {Data: locked}, "such a folder with hubs of another kind": {Data: wheels},
		"an origin": {Origins: []string{"x y"}},
	} {
		c.Hub = "default"
		if _, ok := errors.AsType[*ConfigError](c.Check()); !ok {
			t.Errorf("%s is accepted", name)
		}
	}
	for _, own := range [][]string{{}, {"lost+found"}, {"LOCK"}, {"LOCK", "HOLDER", "HOLDER.tmp"}, {"LOCK", "hubs/shop/log/x", "notes"}, {"hubs/", "notes"}, {"hubs/shop/hub", "notes"}} {
		if err := checkData(folder(t, own...)); err != nil {
			t.Errorf("a folder with %q: %v", own, err)
		}
	}
	c := Config{Hub: "default", Data: filepath.Join(dir, "new"), ReadyFile: filepath.Join(dir, "ready")}
	if err := c.Check(); err != nil {
		t.Errorf("what is well: %v", err)
	}
	if _, err := os.Stat(c.Data); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a check has made the data directory: %v", err)
	}
}

// folder makes a directory that holds files, and folders where a name ends in a slash.
func folder(t *testing.T, names ...string) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for _, name := range names {
		path := filepath.Join(dir, name)
		err := os.MkdirAll(filepath.Dir(path), 0o700)
		if err == nil && strings.HasSuffix(name, "/") {
			err = os.MkdirAll(path, 0o700)
		} else if err == nil {
			err = os.WriteFile(path, nil, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestARefusedDataDirectoryStaysAsItIs: what a refusal left there made the next server
// take the directory for its own.
func TestARefusedDataDirectoryStaysAsItIs(t *testing.T) {
	data := folder(t, "thesis.txt")
	for range 2 {
		for _, create := range []bool{true, false} {
			if _, err := LockData(data, create); !errors.Is(err, engine.ErrForeign) {
				t.Errorf("create %t: %v", create, err)
			}
		}
		if _, err := netherite.Open(data); !errors.Is(err, engine.ErrForeign) {
			t.Errorf("as a hub: %v", err)
		}
		if err := tryStart(t, Config{Data: data}, io.Discard); err == nil {
			t.Error("a server starts in it")
		}
	}
	if list, err := os.ReadDir(data); err != nil || len(list) != 1 {
		t.Errorf("it holds %v, %v", list, err)
	}
}

func TestAPortIsNotTakenForADirectoryThatCannotBe(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the start would fail for this port, had it come that far
	c := Config{Hub: "default", Data: filepath.Join(t.TempDir(), "none", "data"), GRPC: []string{l.Addr().String()}}
	if err := tryStart(t, c, io.Discard); !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "parent of the data directory") {
		t.Errorf("it is refused by: %v", err)
	}
}
