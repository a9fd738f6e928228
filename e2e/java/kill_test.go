package java_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/e2e/sdktest"
)

const (
	killEach  = 10 // instances of each kind
	killTasks = killEach * (6 + 8 + 14 + 2 + 5 + 2*3)
)

// killAt says after how many runs of activities the server is killed.
var killAt = []int{killTasks / 6, killTasks / 2, killTasks * 5 / 6}

func TestNothingIsLostOrDoneTwiceWhenTheServerIsKilledUnderJavaWorkers(t *testing.T) {
	s := sdktest.Start(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	cmd := program(t, nil, suite(t), "e2e.Kill", port(t, s.GRPC), port(t, l.Addr().String()), strconv.Itoa(killEach))
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() {
		ended <- cmd.Wait()
		_ = l.Close() // nobody will come any more
	}()
	runs, kills := killUnder(t, s, l)
	if err := <-ended; err != nil {
		t.Errorf("the program: %v\n%s", err, stderr.String()[max(0, stderr.Len()-4000):])
	}
	if kills != len(killAt) {
		t.Errorf("the server was killed %d times, want %d: the work was over before", kills, len(killAt))
	}
	again := 0
	for task, n := range runs {
		more := n - 1
		if strings.HasPrefix(task, "kill-retries-") {
			more-- // the first run fails
		}
		if again += more; more > kills {
			t.Errorf("task %q has run %d times more than it should, and a kill accounts for once", task, more)
		}
	}
	t.Logf("%d activities, the kills made %d of them run again", len(runs), again)
	report(t, stdout.String())
	judge(t, s, runs)
}

func TestHTTPCallsOfJavaOrchestrationsOutliveTheServer(t *testing.T) {
	s, target := sdktest.StartCalling(t)
	record(t, sdktest.Run(t, program(t, nil, suite(t), "e2e.Calls", port(t, s.GRPC), target.URL), 5))
	target.Judge(t)
}

// killUnder reads the ledger until the program ends, and kills the server on the
// way. It returns how often each task has run, and how often the server was killed.
func killUnder(t *testing.T, s *sdktest.Server, l net.Listener) (runs map[string]int, kills int) {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Errorf("the program has not come to the ledger: %v", err)
		return nil, 0
	}
	defer conn.Close()
	runs = map[string]int{}
	lines := bufio.NewScanner(conn)
	for n := 1; lines.Scan(); n++ {
		runs[lines.Text()]++
		if kills < len(killAt) && n >= killAt[kills] {
			s.Kill(t)
			s.Restart(t)
			kills++
		}
	}
	return runs, kills
}

// report makes the lines of the program subtests, and records them.
func report(t *testing.T, output string) {
	t.Helper()
	var cases []sdktest.Case
	for line := range strings.Lines(output) {
		var c sdktest.Case
		if err := json.Unmarshal([]byte(line), &c); err != nil || c.Test == "" {
			continue
		}
		cases = append(cases, c)
		t.Run(c.Test, func(t *testing.T) {
			if !c.OK {
				t.Error(c.Error)
			}
		})
	}
	if len(cases) != 6 {
		t.Errorf("there are %d kinds of orchestrations, want 6:\n%s", len(cases), output)
	}
	record(t, cases)
}

// judge reads all histories: each task that was scheduled has exactly one outcome,
// and was run.
func judge(t *testing.T, s *sdktest.Server, runs map[string]int) {
	t.Helper()
	conn, err := grpc.NewClient(s.GRPC, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	c := wire.NewTaskHubSidecarServiceClient(conn)
	page, err := c.QueryInstances(t.Context(), &wire.QueryInstancesRequest{Query: &wire.InstanceQuery{
		InstanceIdPrefix: wrapperspb.String("kill-"), MaxInstanceCount: 1000,
	}})
	if err != nil {
		t.Fatal(err)
	}
	if n := len(page.GetOrchestrationState()); n != 8*killEach { // each of one kind has two children
		t.Errorf("there are %d instances, want %d", n, 8*killEach)
	}
	for _, i := range page.GetOrchestrationState() {
		events, err := history(t.Context(), c, i.GetInstanceId())
		if err != nil {
			t.Fatal(err)
		}
		for _, wrong := range misdeeds(events, runs) {
			t.Errorf("%s: %s", i.GetInstanceId(), wrong)
		}
	}
}

func history(ctx context.Context, c wire.TaskHubSidecarServiceClient, id string) (all []*wire.HistoryEvent, err error) {
	stream, err := c.StreamInstanceHistory(ctx, &wire.StreamInstanceHistoryRequest{InstanceId: id})
	if err != nil {
		return nil, err
	}
	for {
		chunk, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, chunk.GetEvents()...)
	}
}

// misdeeds says what is wrong with a history.
func misdeeds(events []*wire.HistoryEvent, runs map[string]int) (out []string) {
	outcomes, ends := map[string]int{}, 0
	for _, e := range events {
		if s := e.GetTaskScheduled(); s != nil {
			outcomes[fmt.Sprintf("task %d", e.GetEventId())] += 0
			in, _ := strconv.Unquote(s.GetInput().GetValue())
			if key := in[:max(0, strings.LastIndexByte(in, ' '))]; runs[key] == 0 {
				out = append(out, fmt.Sprintf("task %d, %q, was never run", e.GetEventId(), key))
			}
		}
		if e.GetTimerCreated() != nil {
			outcomes[fmt.Sprintf("timer %d", e.GetEventId())] += 0
		}
		if e.GetSubOrchestrationInstanceCreated() != nil {
			outcomes[fmt.Sprintf("child %d", e.GetEventId())] += 0
		}
		switch {
		case e.GetTaskCompleted() != nil:
			outcomes[fmt.Sprintf("task %d", e.GetTaskCompleted().GetTaskScheduledId())]++
		case e.GetTaskFailed() != nil:
			outcomes[fmt.Sprintf("task %d", e.GetTaskFailed().GetTaskScheduledId())]++
		case e.GetTimerFired() != nil:
			outcomes[fmt.Sprintf("timer %d", e.GetTimerFired().GetTimerId())]++
		case e.GetSubOrchestrationInstanceCompleted() != nil:
			outcomes[fmt.Sprintf("child %d", e.GetSubOrchestrationInstanceCompleted().GetTaskScheduledId())]++
		case e.GetExecutionCompleted() != nil:
			ends++
		}
	}
	for what, n := range outcomes {
		if n != 1 {
			out = append(out, fmt.Sprintf("%s has %d outcomes", what, n))
		}
	}
	if ends != 1 {
		out = append(out, fmt.Sprintf("it has ended %d times", ends))
	}
	return out
}
