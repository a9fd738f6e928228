package ops_test

import (
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

func TestEveryURLThatAServerPrintsIsThere(t *testing.T) {
	data := filepath.Join(t.TempDir(), "data")
	p := start(t, append([]string{"dev", "--data", data}, loopback...)...)
	said := map[string]string{}
	for _, line := range p.out {
		what, rest, _ := strings.Cut(line, ":")
		said[what] = strings.TrimSpace(rest)
	}
	ready, alive, _ := strings.Cut(said["probes"], ", ")
	for what, url := range map[string]string{
		"HTTP API": said["HTTP API"] + "/instances", "probes": ready, "the second probe": alive, "metrics": said["metrics"], "profiles": said["profiles"],
	} {
		if !strings.HasPrefix(url, "http://127.0.0.1:") {
			t.Errorf("%s is no URL: %q in %q", what, url, p.out)
			continue
		}
		if code, text := ask(t, "GET", url, ""); code != 200 {
			t.Errorf("%s, %s, answers %d %s", what, url, code, text)
		}
	}
	endpoint, _, _ := strings.Cut(strings.TrimPrefix(said["connection"], "Endpoint=http://"), ";")
	for _, address := range []string{strings.TrimPrefix(said["gRPC"], "http://"), endpoint} {
		c, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := wire.NewTaskHubSidecarServiceClient(c).Hello(t.Context(), &emptypb.Empty{}); err != nil {
			t.Errorf("%s in %q: %v", address, p.out, err)
		}
		_ = c.Close()
	}
	if said["data"] != data {
		t.Errorf("the data lies in %s, it says %q", data, said["data"])
	}
}
