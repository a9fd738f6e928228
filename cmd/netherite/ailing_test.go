package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// A hub of which a partition is parked is served, and hub list says what is wrong.
func TestHubListSaysWhichHubsDoNotServeEverything(t *testing.T) {
	noContexts(t)
	data := t.TempDir()
	dir := filepath.Join(data, "hubs", "orders")
	for _, dir := range []string{dir, filepath.Join(data, "hubs", "default")} {
		hub, err := netherite.Open(dir, netherite.Partitions(2))
		if err != nil {
			t.Fatal(err)
		}
		if err := hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	park(t, dir, 1)
	at := serverOf(t, server.Config{Data: data}).Place().GRPC[0]

	out, errs, code := commandLine(t, "hub", "list", "--server", at)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if code != 0 || len(lines) != 2 || lines[0] != "default" || !strings.HasPrefix(lines[1], "orders\tdoes not serve everything: ") ||
		!strings.Contains(lines[1], "partition 1 is parked") {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	out, errs, code = commandLine(t, "hub", "list", "--server", at, "-o", "json")
	for _, want := range []string{`"hubs"`, `"ailing"`, `"name": "orders"`, "partition 1 is parked"} {
		if code != 0 || !strings.Contains(out, want) || strings.Contains(out, "broken") {
			t.Errorf("exit code %d, want %s:\n%s%s", code, want, out, errs)
		}
	}
}

// park puts nonsense in the place of the row that a partition begins with.
func park(t *testing.T, dir string, partition int) {
	t.Helper()
	r, err := netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	s, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Hub: r.Hub})
	if err != nil {
		t.Fatal(err)
	}
	stamp, err := s.Stamp(partition)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Set(substrate.Main, []byte{0, byte(partition), 'M'}, []byte("\x01nonsense"))
	if err := s.Apply(b, partition, stamp); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
