//go:build unix

package process

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netherite-go/netherite/internal/replaycheck"
)

// role, in the environment, makes the test program one of the children.
const role = "NETHERITE_PROCESS_ROLE"

// patience bounds each child.
const patience = 4 * time.Minute

// children are the programs that the tests run: each gets the arguments behind
// its name and prints a result.
var children = map[string]func(ctx context.Context, args []string) (result any, err error){
	"work":   work,
	"audit":  audit,
	"memory": fillMemory,
	"timers": fireTimers,
}

func TestMain(m *testing.M) {
	name := os.Getenv(role)
	if name == "" {
		replaycheck.InTests()
		goleak.VerifyTestMain(m, goleak.Cleanup(func(code int) {
			if built.dir != "" {
				_ = os.RemoveAll(built.dir) // temporary: the system removes what is left
			}
			os.Exit(code)
		}))
	}
	flag.Parse()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := children[name](ctx, flag.Args())
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(result)
	}
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// built are the programs, made once.
var built struct {
	once           sync.Once
	dir            string
	child, command string
	err            error
}

// programs builds the children, without the race detector, and the command.
func programs(t *testing.T) (child, command string) {
	t.Helper()
	built.once.Do(func() {
		if built.dir, built.err = os.MkdirTemp("", "netherite-process-"); built.err != nil {
			return
		}
		built.child, built.command = filepath.Join(built.dir, "child"), filepath.Join(built.dir, "netherite")
		for _, args := range [][]string{
			{"test", "-c", "-o", built.child, "."},
			{"build", "-o", built.command, "../../cmd/netherite"},
		} {
			if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
				built.err = fmt.Errorf("go %v: %w\n%s", args, err, out)
				return
			}
		}
	})
	if built.err != nil {
		t.Fatal(built.err)
	}
	return built.child, built.command
}

// start prepares a child process.
func start(t *testing.T, name string, args ...string) *exec.Cmd {
	t.Helper()
	child, _ := programs(t)
	cmd := exec.CommandContext(t.Context(), child, append([]string{"--"}, args...)...)
	cmd.Env = append(os.Environ(), role+"="+name)
	return cmd
}

// finish runs a child process to its end and decodes its result.
func finish(t *testing.T, cmd *exec.Cmd, result any) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %v\n%s", cmd.Args[1:], err, &stderr)
	}
	if err := json.Unmarshal(stdout.Bytes(), result); err != nil {
		t.Fatalf("%v: %v\n%s\n%s", cmd.Args[1:], err, &stdout, &stderr)
	}
}
