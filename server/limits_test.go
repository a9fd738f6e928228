package server

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

const payloadLimit = 2 << 20

// payload is JSON of so many bytes.
func payload(size int) string { return `"` + strings.Repeat("x", size-2) + `"` }

func TestAPayloadHasTwoMebibytesAndNotAByteMore(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	ctx := t.Context()
	if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	for _, over := range []int{0, 1} {
		text := wrapperspb.String(payload(payloadLimit + over))
		for what, call := range inOrder(map[string]func() error{
			"a start": func() error {
				_, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "s", Name: "F", Input: text, OrchestrationIdReusePolicy: reuseAll()})
				return err
			},
			"raise": func() error {
				_, err := c.RaiseEvent(ctx, &wire.RaiseEventRequest{InstanceId: "i", Name: "E", Input: text})
				return err
			},
			"signal": func() error {
				_, err := c.SignalEntity(ctx, &wire.SignalEntityRequest{InstanceId: "@e@k", Name: "op", Input: text})
				return err
			},
			"terminate": func() error {
				_, err := c.TerminateInstance(ctx, &wire.TerminateRequest{InstanceId: "s", Output: text})
				return err
			},
		}) {
			limitedRPC(t, what, call(), over > 0, codes.InvalidArgument, fmt.Sprint(payloadLimit+1), fmt.Sprint(payloadLimit))
		}
		for what, path := range map[string]string{"start": "/orchestrators/F", "raise": "/instances/i/raiseEvent/E", "signal": "/entities/e/k?op=x"} {
			a := s.ask(t, "POST", httpapi.Base+path, text.Value, map[string]string{"Content-Type": "application/json"})
			limitedHTTP(t, what, a, over > 0, http.StatusRequestEntityTooLarge, fmt.Sprint(payloadLimit+1), fmt.Sprint(payloadLimit))
		}
	}
}

