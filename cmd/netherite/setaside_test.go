package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
)

// withoutHistories is a hub that a repair has made of one whose histories were lost,
// as the log no longer had them: one instance, which had ended.
func withoutHistories(t *testing.T) (dir string) {
	dir = filepath.Join(t.TempDir(), "hub")
	greet := durable.Orchestration("Greet", func(_ *durable.Context, who string) (string, error) { return "Hello " + who, nil })
	for range 2 { // the log begins with the second opening
		hub, err := netherite.Open(dir, netherite.Serve(greet), netherite.Partitions(1))
		if err != nil {
			t.Fatal(err)
		}
		run, err := greet.Start(t.Context(), hub, "you", durable.ID("greeting"), durable.IfExists(durable.Attach))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := run.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := hub.Close(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	tables, err := filepath.Glob(filepath.Join(dir, "store", "history", "*.sst"))
	if err != nil || len(tables) == 0 {
		t.Fatal(tables, err)
	}
	for _, table := range tables {
		data, err := os.ReadFile(table)
		if err != nil {
			t.Fatal(err)
		}
		data[20] ^= 0x55
		if err := os.WriteFile(table, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if out, errs, code := commandLine(t, "repair", "--drop", dir); code != 0 {
		t.Fatal(code, out, errs)
	}
	return dir
}

// Of what had ended nothing is left to do, but that not all of it could be read is said.
func TestAnInstanceThatHadEndedWhenItWasQuarantinedIsShownToBeAndHasNothingToTryAgain(t *testing.T) {
	noContexts(t)
	dir := withoutHistories(t)
	for _, format := range []string{"table", "json"} {
		out, errs, code := commandLine(t, "instance", "show", "greeting", "--dir", dir, "-o", format)
		if code != 0 || !strings.Contains(out, "Completed") || !strings.Contains(out, "events of its history were lost") {
			t.Errorf("%s: exit code %d: %s%s", format, code, out, errs)
		}
	}
	if _, errs, code := commandLine(t, "instance", "retry", "greeting", "--dir", dir); code != exitUsage || !strings.Contains(errs, "nothing is left to do") {
		t.Errorf("retry: exit code %d: %s", code, errs)
	}
	if _, errs, code := commandLine(t, "instance", "purge", "greeting", "--dir", dir); code != 0 {
		t.Errorf("purge: exit code %d: %s", code, errs)
	}
}
