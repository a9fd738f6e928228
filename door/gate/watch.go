package gate

import (
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/proto"
)

// watchedStream notices that the other side does not read: what it was to get
// would stay with it, and nobody else would get it.
type watchedStream struct {
	grpc.ServerStream
	g     *Gate
	v     *visit
	stuck chan struct{}
	once  sync.Once
}

// RecvMsg implements grpc.ServerStream. There is one message: that of the request.
func (s *watchedStream) RecvMsg(m any) error {
	defer s.v.giveBack()
	return s.g.receive(s.Context(), s.v, m)
}

// SendMsg implements grpc.ServerStream.
func (s *watchedStream) SendMsg(m any) error {
	if s.v.work != nil && gives(m) {
		s.g.debts.given(s.v.work)
	}
	stop := s.g.opts.Clock.AfterFunc(s.g.opts.Patience, func() { s.once.Do(func() { close(s.stuck) }) })
	defer stop()
	return s.ServerStream.SendMsg(m)
}

// gives reports whether a message of a stream of work gives something out. A sign of life
// may have the token of what was.
func gives(m any) bool {
	item, ok := m.(interface {
		proto.Message
		GetCompletionToken() string
	})
	if !ok || item.GetCompletionToken() == "" {
		return false
	}
	r := item.ProtoReflect()
	of := r.Descriptor().Oneofs().ByName("request")
	if of == nil {
		return true
	}
	what := r.WhichOneof(of)
	return what == nil || what.Name() != "healthPing"
}

// lookAgain is how often a stream's caller is looked at: its token may have expired,
// and its key may have been withdrawn.
const lookAgain = time.Minute

// guard looks at a stream's caller now and then, and ends the stream once the
// caller may no longer have it.
type guard struct {
	g   *Gate
	v   *visit
	c   *Credentials
	end func(error)

	mu      sync.Mutex
	stopped bool
	timer   func()
}

func (g *Gate) guard(v *visit, c *Credentials, end func(error)) *guard {
	w := &guard{g: g, v: v, c: c, end: end}
	if len(g.opts.Authenticators) > 0 {
		w.arm()
	}
	return w
}

func (w *guard) arm() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.stopped {
		w.timer = w.g.opts.Clock.AfterFunc(lookAgain, w.look)
	}
}

func (w *guard) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped = true; w.timer != nil {
		w.timer()
	}
}

func (w *guard) look() {
	p, err := w.g.authenticate(w.c)
	switch {
	case err != nil && refusalOf(err).Code == codes.Unavailable: // that nobody can say so now does not end it
	case err == nil && !p.May(w.v.hub, w.v.need.Role):
		err = refuse(codes.PermissionDenied, "%s no longer has the role %s in task hub %q", p.Name, w.v.need.Role, w.v.hub)
		fallthrough
	case err != nil:
		w.g.refused(w.v, err)
		w.end(refusalOf(err))
		return
	}
	w.arm()
}

// watched runs a stream, and ends it if the other side has not read for too long,
// or may no longer have it. The end of a stream ends the send that is under way,
// and so what runs it.
func (g *Gate) watched(v *visit, c *Credentials, srv any, stream grpc.ServerStream, next grpc.StreamHandler) error {
	s := &watchedStream{ServerStream: stream, g: g, v: v, stuck: make(chan struct{})}
	out := make(chan error, 1)
	defer g.guard(v, c, func(err error) { out <- err }).stop()
	ended := make(chan error, 1)
	go func() {
		var err error
		defer func() { ended <- err }()
		defer g.recovered(v, &err)
		err = next(srv, s)
	}()
	var err error
	select {
	case err := <-ended:
		return err
	case err = <-out:
	case <-s.stuck:
		err = refuse(codes.Aborted, "what this stream sends has not been read for %v", g.opts.Patience)
	}
	select {
	case err := <-ended: // just in time
		return err
	default:
		return err
	}
}
