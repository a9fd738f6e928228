package gate

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// giver gives one item to each stream of work.
func giver() *service {
	s := answering()
	s.work = func(stream grpc.ServerStreamingServer[wire.WorkItem]) error {
		err := stream.Send(&wire.WorkItem{CompletionToken: "token"})
		<-stream.Context().Done()
		return err
	}
	return s
}

// keysFor makes keys of callers with a role for all hubs.
func keysFor(t *testing.T, roles map[string]Role) (Authenticator, map[string]string) {
	t.Helper()
	tokens := map[string]string{}
	var list []Key
	for name, r := range roles { // order-free: each is its own
		token, hash := newKeyOf(t, name)
		tokens[name] = token
		list = append(list, Key{Name: name, Hashes: []string{hash}, Roles: map[string]Role{Everywhere: r}})
	}
	return keysOf(t, list...), tokens
}

// work opens a stream of work and waits for its first item.
func work(ctx context.Context, t *testing.T, c wire.TaskHubSidecarServiceClient) {
	t.Helper()
	w, err := c.GetWorkItems(ctx, &wire.GetWorkItemsRequest{})
	if err == nil {
		_, err = w.Recv()
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestAnAnswerThatIsOwedIsTakenWhateverLimitIsUsedUp(t *testing.T) {
	for name, o := range map[string]Options{"rate": {Rate: 1}, "hub-rate": {HubRate: 1}, "calls": {Calls: 1}} {
		t.Run(name, func(t *testing.T) {
			auth, tokens := keysFor(t, map[string]Role{"worker": Worker, "idle": Worker, "reader": Reader})
			clock, s, hold, held := newTestClock(), giver(), make(chan struct{}), make(chan struct{}, 10)
			s.get = func(ctx context.Context) (*wire.GetInstanceResponse, error) {
				if name == "calls" {
					held <- struct{}{}
					<-hold
				}
				return &wire.GetInstanceResponse{}, nil
			}
			defer close(hold)
			o.Authenticators, o.Clock, o.DefaultHub = []Authenticator{auth}, clock, "orders"
			_, conn, _ := serveConn(t, s, o)
			c := wire.NewTaskHubSidecarServiceClient(conn)
			as := func(who string) context.Context {
				return metadata.AppendToOutgoingContext(t.Context(), "authorization", tokens[who])
			}
			work(as("worker"), t, c)
			clock.advance(1e9)
			flood := map[string]string{"rate": "worker", "hub-rate": "reader", "calls": "worker"}[name]
			for range 2 { // one is as much as there may be
				go func() { _, _ = c.GetInstance(as(flood), &wire.GetInstanceRequest{}) }()
			}
			if name == "calls" {
				<-held
			} else if err := untilRefused(c, as(flood)); status.Code(err) != codes.ResourceExhausted {
				t.Fatal(err)
			}
			answer := func(who string) error {
				_, err := c.CompleteActivityTask(as(who), &wire.ActivityResponse{CompletionToken: "token"})
				return err
			}
			h, err := c.StreamInstanceHistory(as("worker"), &wire.StreamInstanceHistoryRequest{})
			if err == nil {
				_, err = h.Recv()
			}
			if status.Code(err) != codes.Unimplemented { // by the service, which does not have it
				t.Errorf("what is needed for it: %v", err)
			}
			if err := answer("worker"); err != nil {
				t.Errorf("what is owed: %v", err)
			}
			if err := answer("worker"); status.Code(err) != codes.ResourceExhausted {
				t.Errorf("it has been answered, and one more is taken: %v", err)
			}
			if name == "hub-rate" {
				if err := answer("idle"); status.Code(err) != codes.ResourceExhausted {
					t.Errorf("of one who was given nothing: %v", err)
				}
			}
		})
	}
}

func untilRefused(c wire.TaskHubSidecarServiceClient, ctx context.Context) (err error) {
	for err == nil {
		_, err = c.GetInstance(ctx, &wire.GetInstanceRequest{})
	}
	return err
}

func TestWhatIsOwedIsOwedUntilItIsTaken(t *testing.T) {
	s, refusal := giver(), errors.New("later")
	s.does = func(_ context.Context, q proto.Message) error {
		if a, ok := q.(*wire.ActivityResponse); ok && a.TaskId > 0 {
			return refusal
		}
		return nil
	}
	g, conn, _ := serveConn(t, s, Options{HubRate: 1, DefaultHub: "orders", Clock: newTestClock()})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	work(ctx, t, c) // and uses up the rate
	for range 3 {
		if _, err := c.CompleteActivityTask(ctx, &wire.ActivityResponse{TaskId: 1}); !strings.Contains(status.Convert(err).Message(), "later") {
			t.Errorf("an answer that is not taken: %v", err)
		}
		if _, err := c.CompleteOrchestratorTask(ctx, &wire.OrchestratorResponse{IsPartial: true}); err != nil {
			t.Errorf("a part: %v", err)
		}
	}
	if _, err := c.CompleteOrchestratorTask(ctx, &wire.OrchestratorResponse{}); err != nil {
		t.Errorf("the last part: %v", err)
	}
	if _, err := c.CompleteOrchestratorTask(ctx, &wire.OrchestratorResponse{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("nothing is owed: %v", err)
	}
	cancel()
	until(func() bool {
		g.debts.mu.Lock()
		defer g.debts.mu.Unlock()
		return len(g.debts.of) == 0
	})
}

func TestAnswersUnderWayAreBoundedByWhatIsOut(t *testing.T) {
	d := newDebts()
	by := debtor{"a", "orders"}
	if d.enter(by) != nil {
		t.Error("nothing is out")
	}
	first, second := d.open(by), d.open(by)
	if first != second || d.enter(by) != nil {
		t.Error("nothing is out yet")
	}
	d.given(first)
	a, b := d.enter(by), d.enter(by)
	if a == nil || b == nil || d.enter(by) != nil {
		t.Error("one is out: it may be answered, and once more if that was lost")
	}
	d.leave(a, true)
	d.leave(b, false)
	if d.owes(by) {
		t.Error("it has been answered")
	}
	d.given(first)
	d.close(first)
	if !d.owes(by) {
		t.Error("the other stream is still there")
	}
	d.close(second)
	if d.owes(by) || len(d.of) != 0 {
		t.Error("nobody is there any more")
	}
}

// A worker whose streams of work are as many as it may have reads the histories that it
// needs; who has nothing out does not.
func TestHistoriesThatAreNeededForWorkCountAsNoStreams(t *testing.T) {
	_, conn, _ := serveConn(t, giver(), Options{Streams: 1, DefaultHub: "orders"})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	work(t.Context(), t, c)
	history := func() error {
		h, err := c.StreamInstanceHistory(t.Context(), &wire.StreamInstanceHistoryRequest{})
		if err == nil {
			_, err = h.Recv()
		}
		return err
	}
	for range 3 {
		if err := history(); status.Code(err) != codes.Unimplemented { // by the service, which does not have it
			t.Errorf("of what it has out: %v", err)
		}
	}
	if _, err := c.CompleteActivityTask(t.Context(), &wire.ActivityResponse{CompletionToken: "token"}); err != nil {
		t.Fatal(err)
	}
	if err := history(); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "1 streams") {
		t.Errorf("with nothing out: %v", err)
	}
}

// As many of them are read at a time as a caller may have streams: a history may be large.
// The others wait.
func TestHistoriesThatAreNeededForWorkWaitForOthers(t *testing.T) {
	begun, release := make(chan struct{}, 2), make(chan struct{})
	s := giver()
	s.past = func() {
		begun <- struct{}{}
		<-release
	}
	g, conn, _ := serveConn(t, s, Options{Streams: 1, DefaultHub: "orders"})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	work(t.Context(), t, c)
	ended := make(chan error, 2)
	for range 2 { // one is out, and asked for twice
		go func() {
			h, err := c.StreamInstanceHistory(t.Context(), &wire.StreamInstanceHistoryRequest{})
			if err == nil {
				_, err = h.Recv()
			}
			ended <- err
		}()
	}
	<-begun
	until(func() bool { _, n, _ := g.histories.state(); return n == 1 })
	release <- struct{}{}
	<-begun
	close(release)
	for range 2 {
		if err := <-ended; !errors.Is(err, io.EOF) {
			t.Error(err)
		}
	}
	until(func() bool { _, w, n := g.histories.state(); return w == 0 && n == 0 })
}

// What says that nobody wants a result any more has the token of what was given out, and
// gives out nothing.
func TestSignsOfLifeAreNotOwed(t *testing.T) {
	s := answering()
	s.work = func(stream grpc.ServerStreamingServer[wire.WorkItem]) error {
		err := stream.Send(&wire.WorkItem{CompletionToken: "token", Request: &wire.WorkItem_HealthPing{HealthPing: &wire.HealthPing{}}})
		<-stream.Context().Done()
		return err
	}
	g, conn, _ := serveConn(t, s, Options{DefaultHub: "orders"})
	work(t.Context(), t, wire.NewTaskHubSidecarServiceClient(conn))
	if g.debts.owes(debtor{"127.0.0.1", "orders"}) {
		t.Error("an answer is owed")
	}
}

// It is as many as streams, however many these are.
func TestAsManyHistoriesAreReadAtATimeAsThereMayBeStreams(t *testing.T) {
	now, cancel := context.WithCancel(t.Context())
	cancel()
	for _, streams := range []int{1, 100, 5_000} {
		g, err := New(Options{Streams: streams, Audit: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		n := 0
		for ; n <= streams; n++ {
			v := &visit{caller: "a"}
			g.histories.enter(v)
			if g.histories.take(now, v, 1) != nil {
				break
			}
		}
		if n != streams {
			t.Errorf("of %d streams %d", streams, n)
		}
	}
}
