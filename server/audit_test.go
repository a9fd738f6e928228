package server

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

func TestWhatIsManagedIsWrittenDownWithWhoAndWhatCameOfIt(t *testing.T) {
	token, entry := key(t, "ops", map[string]gate.Role{"*": gate.Admin})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	ctx := as(t.Context(), token, "orders")
	if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	id := "i"
	_, _ = c.SuspendInstance(ctx, &wire.SuspendRequest{InstanceId: id})
	_, _ = c.ResumeInstance(ctx, &wire.ResumeRequest{InstanceId: id})
	_, _ = c.RewindInstance(ctx, &wire.RewindInstanceRequest{InstanceId: id})
	_, _ = c.TerminateInstance(ctx, &wire.TerminateRequest{InstanceId: id})
	_, _ = c.RestartInstance(ctx, &wire.RestartInstanceRequest{InstanceId: id, RestartWithNewInstanceId: true})
	_, _ = c.PurgeInstances(ctx, &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceId{InstanceId: id}})
	ids := strings.Split("a b c d e f g h i j k l", " ")
	_, _ = c.PurgeInstances(ctx, &wire.PurgeInstancesRequest{Request: &wire.PurgeInstancesRequest_InstanceBatch{InstanceBatch: &wire.InstanceBatch{InstanceIds: ids}}})
	_, _ = c.SkipGracefulOrchestrationTerminations(ctx, &wire.SkipGracefulOrchestrationTerminationsRequest{InstanceBatch: &wire.InstanceBatch{InstanceIds: ids[:2]}})
	_, _ = c.CreateTaskHub(as(t.Context(), token, "fresh"), &wire.CreateTaskHubRequest{})
	_, _ = c.DeleteTaskHub(as(t.Context(), token, "fresh"), &wire.DeleteTaskHubRequest{})
	for operation, want := range map[string][]string{
		"SuspendInstance": {"hub=orders", "instance=i", "outcome=OK"}, "ResumeInstance": {"instance=i", "outcome=OK"},
		"RewindInstance": {"instance=i", "outcome=FailedPrecondition"}, "TerminateInstance": {"instance=i", "outcome=OK"},
		"RestartInstance": {"instance=i", "outcome=OK"}, "PurgeInstances": {`instance="a b c d e f g h i j and 2 more"`, "outcome=OK"},
		"SkipGracefulOrchestrationTerminations": {`instance="a b"`, "outcome=OK"},
		"CreateTaskHub":                         {"hub=fresh", "outcome=OK"}, "DeleteTaskHub": {"hub=fresh", "outcome=OK"},
	} {
		want = append(want, "audit=true", "caller=key:ops", "from=127.0.0.1", "operation=/TaskHubSidecarService/"+operation+" ")
		if n := len(s.log.lines(want...)); n != 1 {
			t.Errorf("%s: %d lines with %q in\n%s", operation, n, want, s.log)
		}
	}
	for i, r := range []struct{ method, path, operation, instance, outcome string }{
		{"POST", "/instances/j%20k/terminate", "POST instances/{instance}/terminate", `"j k"`, "404"},
		{"POST", "/instances/i/suspend", "POST instances/{instance}/suspend", "i", "404"},
		{"DELETE", "/instances/i", "DELETE instances/{instance}", "i", "404"},
		{"DELETE", "/entities/Counter/k", "DELETE entities/{name}/{key}", "@counter@k", "202"},
	} {
		s.ask(t, r.method, httpapi.Base+r.path+"?taskHub=orders", "", map[string]string{"Authorization": token})
		if n := len(s.log.lines("caller=key:ops", "hub=orders", r.operation, "instance="+r.instance+" ", "outcome="+r.outcome)); n != 1 {
			t.Errorf("%d: %d lines for %+v in\n%s", i, n, r, s.log)
		}
	}
	if list := s.log.lines("operation=/TaskHubSidecarService/StartInstance"); len(list) > 0 {
		t.Errorf("starts are written down although that was not asked for: %s", list)
	}
}

