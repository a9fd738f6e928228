package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/netherite-go/netherite/door/owner"
	"github.com/netherite-go/netherite/engine"
	"github.com/rogpeppe/go-internal/testscript"
)

// scriptMany fills a hub that the script has opened, here or elsewhere.
func scriptMany(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: many N DIR")
	}
	n, err := strconv.Atoi(args[0])
	ts.Check(err)
	hub, err := owner.Dial(args[1])
	ts.Check(err)
	defer hub.Close()
	for i := range n {
		id := fmt.Sprintf("many-%d", i)
		_, err := hub.Start(context.Background(), engine.StartRequest{Name: "Greets", Instance: id, Input: []byte(`"you"`)})
		ts.Check(err)
	}
	for i := range n {
		_, err := hub.Wait(context.Background(), fmt.Sprintf("many-%d", i), engine.UntilEnded, engine.GetOptions{})
		ts.Check(err)
	}
}

func scriptCopy(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: copy DIR DIR")
	}
	// A socket is no file to copy.
	if err := os.Remove(filepath.Join(args[0], "owner.sock")); err != nil && !os.IsNotExist(err) {
		ts.Fatalf("%v", err)
	}
	ts.Check(os.CopyFS(args[1], os.DirFS(args[0])))
}

// one finds the first file that matches.
func one(ts *testscript.TestScript, pattern string) (name string, data []byte) {
	names, err := filepath.Glob(pattern)
	ts.Check(err)
	if len(names) == 0 {
		ts.Fatalf("no file matches %s", pattern)
	}
	data, err = os.ReadFile(names[0])
	ts.Check(err)
	return names[0], data
}

func scriptReplace(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: replace FILE PATTERN")
	}
	name, _ := one(ts, args[1])
	ts.Check(os.WriteFile(name, []byte(ts.ReadFile(args[0])), 0o600))
}

// scriptFlip flips a byte in the middle of what the first file that matches
// holds before the zeros at its end.
func scriptFlip(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: flip PATTERN")
	}
	name, data := one(ts, args[0])
	content := bytes.TrimRight(data, "\x00")
	ts.Logf("%s: %d bytes of content in %d", filepath.Base(name), len(content), len(data))
	content[len(content)/2] ^= 0x01
	ts.Check(os.WriteFile(name, data, 0o600))
}

// scriptLose removes the files that match.
func scriptLose(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: lose PATTERN")
	}
	one(ts, args[0])
	names, err := filepath.Glob(args[0])
	ts.Check(err)
	for _, name := range names {
		ts.Check(os.Remove(name))
	}
}
