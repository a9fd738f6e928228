package gate

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	_ "google.golang.org/grpc/encoding/gzip" // for its client
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"github.com/netherite-go/netherite/door/durabletask/wire"
)

const (
	getInstance  = "/TaskHubSidecarService/GetInstance"
	getWorkItems = "/TaskHubSidecarService/GetWorkItems"
)

// silent begins a call and sends nothing of its message.
func silent(ctx context.Context, t *testing.T, conn *grpc.ClientConn, method string) grpc.ClientStream {
	t.Helper()
	s, err := conn.NewStream(ctx, &grpc.StreamDesc{ClientStreams: true}, method)
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := ctx.Deadline(); ok {
		t.Fatal("a call with a time limit ends by itself")
	}
	return s
}

// until waits until something is so that other goroutines are about to do.
func until(is func() bool) {
	for !is() {
		runtime.Gosched()
	}
}

func (b *inbound) state() (coming, waiting int, bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, a := range b.callers { // order-free: sums
		for _, s := range [...]*share{&a.small, &a.large} {
			waiting += s.queue.Len()
			bytes += s.bytes
		}
	}
	if have := b.small.owned + b.small.beyond + b.large.owned + b.large.beyond; have != bytes {
		panic(fmt.Sprintf("callers have %d bytes, of %d that are had", bytes, have))
	}
	return b.coming, waiting, bytes
}

// coming is how many messages are coming, of all kinds of calls.
func (g *Gate) coming() int {
	a, _, _ := g.inbound.state()
	b, _, _ := g.answers.state()
	return a + b
}

func answering() *service {
	return &service{
		get:  func(context.Context) (*wire.GetInstanceResponse, error) { return &wire.GetInstanceResponse{}, nil },
		does: func(context.Context, proto.Message) error { return nil },
	}
}

func TestCallsCountBeforeTheirMessagesHaveCome(t *testing.T) {
	g, conn, _ := serveConn(t, answering(), Options{Calls: 2})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	for range 2 {
		silent(ctx, t, conn, getInstance)
	}
	until(func() bool { n, _, _ := g.inbound.state(); return n == 2 })
	err := silent(ctx, t, conn, getInstance).RecvMsg(&wire.GetInstanceResponse{})
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "2 calls under way") {
		t.Error(err)
	}
	cancel()
	until(func() bool { n, _, _ := g.inbound.state(); return n == 0 })
	c := wire.NewTaskHubSidecarServiceClient(conn)
	for range 5 { // more than may be under way at a time
		if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestAMessageThatDoesNotComeEndsItsCallAndNoOther(t *testing.T) {
	for _, method := range []string{getInstance, getWorkItems} {
		clock := newTestClock()
		g, conn, _ := serveConn(t, answering(), Options{Clock: clock, Calls: 1, Streams: 1})
		s := silent(t.Context(), t, conn, method)
		until(func() bool { return g.coming() == 1 })
		clock.advance(messageTime - 1)
		if g.coming() != 1 {
			t.Errorf("%s: it has ended before", method)
		}
		clock.advance(1)
		if err := s.RecvMsg(&wire.GetInstanceResponse{}); status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "within 2m0s") {
			t.Errorf("%s: %v", method, err)
		}
		until(func() bool { return g.coming() == 0 })
		until(func() bool { return g.calls.free() && g.streams.free() })
		c := wire.NewTaskHubSidecarServiceClient(conn)
		if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{}); err != nil {
			t.Errorf("%s: the next call: %v", method, err)
		}
		clock.advance(messageTime) // nothing comes any more, so nobody looks again
		if n := len(clock.after); n != 0 {
			t.Errorf("%s: %d timers", method, n)
		}
	}
}

func TestEachMessageHasItsOwnTime(t *testing.T) {
	clock := newTestClock()
	g, conn, _ := serveConn(t, answering(), Options{Clock: clock})
	first := silent(t.Context(), t, conn, getInstance)
	until(func() bool { n, _, _ := g.inbound.state(); return n == 1 })
	clock.advance(messageTime / 2)
	second := silent(t.Context(), t, conn, getInstance)
	until(func() bool { n, _, _ := g.inbound.state(); return n == 2 })
	for i, s := range []grpc.ClientStream{first, second} {
		clock.advance(messageTime / 2)
		if err := s.RecvMsg(&wire.GetInstanceResponse{}); status.Code(err) != codes.DeadlineExceeded {
			t.Error(err)
		}
		until(func() bool { n, _, _ := g.inbound.state(); return n == 1-i })
	}
}

