package arch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
)

// listed is what "go list -json" says of a package.
type listed struct {
	ImportPath string
	Dir        string
	Export     string // file with its type information
	GoFiles    []string
}

// goList runs the go tool in the module, whose build cache answers fast.
func (t *Tree) goList(args ...string) (packages []listed, err error) {
	cmd := exec.Command("go", append([]string{"list", "-json=ImportPath,Dir,Export,GoFiles"}, args...)...)
	cmd.Dir = t.Root
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	for dec := json.NewDecoder(bytes.NewReader(out)); ; {
		var p listed
		switch err := dec.Decode(&p); {
		case errors.Is(err, io.EOF):
			return packages, nil
		case err != nil:
			return nil, fmt.Errorf("go list: %w", err)
		}
		packages = append(packages, p)
	}
}

// rootBans lists what a program that embeds the library must not be made to
// link, by prefix of the import path.
var rootBans = []struct{ prefix, why, except string }{
	{prefix: "google.golang.org/grpc", why: "the gRPC door is not part of the embedded library"},
	{prefix: "github.com/spf13/cobra", why: "the command line is not part of the embedded library"},
	{prefix: "github.com/spf13/pflag", why: "the command line is not part of the embedded library"},
	{prefix: "github.com/knadh/koanf", why: "configuration files are the command's"},
	{prefix: "go.opentelemetry.io/otel/sdk", why: "the program chooses its telemetry SDK; the library uses the API only"},
	{prefix: "go.opentelemetry.io/otel/exporters", why: "the program chooses where telemetry goes"},
	{prefix: "github.com/vbauerster/mpb", why: "progress bars are the command's"},
	{prefix: "github.com/jedib0t/go-pretty", why: "tables are the command's"},
	{prefix: "github.com/go-analyze/charts", why: "reports are the command's"},
	{prefix: "testing", why: "the library must not link the test framework"},
	{prefix: "{module}/door", why: "doors are mounted by those who want them; only the owner's socket is part of the hub", except: "{module}/door/owner"},
	{prefix: "{module}/trigger", why: "triggers are started by those who want them"},
	{prefix: "{module}/bench", why: "workloads are not part of the library"},
	{prefix: "{module}/cmd", why: "the command is not part of the library"},
	{prefix: "{module}/durable/durabletest", why: "the test kit is for tests"},
}

func checkRootDeps(t *Tree) (found []Violation, err error) {
	root := ""
	for _, f := range t.Files {
		if f.Dir == "." && !f.Test {
			root = f.Path
		}
	}
	if root == "" {
		return nil, nil
	}
	packages, err := t.goList("-deps", ".")
	if err != nil {
		return nil, err
	}
	for _, p := range packages {
		for _, ban := range rootBans {
			prefix := strings.ReplaceAll(ban.prefix, "{module}", t.Module)
			if p.ImportPath == strings.ReplaceAll(ban.except, "{module}", t.Module) {
				continue
			}
			if p.ImportPath == prefix || strings.HasPrefix(p.ImportPath, prefix+"/") {
				found = append(found, Violation{Path: root, Text: fmt.Sprintf("the root package depends on %s: %s", p.ImportPath, ban.why)})
			}
		}
	}
	return found, nil
}
