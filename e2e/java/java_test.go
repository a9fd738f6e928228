// Package java_test has the tests of the server with the Java SDK as it is
// published, durabletask-client from Maven. They need java, javac and mvn; what
// they install is installed once, and no network is needed from then on.
package java_test

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// suiteCases is how many cases the suite has at least, so that none gets lost.
const suiteCases = 126

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m, "results.json")
}

// record notes what cases came to, for the table of compatibility.
func record(t *testing.T, cases []sdktest.Case) {
	t.Helper()
	sdktest.Record(t, "java", "durabletask-client "+version(t), cases)
}

func TestEverythingThatTheJavaSDKCanSayWorks(t *testing.T) {
	s := sdktest.Start(t)
	cases := sdktest.Run(t, program(t, nil, suite(t), "e2e.Suite", port(t, s.GRPC)), suiteCases)
	record(t, cases)
	rows := regexp.MustCompile(`(?m)^\| .* \| ([a-z -]+: .*) \|$`).FindAllSubmatch(readFile(t, "README.md"), -1)
	if len(rows) == 0 {
		t.Error("there is no list of what is covered")
	}
	for _, row := range rows {
		if !slices.ContainsFunc(cases, func(c sdktest.Case) bool { return c.Test == string(row[1]) }) {
			t.Errorf("the list of what is covered names a case that there is not: %s", row[1])
		}
	}
}

// jars returns the class path of the SDK, and the archive of its sources.
func jars(t *testing.T) (classPath, sources string) {
	t.Helper()
	dir := sdktest.Jars(t, "java", ".")
	all, err := filepath.Glob(filepath.Join(dir, "*.jar"))
	if err != nil || len(all) == 0 {
		t.Fatalf("there are no archives in %s (%v)", dir, err)
	}
	var path []string
	for _, jar := range all {
		if strings.HasSuffix(jar, "-sources.jar") {
			sources = jar
		} else {
			path = append(path, jar)
		}
	}
	return strings.Join(path, string(filepath.ListSeparator)), sources
}

// suite compiles the suite, once for each content of its files, and returns its
// class path.
func suite(t *testing.T) string {
	t.Helper()
	libs, _ := jars(t)
	files, err := filepath.Glob("src/e2e/*.java")
	if err != nil || len(files) == 0 {
		t.Fatalf("there is no suite: %v", err)
	}
	dir := sdktest.Packages(t, "java-suite", append(files, "pom.xml"), func(dir string) error { return compile(dir, libs, files) })
	return dir + string(filepath.ListSeparator) + libs
}

func compile(dir, libs string, files []string) error {
	out, err := exec.Command("javac", append([]string{"--release", "17", "-nowarn", "-d", dir, "-cp", libs}, files...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("compile: %w\n%s", err, out)
	}
	return nil
}

// program is a Java program that starts fast and needs little memory.
func program(t *testing.T, more []string, classPath, class string, args ...string) *exec.Cmd {
	t.Helper()
	a := append([]string{"-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Xmx384m"}, more...)
	cmd := exec.CommandContext(t.Context(), "java", append(append(a, "-cp", classPath, class), args...)...)
	cmd.Env = append(os.Environ(), "JAVA_TOOL_OPTIONS=", "LC_ALL=C.UTF-8")
	return cmd
}

func port(t *testing.T, address string) string {
	t.Helper()
	_, p, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	return p
}