func TestATaskHubThatIsMadeOnTheWayIsWrittenDownWithWhoHasNeededIt(t *testing.T) {
	token, entry := key(t, "shop", map[string]gate.Role{"*": gate.Client})
	s := start(t, func(c *Config) { c.Keys, c.OnDemand = []gate.Key{entry}, true })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	for range 2 { // the second one finds it
		if _, err := c.SignalEntity(as(t.Context(), token, "rpc"), &wire.SignalEntityRequest{InstanceId: "@e@k", Name: "op"}); err != nil {
			t.Fatal(err)
		}
	}
	s.ask(t, "POST", httpapi.Base+"/orchestrators/F?taskHub=web", "", map[string]string{"Authorization": token})
	for hub, want := range map[string][]string{
		"default": {"caller=server", `operation="create task hub"`},
		"rpc":     {"caller=key:shop", "from=127.0.0.1", `operation="create task hub for /TaskHubSidecarService/SignalEntity"`},
		"web":     {"caller=key:shop", "from=127.0.0.1", `operation="create task hub for POST `},
	} {
		want = append(want, "msg=done", "audit=true", "hub="+hub+" ", "outcome=OK")
		if n := len(s.log.lines(want...)); n != 1 {
			t.Errorf("%s: %d lines with %q in\n%s", hub, n, want, s.log)
		}
	}
	if n := len(s.log.lines(`"create task hub`)); n != 3 {
		t.Errorf("%d hubs were made by what the log says, and 3 were:\n%s", n, s.log)
	}
}

func TestStartsEventsAndSignalsAreWrittenDownIfThatIsAskedFor(t *testing.T) {
	s := start(t, func(c *Config) { c.AuditAll = true })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	_, _ = c.StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"})
	_, _ = c.SignalEntity(t.Context(), &wire.SignalEntityRequest{InstanceId: "@e@k", Name: "op"})
	_, _ = c.GetInstance(t.Context(), &wire.GetInstanceRequest{InstanceId: "i"})
	s.ask(t, "POST", httpapi.Base+"/instances/i/raiseEvent/E", "1", map[string]string{"Content-Type": "application/json"})
	for _, want := range [][]string{{"StartInstance", "instance=i"}, {"SignalEntity", "instance=@e@k"}, {"raiseevent", "instance=i", "outcome=202"}} {
		if n := len(s.log.lines(append(want, "caller=anonymous")...)); n != 1 {
			t.Errorf("%d lines with %q in\n%s", n, want, s.log)
		}
	}
	if list := s.log.lines("GetInstance"); len(list) > 0 {
		t.Errorf("what is read is written down: %s", list)
	}
}