// inOrder goes through a map in the order of its keys.
func inOrder[V any](m map[string]V) iter.Seq2[string, V] {
	return func(yield func(string, V) bool) {
		for _, k := range slices.Sorted(maps.Keys(m)) {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// reuseAll lets a start replace whatever has the ID.
func reuseAll() *wire.OrchestrationIdReusePolicy {
	return &wire.OrchestrationIdReusePolicy{ReplaceableStatus: []wire.OrchestrationStatus{
		wire.OrchestrationStatus_ORCHESTRATION_STATUS_PENDING, wire.OrchestrationStatus_ORCHESTRATION_STATUS_RUNNING, wire.OrchestrationStatus_ORCHESTRATION_STATUS_TERMINATED,
	}}
}

// limitedRPC checks that a call was refused exactly if it went over a limit, with
// an error that says which.
func limitedRPC(t *testing.T, what string, err error, over bool, code codes.Code, says ...string) {
	t.Helper()
	if !over {
		if err != nil {
			t.Errorf("%s at the limit: %.300v", what, err)
		}
		return
	}
	if status.Code(err) != code {
		t.Errorf("%s over the limit: %.300v, want %v", what, err, code)
		return
	}
	for _, s := range says {
		if !strings.Contains(err.Error(), s) {
			t.Errorf("%s over the limit: %.300v, which does not say %q", what, err, s)
		}
	}
}

func limitedHTTP(t *testing.T, what string, a answer, over bool, code int, says ...string) {
	t.Helper()
	if !over {
		if a.code >= 400 {
			t.Errorf("%s at the limit: %d %.300s", what, a.code, a.body)
		}
		return
	}
	if a.code != code {
		t.Errorf("%s over the limit: %d %.300s, want %d", what, a.code, a.body, code)
		return
	}
	for _, s := range says {
		if !strings.Contains(a.body, s) {
			t.Errorf("%s over the limit: %.300s, which does not say %q", what, a.body, s)
		}
	}
}

func TestAnInstanceIDHas256PrintableBytes(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	for name, id := range map[string]struct {
		id   string
		over bool
		says string
	}{
		"one byte":            {"a", false, ""},
		"256 bytes":           {strings.Repeat("a", 256), false, ""},
		"257 bytes":           {strings.Repeat("a", 257), true, "257 bytes, at most 256"},
		"256 bytes of é":      {strings.Repeat("é", 128), false, ""},
		"258 bytes of é":      {strings.Repeat("é", 129), true, "258 bytes, at most 256"},
		"a blank inside":      {"a b", false, ""},
		"@ inside":            {"a@b", false, ""},
		"a slash":             {"a/b", true, "contains"},
		"a backslash":         {`a\b`, true, "contains"},
		"a hash":              {"a#b", true, "contains"},
		"a question mark":     {"a?b", true, "contains"},
		"a line feed":         {"a\nb", true, "contains"},
		"a zero":              {"a\x00b", true, "contains"},
		"a direction mark":    {"a\u202eb", true, "contains"},
		"that of an entity":   {"@e@k", true, "entity"},
		"@ at the beginning":  {"@e", true, "@type@key"},
		"a dot, which is one": {".", false, ""},
	} {
		_, err := c.StartInstance(t.Context(), &wire.CreateInstanceRequest{InstanceId: id.id, Name: "F"})
		limitedRPC(t, name, err, id.over, codes.InvalidArgument, id.says)
		if id.id == "." { // a path has no such segment
			continue
		}
		if !id.over {
			id.id += "h"
			if len(id.id) > 256 {
				id.id = "h" + id.id[2:len(id.id)-1] + "h"
				id.id = strings.ToValidUTF8(id.id, "")
			}
		}
		a := s.ask(t, "POST", httpapi.Base+"/orchestrators/F/"+escape(id.id), "", nil)
		limitedHTTP(t, name, a, id.over, http.StatusBadRequest, id.says)
	}
	for _, id := range []string{"e@k", "@e", "@@k", "@e@" + strings.Repeat("k", 254), "@e@a/b"} {
		_, err := c.SignalEntity(t.Context(), &wire.SignalEntityRequest{InstanceId: id, Name: "op"})
		limitedRPC(t, id, err, true, codes.InvalidArgument)
	}
	_, err := c.SignalEntity(t.Context(), &wire.SignalEntityRequest{InstanceId: "@e@" + strings.Repeat("k", 253), Name: "op"})
	limitedRPC(t, "an entity's of 256 bytes", err, false, codes.OK)
}

// escape makes any text a segment of a path.
func escape(text string) string {
	var b strings.Builder
	for i := range len(text) {
		fmt.Fprintf(&b, "%%%02X", text[i])
	}
	return b.String()
}

func TestAMessageHas64Mebibytes(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	const limit = 64 << 20
	q := &wire.RaiseEventRequest{InstanceId: "i", Name: "E", Input: wrapperspb.String("")}
	fill := func(size int) *wire.RaiseEventRequest {
		q.Input.Value = strings.Repeat("x", size-100)
		q.Input.Value += strings.Repeat("x", size-proto.Size(q))
		if proto.Size(q) != size {
			t.Fatalf("%d bytes, want %d", proto.Size(q), size)
		}
		return q
	}
	_, err := c.RaiseEvent(t.Context(), fill(limit))
	limitedRPC(t, "a message at the limit", err, true, codes.InvalidArgument, "67108") // it was read, and has a payload that is too large
	_, err = c.RaiseEvent(t.Context(), fill(limit+1))
	limitedRPC(t, "a message", err, true, codes.ResourceExhausted, fmt.Sprint(limit+1), fmt.Sprint(limit))
	if a := s.ask(t, "POST", httpapi.Base+"/orchestrators/F", payload(4<<20+1), nil); a.code != http.StatusRequestEntityTooLarge || !strings.Contains(a.body, "more than 4194304 bytes") {
		t.Errorf("%d %.300s", a.code, a.body)
	}
}

func TestAHeaderHas16Kibibytes(t *testing.T) {
	s := start(t, nil)
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	get := func(size int) error {
		_, err := c.GetInstance(as(t.Context(), strings.Repeat("x", size), ""), &wire.GetInstanceRequest{InstanceId: "i"})
		return err
	}
	if err := get(15 << 10); err != nil {
		t.Errorf("below the limit: %v", err)
	}
	if err := get(17 << 10); err == nil || !strings.Contains(err.Error(), "header list size") {
		t.Errorf("over the limit: %v", err)
	}
	if a := s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"X-Long": strings.Repeat("x", 15<<10)}); a.code != 200 {
		t.Errorf("below the limit: %+v", a)
	}
	q, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+s.Place().HTTP+httpapi.Base+"/instances", nil)
	if err != nil {
		t.Fatal(err)
	}
	q.Header.Set("X-Long", strings.Repeat("x", 21<<10)) // up to 4 KiB are in a buffer before they are counted
	if a, err := http.DefaultClient.Do(q); err == nil { // else the connection ended before all was sent
		if a.Body.Close(); a.StatusCode != http.StatusRequestHeaderFieldsTooLarge {
			t.Errorf("over the limit: %s", a.Status)
		}
	}
}