func TestAMessageThatWasPackedHasRoomForWhatItIs(t *testing.T) {
	const size = 100_000
	s := answering()
	var g *Gate
	s.does = func(context.Context, proto.Message) error {
		if _, _, n := g.inbound.state(); n != size {
			t.Errorf("it has room for %d bytes", n)
		}
		return nil
	}
	g, conn, _ := serveConn(t, s, Options{})
	if _, err := wire.NewTaskHubSidecarServiceClient(conn).StartInstance(t.Context(), sized(t, &wire.CreateInstanceRequest{}, size), grpc.UseCompressor("gzip")); err != nil {
		t.Error(err)
	}
}

// A call that waits for something has its message no more, so that a large one, which
// may have to be unpacked, is not kept waiting for as long.
func TestACallThatWaitsKeepsNoRoomFromOthers(t *testing.T) {
	s, held, release := answering(), make(chan struct{}), make(chan struct{})
	s.get = func(context.Context) (*wire.GetInstanceResponse, error) {
		close(held)
		<-release
		return &wire.GetInstanceResponse{}, nil
	}
	_, conn, _ := serveConn(t, s, Options{Message: 1 << 20})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	ended := make(chan error, 1)
	go func() {
		_, err := c.GetInstance(t.Context(), sized(t, &wire.GetInstanceRequest{}, 1_000))
		ended <- err
	}()
	<-held
	if _, err := c.StartInstance(t.Context(), sized(t, &wire.CreateInstanceRequest{}, 1<<20), grpc.UseCompressor("gzip")); err != nil {
		t.Error(err)
	}
	close(release)
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Of one caller, nobody who wants less passes one who waits; the time of a message
// stands still while it waits.
func TestWhoWaitsForRoomIsNeitherPassedNorTimedOut(t *testing.T) {
	clock := newTestClock()
	b := newInbound(clock, 2, 2, 10, 100)
	begin := func() *visit {
		v := &visit{caller: "a"}
		if err := b.begin(v); err != nil {
			t.Fatal(err)
		}
		return v
	}
	took := func(v *visit, n int64) chan error {
		done := make(chan error, 1)
		go func() { done <- b.take(t.Context(), v, n) }()
		return done
	}
	first := begin()
	if err := b.take(t.Context(), first, 6); err != nil || b.came(first) != nil {
		t.Fatal(err)
	}
	waiting := func(n int) {
		until(func() bool {
			coming, waiting, _ := b.state()
			return waiting == n && coming == n
		})
	}
	large := begin()
	larges := took(large, 10)
	waiting(1)
	small := begin()
	smalls := took(small, 1)
	waiting(2)
	clock.advance(2 * messageTime)
	b.end(first)
	if err := <-larges; err != nil || b.came(large) != nil {
		t.Fatal("it waited, and its time is over: ", err)
	}
	select {
	case <-smalls:
		t.Error("it has passed the large one")
	default:
	}
	b.end(large)
	if err := <-smalls; err != nil || b.came(small) != nil {
		t.Fatal(err)
	}
	b.end(small)
	if coming, _, bytes := b.state(); coming != 0 || bytes != 0 {
		t.Errorf("%d are coming, with %d bytes", coming, bytes)
	}
}

// However many messages are coming that do not come, workers connect.
func TestAStreamOfWorkWaitsForNoOthersMessages(t *testing.T) {
	g, conn, _ := serveConn(t, giver(), Options{})
	g.inbound.mu.Lock()
	g.inbound.all = 0
	g.inbound.mu.Unlock()
	c := wire.NewTaskHubSidecarServiceClient(conn)
	if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Fatal(err)
	}
	work(t.Context(), t, c)
}