func TestWhoIsRefusedIsWrittenDownAndCannotFillTheLog(t *testing.T) {
	token, entry := key(t, "a", map[string]gate.Role{"orders": gate.Reader})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	_, _ = c.StartInstance(as(t.Context(), token, "orders"), &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"})
	if n := len(s.log.lines("refused", "level=WARN", "caller=key:a", "hub=orders", "StartInstance", "outcome=PermissionDenied")); n != 1 {
		t.Errorf("%d lines in\n%s", n, s.log)
	}
	s.ask(t, "GET", httpapi.Base+"/instances", "", nil)
	if n := len(s.log.lines("refused", "from=127.0.0.1", "outcome=Unauthenticated")); n != 1 {
		t.Errorf("%d lines in\n%s", n, s.log)
	}
	for i := range 500 {
		_, _ = c.StartInstance(as(t.Context(), "nk_a_wrong", strings.Repeat("h", 5000)), &wire.CreateInstanceRequest{InstanceId: fmt.Sprint(i)})
	}
	if n := len(s.log.lines("refused")); n > 200 {
		t.Errorf("%d lines for 500 refusals", n)
	}
	for _, line := range s.log.lines("refused") {
		if len(line) > 2000 {
			t.Errorf("a line of %d bytes", len(line))
		}
	}
}

// Who has turned the log down still has who did what. Where nobody has a name there is
// nothing to have.
func TestTheAuditLogIsWrittenAtEveryLevel(t *testing.T) {
	token, entry := key(t, "ops", map[string]gate.Role{"*": gate.Admin})
	for name, keys := range map[string][]gate.Key{"named": {entry}, "anonymous": nil} {
		s := startAt(t, slog.LevelError, func(c *Config) { c.Keys = keys })
		c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
		_, _ = c.SuspendInstance(as(t.Context(), token, "default"), &wire.SuspendRequest{InstanceId: "i"})
		if n := len(s.log.lines("msg=done", "audit=true", "caller=key:ops", "SuspendInstance")); n != len(keys) {
			t.Errorf("%s: %d lines in\n%s", name, n, s.log)
		}
	}
}

// canary is in all that must not be written down.
const canary = "CANARY-2b91"

func TestNoPayloadKeyOrTokenIsEverInALog(t *testing.T) {
	token, entry := key(t, "ops", map[string]gate.Role{"*": gate.Admin})
	s := start(t, func(c *Config) { c.Keys, c.AuditAll = []gate.Key{entry}, true })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	ctx, text := as(t.Context(), token, ""), wrapperspb.String(`"`+canary+`"`)
	work, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"done", "failed", "bad"} {
		if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: id, Name: "F", Input: text, Tags: map[string]string{"t": canary}}); err != nil {
			t.Fatal(err)
		}
		_, _ = c.RaiseEvent(ctx, &wire.RaiseEventRequest{InstanceId: id, Name: "E", Input: text})
	}
	_, _ = c.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: "@e@k", Name: "op", Input: text})
	workUntilAllEnded(t, c, ctx, work, text)
	_, _ = c.SuspendInstance(ctx, &wire.SuspendRequest{InstanceId: "done", Reason: text})
	_, _ = c.TerminateInstance(ctx, &wire.TerminateRequest{InstanceId: "bad", Output: text})
	_, _ = c.RewindInstance(ctx, &wire.RewindInstanceRequest{InstanceId: "failed", Reason: text})
	_, _ = c.CompleteActivityTask(ctx, &wire.ActivityResponse{InstanceId: "done", CompletionToken: canary, Result: text})
	_, _ = c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "large", Name: "F", Input: wrapperspb.String(strings.Repeat(canary, 300_000))})
	header := map[string]string{"Authorization": "Bearer " + token, "Content-Type": "application/json"}
	for _, body := range []string{text.Value, canary, `{"` + canary, strings.Repeat(canary, 300_000)} {
		s.ask(t, "POST", httpapi.Base+"/orchestrators/F/http", body, header)
		s.ask(t, "POST", httpapi.Base+"/instances/http/raiseEvent/E", body, header)
		s.ask(t, "POST", httpapi.Base+"/entities/e/k?op=x", body, header)
	}
	s.ask(t, "POST", httpapi.Base+"/instances/http/terminate?reason="+canary+"&code="+token, "", nil)
	s.ask(t, "POST", httpapi.Base+"/instances/http/terminate?reason="+canary+"&code=nk_ops_"+canary, "", nil)
	for _, bad := range []string{canary, "nk_ops_" + canary, "nk_" + canary, canary + "." + canary + "." + canary, "Basic " + canary} {
		_, _ = c.StartInstance(as(t.Context(), bad, ""), &wire.CreateInstanceRequest{InstanceId: "x", Name: "F", Input: text})
		s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": bad})
	}
	secret := strings.TrimPrefix(token, "nk_ops_")
	for _, hidden := range []string{canary, secret, entry.Hashes[0]} {
		if list := s.log.lines(hidden); len(list) > 0 {
			t.Errorf("%s is in the log: %s", hidden, list[0])
		}
	}
	if n := len(s.log.lines("signalled operation failed", "hub=default", "entity=@e@k", "operation=op", "type=E")); n != 1 {
		t.Errorf("a signalled operation has failed, and the log has %d lines of it", n)
	}
	if len(s.log.lines("refused")) == 0 || len(s.log.lines("SuspendInstance")) == 0 {
		t.Error("the test does not see the log")
	}
}
