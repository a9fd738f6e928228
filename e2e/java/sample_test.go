package java_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// defaultPort is where an SDK looks for the server if it is told nothing.
const defaultPort = "4001"

// startAtDefault starts a server that programs with default settings find. They look
// at port 4001 of localhost; for them that is a loopback address of this test's own,
// so that nothing else on this machine is in the way. It returns what java needs for
// that.
func startAtDefault(t *testing.T) []string {
	t.Helper()
	address := ""
	for n := range 250 {
		a := fmt.Sprintf("127.%d.%d.%d", 1+n, os.Getpid()>>8&0xff, 1+os.Getpid()%250)
		l, err := net.Listen("tcp", net.JoinHostPort(a, defaultPort))
		if err == nil {
			address = a
			_ = l.Close()
			break
		}
	}
	if address == "" {
		t.Fatal("port 4001 is taken at each of 250 loopback addresses")
	}
	sdktest.Start(t, "--grpc", net.JoinHostPort(address, defaultPort))
	hosts := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hosts, []byte(address+" localhost\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return []string{"-Djdk.net.hosts.file=" + hosts}
}

func TestSamplesOfTheSDKsDocumentationRunUnchanged(t *testing.T) {
	libs, sources := jars(t)
	text := string(readFile(t, "testdata/Javadoc.java"))
	samples := javadoc(t, sources, "com/microsoft/durabletask/TaskOrchestrationContext.java")
	text = regexp.MustCompile(`(?m)^\s*// SAMPLE (.*)$`).ReplaceAllStringFunc(text, func(line string) string {
		_, with, _ := strings.Cut(line, "// SAMPLE ")
		for _, s := range samples {
			if strings.Contains(s, with) {
				return s
			}
		}
		t.Errorf("no sample of the documentation has %s", with)
		return ""
	})
	file := filepath.Join(t.TempDir(), "Javadoc.java")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	record(t, sdktest.Run(t, program(t, startAtDefault(t), libs, file), 3))
}

// javadoc returns the samples in the comments of a source file.
func javadoc(t *testing.T, archive, name string) (samples []string) {
	t.Helper()
	z, err := zip.OpenReader(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	f, err := z.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := io.ReadAll(f)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range regexp.MustCompile(`(?s)<pre>\{@code\n(.*?)\s*\}</pre>`).FindAllSubmatch(text, -1) {
		samples = append(samples, string(regexp.MustCompile(`(?m)^\s*\* ?`).ReplaceAll(m[1], nil)))
	}
	return samples
}

// secureHost is where our page has the server with TLS and keys.
const secureHost = `"localhost", 4443`

func TestTheProgramsOfOurPageRun(t *testing.T) {
	page := readFile(t, "../../docs/sdk-java.md")
	pom := block(t, page, "pom.xml")
	if !bytes.Contains(pom, []byte("<version>"+version(t)+"</version>")) {
		t.Errorf("the page has another version than is tested:\n%s", pom)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "pom.xml"), pom, 0o644); err != nil {
		t.Fatal(err)
	}
	libs := sdktest.Jars(t, "java-page", dir)
	more := startAtDefault(t)
	secure, folder := sdktest.StartSecure(t)
	prints := regexp.MustCompile("(?s) prints:\n\n```\n(.*?)```").FindAllSubmatch(page, -1)
	for n, name := range []string{"Hello.java", "Orders.java", "Secure.java"} {
		ok := t.Run(name, func(t *testing.T) {
			file := filepath.Join(dir, name)
			text := bytes.Replace(block(t, page, name), []byte(secureHost), []byte(`"localhost", `+port(t, secure.GRPC)), 1)
			if err := os.WriteFile(file, text, 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := program(t, more, filepath.Join(libs, "*"), file)
			if name == "Secure.java" {
				cmd = program(t, nil, filepath.Join(libs, "*"), file)
				cmd.Dir = folder
			}
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("%v\n%s\n%s", err, out, stderr.String())
			}
			if n >= len(prints) || !bytes.Equal(out, prints[n][1]) {
				t.Errorf("it prints\n%swhich the page does not say", out)
			}
		})
		record(t, []sdktest.Case{{Test: "documentation: " + name, OK: ok}})
	}
}

// version is the SDK's in the suite's own list of packages.
func version(t *testing.T) string {
	t.Helper()
	v := regexp.MustCompile(`<version>([0-9]+\.[0-9]+\.[0-9]+)</version>`).FindSubmatch(readFile(t, "pom.xml"))
	if v == nil {
		t.Fatal("the list of packages has no version")
	}
	return string(v[1])
}

// block returns a file of a page: the block of code after its name and a colon.
func block(t *testing.T, page []byte, name string) []byte {
	t.Helper()
	m := regexp.MustCompile("(?s)`" + regexp.QuoteMeta(name) + "`:\n\n```[a-z]*\n(.*?)```").FindSubmatch(page)
	if m == nil {
		t.Fatalf("the page has no block %q", name)
	}
	return m[1]
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
