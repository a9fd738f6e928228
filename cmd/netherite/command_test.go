package main

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/internal/replaycheck"
	"github.com/netherite-go/netherite/substrate/dirlock"
	"github.com/rogpeppe/go-internal/testscript"
	"go.uber.org/goleak"
)

// role, in the environment, makes this test program play another one: the
// command itself, for its own children, or a program that runs the hub in a
// directory until its standard input ends.
const (
	role        = "NETHERITE_TEST_ROLE"
	roleCommand = "command"
	roleHub     = "hub" // followed by ":" and the directory
)

var update = flag.Bool("update", false, "rewrite the expected output in the scripts")

func TestMain(m *testing.M) {
	switch r := os.Getenv(role); {
	case r == roleCommand && !slices.Contains(os.Args, "-test.fuzzworker"): // which a fuzzing test starts
		main()
	case len(r) > len(roleHub) && r[:len(roleHub)] == roleHub:
		runHub(r[len(roleHub)+1:])
	default:
		if err := os.Setenv(role, roleCommand); err != nil {
			panic(err)
		}
		replaycheck.InTests()
		goleak.VerifyTestMain(m)
	}
}

// runHub is the other process.
func runHub(dir string) {
	hub, err := netherite.Open(dir, netherite.Serve(handlers...), netherite.Logger(quietLogger))
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	_, _ = io.Copy(io.Discard, os.Stdin)
	if err := hub.Close(context.Background()); err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
}

// TestScripts runs the scripts in testdata/script. Beside the usual commands of
// such scripts they have:
//
//	netherite CODE ARGS...        run the command in this process, expect this exit code
//	until REGEXP ARGS...          run the command until its output matches
//	hub open|other|close|kill DIR run the hub of a directory with the code of
//	                              this test, here or in another process
//	hold DIR                      hold a directory without a socket
//	empty stdout|stderr           the last command wrote nothing there
//	pages N ARGS...               list all instances, N at a time, print their IDs
//	many N DIR                    start N orchestrations and wait for them
//	copy DIR DIR                  copy a directory that is not open
//	flip PATTERN                  flip a byte in the middle of what a file holds
//	replace FILE PATTERN          put another content into a file
//
// Times and generated IDs are replaced in the output that the scripts see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", UpdateScripts: *update,
		Setup: func(e *testscript.Env) error {
			e.Values[hubsKey{}] = &hubs{}
			// Short, so that a socket's path fits.
			e.Setenv("D", e.WorkDir+"/hub")
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"netherite": scriptNetherite, "until": scriptUntil, "hub": scriptHub,
			"hold": scriptHold, "empty": scriptEmpty, "pages": scriptPages, "many": scriptMany,
			"copy": scriptCopy, "flip": scriptFlip, "lose": scriptLose, "replace": scriptReplace,
		},
	})
}

var (
	timestamps = regexp.MustCompile(`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z`)
	generated  = regexp.MustCompile(`\b([0-9a-f]{32}|[0-9a-f-]{36}#\d+)\b`)
	sizes      = regexp.MustCompile(`("historyBytes": |events, )\d+`)
)

// scrub replaces what differs between runs.
func scrub(out []byte) []byte {
	out = timestamps.ReplaceAll(out, []byte("TIME"))
	out = generated.ReplaceAll(out, []byte("GENERATED"))
	return sizes.ReplaceAll(out, []byte("${1}N"))
}

// command runs a command line in this process.
func command(ctx context.Context, args ...string) (code int, stdout, stderr []byte) {
	var out, errs bytes.Buffer
	code = run(ctx, args, &out, &errs)
	return code, out.Bytes(), errs.Bytes()
}

func scriptNetherite(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: netherite EXITCODE ARGS...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	code, stdout, stderr := command(context.Background(), args[1:]...)
	fmt.Fprintf(ts.Stdout(), "%s", scrub(stdout))
	fmt.Fprintf(ts.Stderr(), "%s", scrub(stderr))
	if code != want {
		ts.Fatalf("netherite %q: exit code %d, want %d\n%s%s", args[1:], code, want, stdout, stderr)
	}
}

// untilPatience and untilPause bound what until does.
const (
	untilPatience = time.Minute
	untilPause    = 5 * time.Millisecond
)

func scriptUntil(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP ARGS...")
	}
	want, err := regexp.Compile("(?m)" + args[0])
	ts.Check(err)
	for deadline := time.Now().Add(untilPatience); ; {
		_, stdout, stderr := command(context.Background(), args[1:]...)
		if want.Match(stdout) || want.Match(stderr) {
			fmt.Fprintf(ts.Stdout(), "%s", scrub(stdout))
			return
		}
		if time.Now().After(deadline) {
			ts.Fatalf("netherite %q: no match for %s in\n%s%s", args[1:], want, stdout, stderr)
		}
		<-time.After(untilPause)
	}
}

func scriptEmpty(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: empty stdout|stderr")
	}
	if text := ts.ReadFile(args[0]); text != "" {
		ts.Fatalf("%s is not empty: %s", args[0], text)
	}
}

// scriptPages follows the continuation tokens.
func scriptPages(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: pages N ARGS...")
	}
	var ids []string
	for token := ""; ; {
		line := append([]string{"instance", "list", "-o", "json", "--limit", args[0], "--token", token}, args[1:]...)
		code, stdout, stderr := command(context.Background(), line...)
		if code != 0 {
			ts.Fatalf("netherite %q: exit code %d: %s", line, code, stderr)
		}
		var page struct {
			Instances []instanceJSON
			Token     string `json:"continuationToken"`
		}
		ts.Check(json.Unmarshal(stdout, &page))
		if want, err := strconv.Atoi(args[0]); err != nil || len(page.Instances) > want {
			ts.Fatalf("a page of %d instances, want %s", len(page.Instances), args[0])
		}
		for _, i := range page.Instances {
			ids = append(ids, i.InstanceID+"\n")
		}
		if token = page.Token; token == "" {
			break
		}
	}
	slices.Sort(ids)
	fmt.Fprint(ts.Stdout(), strings.Join(ids, ""))
}

func scriptHold(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hold DIR")
	}
	lock, err := dirlock.Acquire(args[0])
	ts.Check(err)
	ts.Defer(func() { ts.Check(lock.Close()) })
}