func TestAnAnswerThatNoClientTakesIsAnErrorWithItsSize(t *testing.T) {
	s := start(t, nil)
	conn := s.dial(t, nil) // takes 4 MiB, as the SDKs do
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ctx := t.Context()
	big := wrapperspb.String(payload(payloadLimit))
	if _, err := c.StartInstance(ctx, &wire.CreateInstanceRequest{InstanceId: "i", Name: "F", Input: big}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.GetInstance(ctx, &wire.GetInstanceRequest{InstanceId: "i", GetInputsAndOutputs: true}); err != nil {
		t.Errorf("one payload fits: %v", err)
	}
	if _, err := c.TerminateInstance(ctx, &wire.TerminateRequest{InstanceId: "i", Output: big}); err != nil {
		t.Fatal(err)
	}
	_, err := c.GetInstance(ctx, &wire.GetInstanceRequest{InstanceId: "i", GetInputsAndOutputs: true})
	limitedRPC(t, "two payloads", err, true, codes.ResourceExhausted, "bytes", fmt.Sprint(gate.DefaultAnswer), "without")
	if _, err := c.GetInstance(ctx, &wire.GetInstanceRequest{InstanceId: "i"}); err != nil {
		t.Errorf("without payloads: %v", err)
	}
	if a := s.ask(t, "GET", httpapi.Base+"/instances/i", "", nil); a.code != 200 || len(a.body) < 2*payloadLimit {
		t.Errorf("over HTTP: %d, %d bytes", a.code, len(a.body))
	}
}

// openStreams opens streams of work, as many as it may, and returns the first error.
func openStreams(ctx context.Context, t *testing.T, c wire.TaskHubSidecarServiceClient, n int) (list []grpc.ServerStreamingClient[wire.WorkItem]) {
	t.Helper()
	for range n {
		w, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, w)
	}
	return list
}

func TestACallerHas100Streams(t *testing.T) {
	a, aEntry := key(t, "a", map[string]gate.Role{"*": gate.Worker})
	b, bEntry := key(t, "b", map[string]gate.Role{"*": gate.Worker})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{aEntry, bEntry} })
	c, other := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil)), wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	ctx, cancel := context.WithCancel(as(t.Context(), a, ""))
	defer cancel()
	ended := make(chan error, 101)
	for i, w := range append(openStreams(ctx, t, c, 50), openStreams(ctx, t, other, 51)...) { // over two connections
		go func() {
			_, err := w.Recv()
			ended <- fmt.Errorf("stream %d: %w", i, err)
		}()
	}
	err := <-ended // one of them is one too many
	limitedRPC(t, "a stream", err, true, codes.ResourceExhausted, "key:a has 100 streams", "one caller")
	select {
	case err := <-ended:
		t.Errorf("another one has ended: %v", err)
	default:
	}
	if _, err := c.GetInstance(as(t.Context(), a, ""), &wire.GetInstanceRequest{InstanceId: "i"}); err != nil {
		t.Errorf("calls that are no streams: %v", err)
	}
	work, err := c.GetWorkItems(as(t.Context(), b, ""), &wire.GetWorkItemsRequest{})
	if err != nil {
		t.Fatal(err)
	}
	cancel() // a's streams end, and their work goes to b's
	if _, err := c.StartInstance(as(t.Context(), a, ""), &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	if _, err := work.Recv(); err != nil {
		t.Errorf("another caller's stream: %v", err)
	}
}

func TestAStreamOverHTTPCountsUntilItsCallerIsGone(t *testing.T) {
	a, entry := key(t, "a", map[string]gate.Role{"*": gate.Reader})
	s := start(t, func(c *Config) { c.Keys, c.Streams = []gate.Key{entry}, 1 })
	open := func(ctx context.Context) int {
		q, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.Place().HTTP+httpapi.Base+"/changes", nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", a)
		r, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = r.Body.Close() })
		return r.StatusCode
	}
	for range 3 {
		ctx, cancel := context.WithCancel(t.Context())
		for open(ctx) != http.StatusOK { // until the server has noticed that the one before is gone
		}
		if code := open(ctx); code != http.StatusTooManyRequests {
			t.Errorf("a second stream is answered with %d", code)
		}
		cancel()
	}
}

