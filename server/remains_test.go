package server

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// makeHub makes a task hub in a data directory, and returns its folder.
func makeHub(t *testing.T, data, name string) string {
	t.Helper()
	dir := filepath.Join(data, "hubs", name)
	hub, err := netherite.Open(dir, netherite.Partitions(1), netherite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestAHubWhoseFileIsGoneIsMissedUntilItIsRepaired(t *testing.T) {
	data := t.TempDir()
	makeHub(t, data, "whole")
	lost := makeHub(t, data, "lost")
	if err := os.Remove(filepath.Join(lost, "hub")); err != nil {
		t.Fatal(err)
	}
	s := start(t, func(c *Config) { c.Data, c.OnDemand, c.Hub = data, false, "whole" })
	if a := s.ask(t, "GET", "/readyz", "", nil); a.code != 503 || strings.TrimSpace(a.body) != `{"status":"not ready"}` {
		t.Errorf("/readyz answers %d %s", a.code, a.body)
	}
	if len(s.log.lines("level=ERROR", "lost", "netherite repair --dry-run "+lost)) == 0 {
		t.Errorf("the log says nothing of it: %s", s.log)
	}
	if err := s.hubs.Broken()["lost"]; !errors.Is(err, engine.ErrDamaged) {
		t.Errorf("it is broken for %v", err)
	}
	if _, err := s.hubs.Hub(t.Context(), "lost"); !errors.Is(err, engine.ErrDamaged) {
		t.Errorf("who calls it is told %v", err)
	}
	if _, err := netherite.Repair(t.Context(), lost, netherite.RepairOptions{}); err != nil {
		t.Fatal(err)
	}
	s.hubs.retryBroken(t.Context())
	if n := len(s.hubs.Broken()); n != 0 {
		t.Errorf("after its repair %d are broken: %v", n, s.hubs.Broken())
	}
}

func TestAFolderThatABrokenOffCreationHasLeftIsNoHub(t *testing.T) {
	data := t.TempDir()
	for _, name := range []string{"LOCK", "HOLDER.tmp", "hub.tmp"} {
		dir := filepath.Join(data, "hubs", "new")
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if found, err := FindHubs(data); err != nil || len(found) != 0 {
		t.Errorf("found %q, %v", found, err)
	}
	makeHub(t, data, "new")
	if found, err := FindHubs(data); err != nil || len(found) != 1 {
		t.Errorf("then found %q, %v", found, err)
	}
}
