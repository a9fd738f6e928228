package javascript_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/netherite-go/netherite/e2e/sdktest"
)

// program is a program of the page, and what follows it: its output.
var program = regexp.MustCompile("(?s)```js\\n(.*?)```.*?```text\\n(.*?)```")

func TestTheProgramsOfThePageDoWhatItSays(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/sdk-javascript.md")
	if err != nil {
		t.Fatal(err)
	}
	programs := program.FindAllSubmatch(page, -1)
	if blocks := bytes.Count(page, []byte("```js")); len(programs) != blocks || blocks == 0 {
		t.Fatalf("%d of the %d programs of the page say what they print", len(programs), blocks)
	}
	s := sdktest.Start(t)
	secure, dir := sdktest.StartSecure(t)
	var cases []sdktest.Case
	for i, p := range programs {
		c := sdktest.Case{Test: fmt.Sprintf("documentation: program %d of the page", i+1)}
		c.OK = t.Run(c.Test, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "program.js")
			if err := os.WriteFile(file, p[1], 0o644); err != nil {
				t.Fatal(err)
			}
			cmd := node(t, s, file)
			if bytes.Contains(p[1], []byte(sdktest.SecureAddress)) {
				cmd.Dir, cmd.Env = dir, append(cmd.Env, "NETHERITE="+secure.GRPC)
			} else {
				cmd.Env = append(cmd.Env, "NETHERITE="+s.GRPC, "NETHERITE_HTTP="+s.HTTP)
			}
			cmd.Stderr = os.Stderr
			out, err := cmd.Output()
			if err != nil {
				t.Fatal(err)
			}
			if string(out) != string(p[2]) {
				t.Errorf("it prints\n%swhat the page says:\n%s", out, p[2])
			}
		})
		cases = append(cases, c)
	}
	sdktest.Record(t, "js", version(t, sdk), cases)
}
