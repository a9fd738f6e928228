package gate

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

// few makes messages few that may be coming.
func (g *Gate) few(one, all int) {
	for _, b := range []*inbound{g.inbound, g.answers} {
		b.mu.Lock()
		b.one, b.all = one, all
		b.mu.Unlock()
	}
}

// Two who begin as many calls as they may and send no messages keep out nobody else.
func TestCallersWhoSendNoMessagesKeepNobodyOut(t *testing.T) {
	auth, tokens := keysFor(t, map[string]Role{"a": Reader, "b": Reader, "c": Reader})
	g, conn, _ := serveConn(t, answering(), Options{Authenticators: []Authenticator{auth}, Clock: newTestClock()})
	g.few(2, 4)
	as := func(who string) context.Context {
		return metadata.AppendToOutgoingContext(t.Context(), "authorization", tokens[who])
	}
	var calls []grpc.ClientStream
	for i, who := range []string{"a", "a", "b", "b"} {
		calls = append(calls, silent(as(who), t, conn, getInstance))
		until(func() bool { n, _, _ := g.inbound.state(); return n == i+1 })
	}
	c := wire.NewTaskHubSidecarServiceClient(conn)
	for range 3 {
		if _, err := c.GetInstance(as("c"), &wire.GetInstanceRequest{}); err != nil {
			t.Fatal(err)
		}
	}
	err := calls[0].RecvMsg(&wire.GetInstanceResponse{})
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "made room") {
		t.Errorf("the oldest of one who has most: %v", err)
	}
	until(func() bool { n, _, _ := g.inbound.state(); return n == 3 })
	_, err = c.GetInstance(as("b"), &wire.GetInstanceRequest{})
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "one caller") {
		t.Errorf("of one who has as many as he may: %v", err)
	}
}

// Those that wait for room count: a stream's window has come of each of them as well.
func TestMessagesThatWaitForRoomCount(t *testing.T) {
	b := newInbound(newTestClock(), 2, 10, 10, 100)
	ctx, cancel := context.WithCancel(t.Context())
	first := entered(t, b, "a", 10)
	if err := b.came(first); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error)
	for range 2 {
		v := entered(t, b, "a", 0)
		go func() {
			err := b.take(ctx, v, 1)
			b.end(v)
			ended <- err
		}()
	}
	until(func() bool { _, n, _ := b.state(); return n == 2 })
	if err := b.begin(&visit{caller: "a"}); err == nil || !strings.Contains(err.Error(), "2 messages") {
		t.Errorf("a third: %v", err)
	}
	cancel()
	for range 2 {
		if err := <-ended; err == nil {
			t.Error("there is no room")
		}
	}
	b.end(first)
	if coming, waiting, bytes := b.state(); coming != 0 || waiting != 0 || bytes != 0 {
		t.Errorf("%d are coming, %d wait, %d bytes", coming, waiting, bytes)
	}
}

