//go:build samples

package samples

import (
	"bytes"
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

var folder = flag.String("samples", "", "folder that has the samples, as REPOSITORY/PATH")

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m)
}

// TestSamplesRunUnchanged starts a server for all of them, as a user does.
func TestSamplesRunUnchanged(t *testing.T) {
	list := load(t)
	if *folder == "" {
		t.Fatalf("-samples does not say where the %d samples are", len(list))
	}
	ports := []string{"127.0.0.1:4001", "127.0.0.1:8080"}
	var args []string
	for _, p := range ports { // where the samples look for a server
		l, err := net.Listen("tcp", p)
		if err != nil {
			t.Fatal(err)
		}
		_ = l.Close()
		args = append(args, "--grpc", p)
	}
	s := sdktest.Start(t, args...)
	for _, x := range list {
		t.Run(strings.Join(append([]string{x.Repository, x.Path}, x.Args...), " "), func(t *testing.T) {
			out := x.run(t, s, x.file(t))
			if !regexp.MustCompile(x.Prints).MatchString(out) {
				t.Errorf("it prints\n%swant %s", out, x.Prints)
			}
		})
	}
}

// file is where the sample lies, after a look whether it is that one.
func (x sample) file(t *testing.T) string {
	t.Helper()
	name, err := filepath.Abs(filepath.Join(*folder, x.Repository, x.Path))
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if n := utf8.RuneCount(text); n != x.Characters {
		t.Fatalf("%s is not the file of commit %s: it has %d characters, that has %d", name, x.Commit, n, x.Characters)
	}
	return name
}

// sampleTime bounds one sample.
const sampleTime = 3 * time.Minute

// run runs a sample as its SDK's users do, and returns what there is to see.
func (x sample) run(t *testing.T, s *sdktest.Server, file string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), sampleTime)
	defer cancel()
	var cmd *exec.Cmd
	switch filepath.Ext(file) {
	case ".py":
		cmd = exec.CommandContext(ctx, sdktest.Python(t), append([]string{file}, x.Args...)...)
	case ".ts":
		cmd = exec.CommandContext(ctx, "node", compiledTypeScript(t, file))
	case ".java":
		libs := filepath.Join(sdktest.Jars(t, "java-samples", "."), "*")
		dir := t.TempDir()
		done(t, exec.Command("javac", "-nowarn", "-d", dir, "-cp", libs, file))
		_, class, _ := strings.Cut(strings.TrimSuffix(file, ".java"), "/java/")
		cmd = exec.CommandContext(ctx, "java", "-Dserver.port=0", "-Xmx256m", "-cp", dir+string(filepath.ListSeparator)+libs, strings.ReplaceAll(class, "/", "."))
	default:
		t.Fatalf("nobody knows how to run %s", file)
	}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if x.Starts != "" {
		return x.started(t, s, cmd)
	}
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s", err, stderr.String())
	}
	return stdout.String()
}

// started has the orchestration done that somebody else is to start, while the
// program runs.
func (x sample) started(t *testing.T, s *sdktest.Server, cmd *exec.Cmd) string {
	t.Helper()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	}()
	id := strings.TrimSpace(done(t, exec.Command(sdktest.Binary(t), "instance", "start", x.Starts, "--input", x.Input, "--server", s.GRPC)))
	return done(t, exec.Command(sdktest.Binary(t), "instance", "wait", id, "--server", s.GRPC, "--timeout", sampleTime.String()))
}

// compiledTypeScript makes JavaScript of a file, beside the packages of the SDK.
func compiledTypeScript(t *testing.T, file string) string {
	t.Helper()
	dir, modules := t.TempDir(), sdktest.NodeModules(t)
	if err := os.Symlink(modules, filepath.Join(dir, "node_modules")); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(dir, filepath.Base(file))
	if err := os.WriteFile(beside, text, 0o644); err != nil {
		t.Fatal(err)
	}
	done(t, exec.Command(filepath.Join(modules, ".bin", "tsc"), "--module", "commonjs", "--target", "es2022", "--skipLibCheck", beside))
	return strings.TrimSuffix(beside, ".ts") + ".js"
}

// done runs a command to its end, and returns what it prints.
func done(t *testing.T, cmd *exec.Cmd) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s%s", cmd.Args, err, out, stderr.String())
	}
	return string(out)
}
