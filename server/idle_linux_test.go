package server

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

func TestMain(m *testing.M) {
	replaycheck.InTests()
	sdktest.Main(m)
}

// process is a server in a process of its own.
type process struct {
	Place
	t   *testing.T
	cmd *exec.Cmd
}

// spawn starts the real command. It is killed when the test ends.
func spawn(t *testing.T) *process {
	t.Helper()
	dir := t.TempDir()
	fifo := filepath.Join(dir, "out")
	out, err := os.Create(fifo)
	if err != nil {
		t.Fatal(err)
	}
	p := &process{t: t, cmd: exec.Command(sdktest.Binary(t), "dev", "--memory", "--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0", "--ready-file", filepath.Join(dir, "ready"))}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	p.cmd.Stdout, p.cmd.Stderr = write, out
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	_ = write.Close()
	t.Cleanup(func() {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		_, _ = read.Close(), out.Close()
	})
	if _, err := read.Read(make([]byte, 1)); err != nil { // it says where it is once it is ready
		text, _ := os.ReadFile(fifo)
		t.Fatalf("the server has ended: %v\n%s", err, text)
	}
	go func() { _, _ = io.Copy(io.Discard, read) }()
	b, err := os.ReadFile(filepath.Join(dir, "ready"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &p.Place); err != nil {
		t.Fatal(err)
	}
	return p
}

// resident is how much memory the process has, in bytes.
func (p *process) resident() int64 {
	p.t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.PID))
	if err != nil {
		p.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "VmRSS:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			if err != nil {
				p.t.Fatal(err)
			}
			return n << 10
		}
	}
	p.t.Fatal("there is no VmRSS")
	return 0
}

// from connects from an address of this machine: each is a caller of its own.
func (p *process) from(i int) wire.TaskHubSidecarServiceClient {
	p.t.Helper()
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.IPv4(127, 1, 0, byte(i+1))}}
	conn, err := grpc.NewClient("passthrough:"+p.GRPC[0], grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", address)
		}))
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { _ = conn.Close() })
	return wire.NewTaskHubSidecarServiceClient(conn)
}

// fanOut schedules activities, as many as a step may have.
func fanOut(ctx context.Context, c wire.TaskHubSidecarServiceClient, item *wire.WorkItem, n int) error {
	r := &wire.OrchestratorResponse{InstanceId: item.GetOrchestratorRequest().GetInstanceId(), CompletionToken: item.GetCompletionToken()}
	for i := range n {
		r.Actions = append(r.Actions, &wire.OrchestratorAction{Id: int32(i), OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "A"}}})
	}
	_, err := c.CompleteOrchestratorTask(ctx, r)
	return err
}

func TestTenThousandIdleStreamsOfAHundredCallersCostLittleAndAllAreServed(t *testing.T) {
	replaycheck.Not(t)
	const callers, streams, fan, most = 100, 100, 1000, 40 << 10
	p := spawn(t)
	before := p.resident()
	got := make(chan event, 2*callers*streams+callers)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer func() { _ = p.cmd.Process.Kill() }() // which ends them all
	var clients []wire.TaskHubSidecarServiceClient
	for i := range callers {
		c := p.from(i)
		clients = append(clients, c)
		for j := range streams {
			w, err := c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{MaxConcurrentActivityWorkItems: 1})
			if err != nil {
				t.Fatal(err)
			}
			wg.Go(func() { listen(i*streams+j, w, got) })
		}
		if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{InstanceId: "x"}); err != nil { // its streams are there
			t.Fatal(err)
		}
	}
	idle := p.resident()
	perStream := (idle - before) / (callers * streams)
	t.Logf("%d idle streams: %d MB before, %d MB after, %d bytes each", callers*streams, before>>20, idle>>20, perStream)
	if perStream > most {
		t.Errorf("a stream costs %d bytes, at most %d are expected", perStream, most)
	}
	for i := range callers * streams / fan {
		if _, err := clients[i].StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: fmt.Sprint(i), Name: "F"}); err != nil {
			t.Fatal(err)
		}
	}
	// Each stream takes one activity at a time, and none is completed: as many as there are streams reach them all.
	served := map[int]bool{}
	for len(served) < callers*streams {
		switch e := <-got; {
		case e.err != nil:
			t.Fatalf("stream %d has ended after %d were served: %v", e.stream, len(served), e.err)
		case e.item.GetActivityRequest() != nil:
			served[e.stream] = true
		default:
			if err := fanOut(t.Context(), clients[e.stream/streams], e.item, fan); err != nil {
				t.Fatal(err)
			}
		}
	}
	t.Logf("after each had an activity: %d MB", p.resident()>>20)
}