// What reading a message fails with by a fault of the server ends its call alone.
func TestAFaultInReadingAMessageEndsItsCallAlone(t *testing.T) {
	_, conn, log := serveConn(t, answering(), Options{Message: 1 << 10, TooLarge: func(proto.Message, int64, int64) bool { panic("a fault") }})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	if _, err := c.CompleteActivityTask(t.Context(), sized(t, &wire.ActivityResponse{}, 2<<10)); status.Code(err) != codes.Internal {
		t.Errorf("the call ends with %v", err)
	}
	if _, err := c.GetInstance(t.Context(), &wire.GetInstanceRequest{}); err != nil {
		t.Error(err)
	}
	if !strings.Contains(log.String(), "a fault of the server") {
		t.Errorf("the log says %s", log)
	}
}

// free reports whether nobody has anything.
func (c *counter) free() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.now) == 0
}

func TestAMessageIsReadAsFarAsItsCallMayHave(t *testing.T) {
	_, conn, _ := serveConn(t, answering(), Options{Message: 2 * smallMessage})
	c := wire.NewTaskHubSidecarServiceClient(conn)
	for _, over := range []int{0, 1} {
		_, err := c.StartInstance(t.Context(), sized(t, &wire.CreateInstanceRequest{}, 2*smallMessage+over))
		refusedIf(t, "a start", err, over > 0)
		_, err = c.StartInstance(t.Context(), sized(t, &wire.CreateInstanceRequest{}, 2*smallMessage+over), grpc.UseCompressor("gzip"))
		refusedIf(t, "a start, packed", err, over > 0)
		_, err = c.GetInstance(t.Context(), sized(t, &wire.GetInstanceRequest{}, smallMessage+over))
		refusedIf(t, "a read", err, over > 0)
	}
}

// sized makes a message as large as said, by its instance ID.
func sized[M proto.Message](t *testing.T, m M, size int) M {
	t.Helper()
	field := m.ProtoReflect().Descriptor().Fields().ByName("instanceId")
	for n := size - 20; proto.Size(m) < size; n++ {
		m.ProtoReflect().Set(field, protoreflect.ValueOfString(strings.Repeat("x", n)))
	}
	if proto.Size(m) != size {
		t.Fatalf("%d bytes, want %d", proto.Size(m), size)
	}
	return m
}

func refusedIf(t *testing.T, what string, err error, over bool) {
	t.Helper()
	if over != (err != nil) || over && (status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "no more than")) {
		t.Errorf("%s: over %v: %v", what, over, err)
	}
}

// counting is a connection that counts what its client sends.
func counting(sent *atomic.Int64) grpc.DialOption {
	return grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
		var d net.Dialer
		c, err := d.DialContext(ctx, "tcp", address)
		return &countedConn{c, sent}, err
	})
}

type countedConn struct {
	net.Conn
	sent *atomic.Int64
}

func (c *countedConn) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.sent.Add(int64(n))
	return n, err
}

func TestNoMoreOfMessagesIsTakenThanTheirCallerMayHave(t *testing.T) {
	const size, more = 1 << 20, 8
	release, has := make(chan struct{}), make(chan struct{}, more+1)
	s := answering()
	s.does = func(context.Context, proto.Message) error {
		has <- struct{}{}
		<-release
		return nil
	}
	var sent atomic.Int64
	g, conn, _ := serveConn(t, s, Options{Message: size}, counting(&sent))
	c := wire.NewTaskHubSidecarServiceClient(conn)
	q := &wire.CreateInstanceRequest{Input: wrapperspb.String(strings.Repeat("x", size-100))}
	ended := make(chan error, more+1)
	start := func() {
		_, err := c.StartInstance(t.Context(), q)
		ended <- err
	}
	go start()
	<-has
	for range more {
		go start()
	}
	until(func() bool { _, n, _ := g.inbound.state(); return n == more })
	if most := int64(size + (more+1)*(64<<10) + 1<<14); sent.Load() > most {
		t.Errorf("%d bytes have been sent, and there is room for %d", sent.Load(), most)
	}
	if _, _, n := g.inbound.state(); n > size {
		t.Errorf("a caller has %d bytes, more than its share", n)
	}
	close(release)
	for range more + 1 {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	until(func() bool { n, w, b := g.inbound.state(); return n == 0 && w == 0 && b == 0 })
}