// entered is a visit whose message is coming, with room for n bytes.
func entered(t *testing.T, b *inbound, caller string, n int64) *visit {
	t.Helper()
	v := &visit{caller: caller}
	err := b.begin(v)
	if err == nil && n > 0 {
		err = b.take(t.Context(), v, n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// However much of large messages there is, those of the usual size have room.
func TestLargeMessagesHoldUpNoSmallOnes(t *testing.T) {
	b := newInbound(newTestClock(), 100, 100, 64, 256)
	var all []*visit
	for i := range 4 {
		all = append(all, entered(t, b, fmt.Sprint(i), 64), entered(t, b, "small", 1))
	}
	waits := entered(t, b, "large", 0)
	has := make(chan error, 1)
	go func() { has <- b.take(t.Context(), waits, 64) }()
	until(func() bool { _, n, _ := b.state(); return n == 1 })
	for range 10 {
		b.end(entered(t, b, "e", 4))
	}
	b.end(all[0])
	if err := <-has; err != nil {
		t.Fatal(err)
	}
	for _, v := range append(all[1:], waits) {
		b.end(v)
	}
	if coming, waiting, bytes := b.state(); coming != 0 || waiting != 0 || bytes != 0 {
		t.Errorf("%d are coming, %d wait, %d bytes", coming, waiting, bytes)
	}
}

// What others wait for costs a call nothing, however many they are.
func TestThoseWhoWaitForTheirOwnRoomCostOthersNothing(t *testing.T) {
	b := newInbound(newTestClock(), 1_000, 2_000, 64, 256)
	ctx, cancel := context.WithCancel(t.Context())
	first, ended := entered(t, b, "a", 64), make(chan error)
	for range 500 {
		v := entered(t, b, "a", 0)
		go func() {
			err := b.take(ctx, v, 1)
			b.end(v)
			ended <- err
		}()
	}
	until(func() bool { _, n, _ := b.state(); return n == 500 })
	v := &visit{caller: "b"}
	n := testing.AllocsPerRun(100, func() {
		*v = visit{caller: "b"}
		if b.begin(v) != nil || b.take(ctx, v, 1) != nil || b.came(v) != nil {
			t.Fatal("it has no room")
		}
		b.end(v)
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
	cancel()
	for range 500 {
		<-ended
	}
	b.end(first)
}

// Of the answers that are owed as many may be coming as is noted, beside those of other
// calls; those beyond that count like them.
func TestAnswersBeyondThoseThatMayComeCountLikeAnyCall(t *testing.T) {
	s := answering()
	s.work = func(stream grpc.ServerStreamingServer[wire.WorkItem]) (err error) {
		for range 4 {
			err = stream.Send(&wire.WorkItem{CompletionToken: "token"})
		}
		<-stream.Context().Done()
		return err
	}
	g, conn, _ := serveConn(t, s, Options{Clock: newTestClock()})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	work(t.Context(), t, c)
	until(func() bool {
		g.debts.mu.Lock()
		defer g.debts.mu.Unlock()
		for _, o := range g.debts.of { // order-free: there is one
			return o.out == 4
		}
		return false
	})
	g.few(1, 2)
	silent(t.Context(), t, conn, completeActivity)
	until(func() bool { n, _, _ := g.answers.state(); return n == 1 })
	silent(t.Context(), t, conn, completeActivity)
	until(func() bool { n, _, _ := g.inbound.state(); return n == 1 })
	err := silent(t.Context(), t, conn, completeActivity).RecvMsg(&wire.CompleteTaskResponse{})
	if status.Code(err) != codes.ResourceExhausted {
		t.Error(err)
	}
}

const completeActivity = "/TaskHubSidecarService/CompleteActivityTask"

// A small message does not wait behind large ones of its own caller either, one of which
// may be stuck.
func TestSmallMessagesDoNotWaitForLargeOnesOfTheirCaller(t *testing.T) {
	const one = 64 << 20
	b := newInbound(newTestClock(), 100, 100, one, 4*one)
	first, second := entered(t, b, "a", one/2+1), entered(t, b, "a", 0)
	has := make(chan error, 1)
	go func() { has <- b.take(t.Context(), second, one/2) }()
	until(func() bool { _, n, _ := b.state(); return n == 1 })
	for range 100 {
		b.end(entered(t, b, "a", 64<<10))
	}
	b.end(first)
	if err := <-has; err != nil {
		t.Fatal(err)
	}
	b.end(second)
	if coming, waiting, bytes := b.state(); coming != 0 || waiting != 0 || bytes != 0 {
		t.Errorf("%d are coming, %d wait, %d bytes", coming, waiting, bytes)
	}
}

// Nor are there fewer of them at a time than if they were large ones: who starts thousands
// at once is not refused for those that wait.
func TestSmallMessagesHaveAllTheRoomOfTheirCaller(t *testing.T) {
	const one, small, most = 64 << 20, 4 << 10, 10_000
	b := newInbound(newTestClock(), 1, 1, one, 4*one)
	now, cancel := context.WithCancel(t.Context())
	cancel()
	var all []*visit
	for range most {
		v := entered(t, b, "a", 0)
		if all = append(all, v); b.take(now, v, small) != nil || b.came(v) != nil {
			t.Fatalf("there is no room for %d of %d bytes", len(all), small)
		}
	}
	for _, v := range all {
		b.end(v)
	}
	if coming, waiting, bytes := b.state(); coming != 0 || waiting != 0 || bytes != 0 {
		t.Errorf("%d are coming, %d wait, %d bytes", coming, waiting, bytes)
	}
}
