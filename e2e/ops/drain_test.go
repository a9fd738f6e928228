package ops_test

import (
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/remote"
)

// raw is a worker without an SDK, with one stream, whose connection makes no other.
type raw struct {
	t    *testing.T
	c    wire.TaskHubSidecarServiceClient
	work grpc.ServerStreamingClient[wire.WorkItem]
}

func newRaw(t *testing.T, p *process) *raw {
	t.Helper()
	r := &raw{t: t, c: dial(t, p)}
	var err error
	if r.work, err = r.c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{MaxConcurrentActivityWorkItems: 10}); err != nil {
		t.Fatal(err)
	}
	return r
}

// next is the next item, which is a step if there is an orchestrator in it.
func (r *raw) next() *wire.WorkItem {
	r.t.Helper()
	for {
		i, err := r.work.Recv()
		if err != nil {
			r.t.Fatal(err)
		}
		if i.GetHealthPing() == nil {
			return i
		}
	}
}

// step answers a step with one action.
func (r *raw) step(i *wire.WorkItem, a *wire.OrchestratorAction) {
	r.t.Helper()
	_, err := r.c.CompleteOrchestratorTask(r.t.Context(), &wire.OrchestratorResponse{
		InstanceId: i.GetOrchestratorRequest().GetInstanceId(), CompletionToken: i.GetCompletionToken(), Actions: []*wire.OrchestratorAction{a},
	})
	if err != nil {
		r.t.Fatal(err)
	}
}

// complete answers an activity.
func (r *raw) complete(i *wire.WorkItem) error {
	a := i.GetActivityRequest()
	_, err := r.c.CompleteActivityTask(r.t.Context(), &wire.ActivityResponse{
		InstanceId: a.GetOrchestrationInstance().GetInstanceId(), TaskId: a.GetTaskId(), CompletionToken: i.GetCompletionToken(), Result: wrapperspb.String(`"done"`),
	})
	return err
}

// begin starts an orchestration and returns the activity that it calls, which the
// worker has.
func (r *raw) begin(instance string) *wire.WorkItem {
	r.t.Helper()
	if _, err := r.c.StartInstance(r.t.Context(), &wire.CreateInstanceRequest{InstanceId: instance, Name: "O"}); err != nil {
		r.t.Fatal(err)
	}
	r.step(r.next(), &wire.OrchestratorAction{Id: 1, OrchestratorActionType: &wire.OrchestratorAction_ScheduleTask{ScheduleTask: &wire.ScheduleTaskAction{Name: "A"}}})
	i := r.next()
	if i.GetActivityRequest() == nil {
		r.t.Fatalf("not an activity: %v", i)
	}
	return i
}

// end ends the orchestration in a step that has the activity's result.
func (r *raw) end(i *wire.WorkItem) {
	r.t.Helper()
	for _, e := range i.GetOrchestratorRequest().GetNewEvents() {
		if c := e.GetTaskCompleted(); c != nil {
			r.step(i, &wire.OrchestratorAction{Id: 2, OrchestratorActionType: &wire.OrchestratorAction_CompleteOrchestration{CompleteOrchestration: &wire.CompleteOrchestrationAction{
				OrchestrationStatus: wire.OrchestrationStatus_ORCHESTRATION_STATUS_COMPLETED, Result: c.GetResult(),
			}}})
			return
		}
	}
	r.t.Fatalf("no result of an activity: %v", i)
}

// serverAt starts a server whose hub lies in a directory.
func serverAt(t *testing.T, data, drain string) *process {
	return start(t, append([]string{"dev", "--data", data, "--drain", drain}, loopback...)...)
}

// stopped asks a server to stop, which it has begun to do then.
func (p *process) stopped() {
	p.t.Helper()
	p.signal(syscall.SIGTERM, "stopping")
	until(p.t, "http://"+p.place.HTTP+"/readyz", 503)
}