func TestTheCallsOfOneCallerAreBounded(t *testing.T) {
	a, aEntry := key(t, "a", map[string]gate.Role{"*": gate.Client})
	b, bEntry := key(t, "b", map[string]gate.Role{"*": gate.Client})
	s := start(t, func(c *Config) { c.Keys, c.Limits.Calls = []gate.Key{aEntry, bEntry}, 2 })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	if _, err := c.StartInstance(as(t.Context(), a, ""), &wire.CreateInstanceRequest{InstanceId: "i", Name: "F"}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(as(t.Context(), a, ""))
	defer cancel()
	ended := make(chan error, 3)
	for range 3 { // of three that wait one is too many
		go func() {
			_, err := c.WaitForInstanceCompletion(ctx, &wire.GetInstanceRequest{InstanceId: "i"})
			ended <- err
		}()
	}
	limitedRPC(t, "a call", <-ended, true, codes.ResourceExhausted, "key:a has 2 calls under way")
	q := s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": a})
	limitedHTTP(t, "a request", q, true, http.StatusTooManyRequests, "key:a has 2 calls under way")
	q = s.ask(t, "GET", httpapi.Base+"/instances", "", map[string]string{"Authorization": b})
	limitedHTTP(t, "another caller's", q, false, 0)
}

func TestTheCallsOfOneCallerInASecondAreBounded(t *testing.T) {
	a, aEntry := key(t, "a", map[string]gate.Role{"*": gate.Client})
	b, bEntry := key(t, "b", map[string]gate.Role{"*": gate.Client})
	s := start(t, func(c *Config) { c.Keys, c.Limits.Rate = []gate.Key{aEntry, bEntry}, 1 })
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	var refused error
	for refused == nil { // one a second is less than what this makes, on any machine
		_, refused = c.GetInstance(as(t.Context(), a, ""), &wire.GetInstanceRequest{InstanceId: "i"})
	}
	limitedRPC(t, "a call", refused, true, codes.ResourceExhausted, "key:a makes more than 1 calls a second")
	if _, err := c.GetInstance(as(t.Context(), b, ""), &wire.GetInstanceRequest{InstanceId: "i"}); err != nil {
		t.Errorf("another caller: %v", err)
	}
}

func TestTheCallsOfATaskHubInASecondAreBounded(t *testing.T) {
	a, aEntry := key(t, "a", map[string]gate.Role{"*": gate.Client})
	b, bEntry := key(t, "b", map[string]gate.Role{"*": gate.Client})
	poor, poorEntry := key(t, "poor", map[string]gate.Role{"other": gate.Client})
	s := start(t, func(c *Config) { c.Keys, c.Limits.HubRate = []gate.Key{aEntry, bEntry, poorEntry}, 1 })
	if err := errors.Join(s.Create(t.Context(), "busy"), s.Create(t.Context(), "quiet")); err != nil {
		t.Fatal(err)
	}
	c := wire.NewTaskHubSidecarServiceClient(s.dial(t, nil))
	get := func(token, hub string) error {
		_, err := c.GetInstance(as(t.Context(), token, hub), &wire.GetInstanceRequest{InstanceId: "i"})
		return err
	}
	var refused error
	for refused == nil { // one a second is less than what this makes, on any machine
		refused = get(a, "busy")
	}
	limitedRPC(t, "a call", refused, true, codes.ResourceExhausted, `task hub "busy" has more than 1 calls a second`)
	for refused = nil; refused == nil; { // together
		refused = get(b, "busy")
	}
	limitedRPC(t, "another caller's", refused, true, codes.ResourceExhausted, `task hub "busy" has more than 1 calls a second`)
	for range 5 { // who may not use it does not use it up
		if err := get(poor, "quiet"); status.Code(err) != codes.PermissionDenied {
			t.Fatal(err)
		}
	}
	if err := get(a, "quiet"); err != nil {
		t.Errorf("in another hub: %v", err)
	}
	for limited := false; !limited; {
		q := s.ask(t, "GET", httpapi.Base+"/instances?taskHub=busy", "", map[string]string{"Authorization": a})
		if limited = q.code != http.StatusOK; limited {
			limitedHTTP(t, "a request", q, true, http.StatusTooManyRequests, "busy")
		}
	}
}

func TestWhoMayNotComeInIsToldSoBeforeAnythingOfAMessageIsRead(t *testing.T) {
	_, entry := key(t, "a", map[string]gate.Role{"*": gate.Client})
	s := start(t, func(c *Config) { c.Keys = []gate.Key{entry} })
	w, err := s.dial(t, nil).NewStream(t.Context(), &grpc.StreamDesc{ClientStreams: true}, "/TaskHubSidecarService/StartInstance")
	if err != nil {
		t.Fatal(err)
	}
	if err := w.RecvMsg(&wire.CreateInstanceResponse{}); status.Code(err) != codes.Unauthenticated { // nothing was sent
		t.Error(err)
	}
	conn, err := net.Dial("tcp", s.Place().HTTP)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := fmt.Fprintf(conn, "POST %s/orchestrators/F HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n", httpapi.Base); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 12)
	if _, err := conn.Read(b); err != nil || string(b) != "HTTP/1.1 401" {
		t.Errorf("%q, %v", b, err)
	}
}
