package ops_test

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestWhatTheTestsNeedIsNamedBeforeTheyRun: on a machine that has next to nothing, all
// that is missing is named at once, and is an error in CI alone.
func TestWhatTheTestsNeedIsNamedBeforeTheyRun(t *testing.T) {
	bin := t.TempDir()
	for _, name := range []string{"bash", "go", "id"} { // and no apt-get
		path, err := exec.LookPath(name)
		if err == nil {
			err = os.Symlink(path, filepath.Join(bin, name))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	tools := func(ci string, old map[string]string) (string, int) {
		t.Helper()
		path := bin
		if old != nil {
			path = t.TempDir() + ":" + bin
			for name, says := range old {
				if err := os.WriteFile(filepath.Join(strings.Split(path, ":")[0], name), []byte("#!"+bin+"/bash\necho "+says+"\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
		cmd := exec.Command(filepath.Join(bin, "bash"), "../../.ci/tools")
		cmd.Env = append(os.Environ(), "PATH="+path, "CI="+ci, "CC=bash")
		out, err := cmd.CombinedOutput()
		var failed *exec.ExitError
		if err != nil && !errors.As(err, &failed) {
			t.Fatal(err)
		}
		return string(out), cmd.ProcessState.ExitCode()
	}
	all := []string{"Node.js 20", "npm", "A JDK of Java 17", "Maven", "Python 3 with venv", "openssl", "strace", "Chromium", "systemd-analyze"}
	for ci, want := range map[string]int{"true": 1, "": 0} {
		out, code := tools(ci, nil)
		for _, what := range all {
			if code != want || strings.Count("\n"+out, "\n"+what) != 1 {
				t.Errorf("CI=%s: exit code %d, want %d, and a line about %s:\n%s", ci, code, want, what, out)
			}
		}
	}
	for name, says := range map[string]string{"node": "v18.19.0", "javac": "javac 11.0.2"} {
		if out, _ := tools("", map[string]string{name: says, "java": ""}); !strings.Contains(out, map[string]string{"node": "Node.js 20", "javac": "JDK"}[name]) {
			t.Errorf("%s is enough:\n%s", says, out)
		}
	}
	if out, _ := tools("", map[string]string{"node": "v22.1.0", "java": "", "javac": "javac 21"}); strings.Contains(out, "Node.js") || strings.Contains(out, "JDK") {
		t.Errorf("newer ones are not enough:\n%s", out)
	}
}