func TestAWorkerCompletesWhatItHasWhileAServerStops(t *testing.T) {
	data := t.TempDir()
	p := serverAt(t, data, "10m")
	w := newRaw(t, p)
	activity := w.begin("i")
	waits := make(chan error, 1)
	go func() {
		_, err := w.c.WaitForInstanceCompletion(t.Context(), &wire.GetInstanceRequest{InstanceId: "i"})
		waits <- err
	}()
	p.stopped()
	if err := <-waits; status.Code(err) != codes.Unavailable {
		t.Errorf("who waits for the end is told %v", err)
	}
	another, err := w.c.GetWorkItems(t.Context(), &wire.GetWorkItemsRequest{})
	if err == nil {
		_, err = another.Recv()
	}
	if status.Code(err) != codes.Unavailable {
		t.Errorf("who asks for work is told %v", err)
	}
	if c, err := net.Dial("tcp", p.place.GRPC[0]); err == nil {
		_ = c.Close()
		t.Error("it can still be connected to")
	}
	if _, err := w.c.StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: "later", Name: "O"}); err != nil {
		t.Errorf("work that is under way can make no calls: %v", err)
	}
	if err := w.complete(activity); err != nil {
		t.Errorf("what the worker had is refused: %v", err)
	}
	for {
		i, err := w.work.Recv()
		if err != nil {
			if status.Code(err) != codes.Unavailable && !errors.Is(err, io.EOF) {
				t.Error(err)
			}
			break
		}
		if i.GetHealthPing() == nil {
			t.Errorf("it gives work out: %v", i)
		}
	}
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}

	w = newRaw(t, serverAt(t, data, "10m"))
	for ended := false; !ended; {
		i := w.next()
		switch i.GetOrchestratorRequest().GetInstanceId() {
		case "i":
			w.end(i)
			ended = true
		case "later": // was never begun
		default:
			t.Errorf("the activity runs again: %v", i)
		}
	}
	if r, err := w.c.WaitForInstanceCompletion(t.Context(), &wire.GetInstanceRequest{InstanceId: "i", GetInputsAndOutputs: true}); err != nil || r.GetOrchestrationState().GetOutput().GetValue() != `"done"` {
		t.Errorf("%v, %v", r, err)
	}
}

func TestWhatTakesLongerThanAServerDrainsRunsAgain(t *testing.T) {
	data := t.TempDir()
	p := serverAt(t, data, "50ms")
	late, w := newRaw(t, p), (*raw)(nil)
	activity := late.begin("i")
	p.signal(syscall.SIGTERM, "have not completed all that they had")
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	if err := late.complete(activity); err == nil {
		t.Error("a server that has ended takes a result")
	}
	w = newRaw(t, serverAt(t, data, "10m"))
	again := w.next()
	if again.GetActivityRequest().GetName() != "A" {
		t.Fatalf("not the activity: %v", again)
	}
	if err := w.complete(again); err != nil {
		t.Fatal(err)
	}
	w.end(w.next())
}

func TestAServerWhoseWorkersHaveNothingEndsAtOnce(t *testing.T) {
	p := serverAt(t, t.TempDir(), "10m")
	newRaw(t, p)
	p.signal(syscall.SIGTERM, "")
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
}

func TestASecondSignalEndsAServerThatDrains(t *testing.T) {
	for _, second := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		data := t.TempDir()
		p := serverAt(t, data, "10m")
		newRaw(t, p).begin("i")
		p.stopped()
		p.signal(second, "")
		if code := p.end(); code != 0 {
			t.Errorf("%v: it ends with %d", second, code)
		}
		if i := newRaw(t, serverAt(t, data, "10m")).next(); i.GetActivityRequest() == nil {
			t.Errorf("%v: what was not completed is not given out again: %v", second, i)
		}
	}
}

func TestAGoWorkerCompletesWhatItHasWhileItsServerStops(t *testing.T) {
	data := t.TempDir()
	p := serverAt(t, data, "10m")
	begun, release := make(chan struct{}, 10), make(chan struct{})
	slow := durable.Activity("Slow", func(context.Context, string) (string, error) {
		begun <- struct{}{}
		<-release
		return "done", nil
	})
	flow := durable.Orchestration("Flow", func(ctx *durable.Context, in string) (string, error) { return slow.Call(ctx, in).Await() })
	hub, err := remote.Dial(p.place.GRPC[0], netherite.Serve(slow, flow))
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Close(context.WithoutCancel(t.Context()))
	run, err := flow.Start(t.Context(), hub, "x")
	if err != nil {
		t.Fatal(err)
	}
	wait(t, begun, "an activity that has begun")
	p.stopped()
	close(release)
	if code := p.end(); code != 0 {
		t.Errorf("it ends with %d", code)
	}
	again := start(t, "dev", "--data", data, "--grpc", p.place.GRPC[0], "--http", "127.0.0.1:0", "--admin", "off")
	if got, err := run.Wait(t.Context()); err != nil || got != "done" {
		t.Errorf("%q, %v; the server's log:\n%q", got, err, again.lines())
	}
	if n := len(begun); n != 0 {
		t.Errorf("the activity ran %d times more", n)
	}
}
