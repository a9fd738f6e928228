package gate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"runtime/debug"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
	"google.golang.org/protobuf/proto"

	"github.com/netherite-go/netherite/internal/taskhub"
)

// ServerOptions are what a gRPC server needs to let nobody past the gate.
func (g *Gate) ServerOptions() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.InTapHandle(g.Tap), grpc.UnaryInterceptor(g.Unary), grpc.StreamInterceptor(g.Stream)}
}

type visitKey struct{}

// Tap sees each call when its header has come, before anything of its message is
// read: who may not come in cannot make the server hold messages either. Its
// connection stands still meanwhile, so it does not wait for anybody.
func (g *Gate) Tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	v := &visit{operation: info.FullMethodName, hub: taskhub.Named(info.Header.Get), call: ctx, conn: rpcConn(ctx)}
	c := fromRPC(ctx, info.Header)
	c.Quick = true
	err := g.arrive(v, c)
	if errors.Is(err, errLater) || errors.Is(err, errOneOf) {
		v.later, err = err, nil
	}
	if err != nil {
		g.refused(v, err)
		return ctx, refusalOf(err).GRPCStatus().Err()
	}
	return context.WithValue(ctx, visitKey{}, v), nil
}

func (g *Gate) arrive(v *visit, c *Credentials) error {
	if v.hub == "" {
		v.hub = g.opts.DefaultHub
	}
	if err := g.begin(v, c); err != nil {
		return err
	}
	return g.permit(v)
}

// visitor is the visit of a call, whose caller is known by now. It may wait: nothing
// of the message has been asked for.
func (g *Gate) visitor(ctx context.Context) (*visit, error) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok {
		return nil, errAround
	}
	if v.later != nil {
		if err := g.arriveLater(ctx, v); err != nil {
			g.refused(v, err)
			return nil, refusalOf(err).GRPCStatus().Err()
		}
	}
	return v, nil
}

var errAround = status.Error(codes.Internal, "the call has not come through the gate")

// arriveLater asks who calls. Those whose keys are known do not queue behind others,
// who may have made theirs up.
func (g *Gate) arriveLater(ctx context.Context, v *visit) error {
	if errors.Is(v.later, errLater) {
		select {
		case g.later <- struct{}{}:
			defer func() { <-g.later }()
		default:
			return refuse(codes.Unavailable, "too many callers come with tokens whose keys have to be fetched: try again")
		}
	}
	md, _ := metadata.FromIncomingContext(ctx)
	return g.arrive(v, fromRPC(ctx, md))
}

// Unary is what each remote call goes through, when its message has been read.
func (g *Gate) Unary(ctx context.Context, q any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (answer any, err error) {
	v, ok := ctx.Value(visitKey{}).(*visit)
	if !ok || !v.passed {
		return nil, errAround
	}
	if g.audited(v) {
		defer func() { g.done(v, instanceOf(q), status.Code(err).String()) }()
	}
	defer g.recovered(v, &err)
	answer, err = next(ctx, q)
	if m, ok := answer.(proto.Message); ok && err == nil {
		if n := proto.Size(m); n > g.opts.Answer {
			return nil, tooLarge(n, g.opts.Answer)
		}
	}
	return answer, err
}

func tooLarge(size, most int) error {
	return status.Errorf(codes.ResourceExhausted, "the answer has %d bytes, and clients take no more than %d: ask for less at a time, "+
		"or without inputs and outputs, which the HTTP API can still show", size, most)
}

// Stream is what each stream goes through.
func (g *Gate) Stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	v, err := g.visitor(stream.Context())
	if err != nil {
		return err
	}
	if err := g.enterStream(stream.Context(), v); err != nil {
		return err
	}
	defer g.leaveStream(v)
	if v.need.Role == Worker {
		v.work = g.debts.open(debtor{v.caller, v.hub})
		defer g.debts.close(v.work)
	}
	defer func() { g.done(v, "", status.Code(err).String()) }()
	md, _ := metadata.FromIncomingContext(stream.Context())
	return g.watched(v, fromRPC(stream.Context(), md), srv, stream, next)
}

// enterStream counts a stream. One that reads what is needed for something that is owed
// is bounded by what was given out, like answers. It may be large, so it waits while its
// caller has as many of them as streams.
func (g *Gate) enterStream(ctx context.Context, v *visit) error {
	if v.need.Answers {
		if v.debt = g.debts.enter(debtor{v.caller, v.hub}); v.debt != nil {
			v.history = &visit{caller: v.caller}
			g.histories.enter(v.history)
			if err := g.histories.take(ctx, v.history, 1); err != nil {
				g.leaveStream(v)
				return status.FromContextError(err).Err()
			}
			return nil
		}
	}
	err := g.rates(v)
	if err == nil {
		err = g.openStream(v)
	}
	if err != nil {
		g.refused(v, err)
	}
	return err
}

func (g *Gate) leaveStream(v *visit) {
	if v.debt != nil {
		v.history.giveBack()
		g.debts.leave(v.debt, false)
		return
	}
	g.streams.leave(v.caller)
}

// recovered turns a panic of a handler into an error: one call must not end the
// server for all. What it was is written down without its text, which might have
// something of the message.
func (g *Gate) recovered(v *visit, err *error) {
	r := recover()
	if r == nil {
		return
	}
	what := fmt.Sprintf("%T", r)
	if e, ok := r.(interface {
		error
		RuntimeError()
	}); ok {
		what = e.Error()
	}
	g.opts.Audit.Error("a call has failed by a fault of the server", "operation", v.operation, "panic", what, "stack", string(debug.Stack()))
	*err = status.Error(codes.Internal, "the call has failed by a fault of the server, which has written down where")
}

// instanceOf is the instance that a request names, or the first ones of several.
func instanceOf(q any) string {
	if r, ok := q.(interface{ GetInstanceId() string }); ok && r.GetInstanceId() != "" {
		return r.GetInstanceId()
	}
	m, ok := q.(proto.Message)
	if !ok {
		return ""
	}
	batch := m.ProtoReflect()
	field := batch.Descriptor().Fields().ByName("instanceBatch")
	if field == nil || field.Message() == nil {
		return ""
	}
	batch = batch.Get(field).Message()
	if field = batch.Descriptor().Fields().ByName("instanceIds"); field == nil || !field.IsList() {
		return ""
	}
	list := batch.Get(field).List()
	var b strings.Builder
	for i := range min(list.Len(), batchLogged) {
		fmt.Fprintf(&b, "%s ", list.Get(i).String())
	}
	if list.Len() > batchLogged {
		fmt.Fprintf(&b, "and %d more", list.Len()-batchLogged)
	}
	return strings.TrimSpace(b.String())
}

// batchLogged is how many instances of a batch are named in the audit log.
const batchLogged = 10

// addressOf is the address that a call comes from, without its port.
func addressOf(ctx context.Context) string {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return "unknown"
	}
	switch a := from.Addr.(type) {
	case *callerAddr:
		return a.host
	case *net.TCPAddr:
		return a.AddrPort().Addr().Unmap().String()
	}
	return hostOf(from.Addr.String())
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

// fromRPC reads the credentials of a call.
func fromRPC(ctx context.Context, header metadata.MD) *Credentials {
	c := &Credentials{Ctx: ctx}
	if v := header.Get("authorization"); len(v) > 0 {
		c.Token = bearer(v[0])
	}
	if from, ok := peer.FromContext(ctx); ok {
		if tls, ok := from.AuthInfo.(credentials.TLSInfo); ok {
			c.Chains = tls.State.VerifiedChains
		}
	}
	return c
}
