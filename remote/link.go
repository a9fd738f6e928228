package remote

import (
	"context"
	crand "crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"github.com/netherite-go/netherite/door/durabletask/extra"
	"github.com/netherite-go/netherite/door/durabletask/wire"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/loopback"
	"github.com/netherite-go/netherite/worker"
)

// link is a connection to a server that comes back by itself.
type link struct {
	address string
	tls     *tls.Config // nil: without TLS
	direct  bool        // it is this package that says how to connect
	conn    *grpc.ClientConn
	api     wire.TaskHubSidecarServiceClient
	header  metadata.MD
	tokens  Tokens
	clock   worker.Clock
	log     *slog.Logger
	timeout time.Duration

	ctx    context.Context // ends with the link
	cancel context.CancelFunc

	session string // random: part of request keys and IDs
	count   atomic.Uint64
	mu      sync.Mutex
	random  *rand.Rand // guarded by mu
}

// Sizes of messages and buffers: answers to a client may have many payloads, and
// buffers of this size keep the number of system calls low.
const (
	maxReceived = 64 << 20
	bufferBytes = 128 << 10
	windowBytes = 4 << 20
)

// newLink makes a connection; nothing is sent yet.
func newLink(address string, s *settings) (*link, error) {
	if err := errors.Join(checkAddress(address), s.checkCredentials(address)); err != nil {
		return nil, err
	}
	l := &link{
		address: address, tls: s.tls, direct: len(s.dial) == 0, tokens: s.tokens, clock: s.worker.Clock, log: s.worker.Logger, timeout: s.timeout, header: metadata.MD{},
	}
	if s.hub != "" {
		l.header.Set("taskhub", s.hub)
	}
	var seed [32]byte
	_, _ = crand.Read(seed[:]) // never fails
	l.session, l.random = hex.EncodeToString(seed[:10]), rand.New(rand.NewChaCha8(seed))
	opts := []grpc.DialOption{
		grpc.WithTransportCredentials(s.transport()),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff: backoff.Config{BaseDelay: firstPause, Multiplier: 1.6, Jitter: 0.3, MaxDelay: longPause}, MinConnectTimeout: 5 * time.Second,
		}),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(maxReceived), grpc.MaxCallSendMsgSize(math.MaxInt32)),
		grpc.WithReadBufferSize(bufferBytes), grpc.WithWriteBufferSize(bufferBytes),
		grpc.WithInitialWindowSize(windowBytes), grpc.WithInitialConnWindowSize(windowBytes),
		grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
	}
	conn, err := grpc.NewClient(address, append(opts, s.dial...)...)
	if err != nil {
		return nil, fmt.Errorf("%w: %q is no address of a server, such as localhost:4001: %w", engine.ErrInvalid, address, err)
	}
	l.conn, l.api = conn, wire.NewTaskHubSidecarServiceClient(conn)
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l, nil
}

// checkAddress refuses what is neither HOST:PORT nor a target that gRPC knows.
func checkAddress(address string) error {
	scheme, rest, is := strings.Cut(address, ":/")
	switch {
	case is && (scheme == "http" || scheme == "https"):
		return fmt.Errorf("%w: %q is no address of a server: write %s, and ask for TLS with the option TLS", engine.ErrInvalid, address, strings.Trim(rest, "/"))
	case is:
		return nil
	}
	_, port, err := net.SplitHostPort(address)
	if err == nil {
		_, err = net.LookupPort("tcp", port)
	}
	if err != nil {
		return fmt.Errorf("%w: %q is no address of a server, such as localhost:4001: %w", engine.ErrInvalid, address, err)
	}
	return nil
}

func (s *settings) transport() credentials.TransportCredentials {
	if s.tls == nil {
		return insecure.NewCredentials()
	}
	return credentials.NewTLS(s.tls)
}

// checkCredentials refuses to show credentials to everybody on the way.
func (s *settings) checkCredentials(address string) error {
	if s.tokens == nil || s.tls != nil || s.insecure || loopback.Address(address) {
		return nil
	}
	return fmt.Errorf("%w: credentials would be sent to %s for everybody on the way to read: connect with the option TLS, or say Insecure", engine.ErrInvalid, address)
}

// key makes up the key of a request.
func (l *link) key() string { return l.session + "-" + strconv.FormatUint(l.count.Add(1), 36) }

// newID makes up an instance ID. It begins with the time, so that the hub's tables
// grow at an end.
func (l *link) newID() string {
	var id [16]byte
	binary.BigEndian.PutUint64(id[:], uint64(l.clock.Wall().UnixMilli())<<16)
	l.mu.Lock()
	binary.BigEndian.PutUint64(id[8:], l.random.Uint64())
	binary.BigEndian.PutUint16(id[6:], uint16(l.random.Uint32()))
	l.mu.Unlock()
	return hex.EncodeToString(id[:])
}

// chance is a random number in [0, 1).
func (l *link) chance() float64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.random.Float64()
}

// greet finds out whether there is a server, and returns its version; empty if it
// is not one of this project. It does not wait for what does not get better by it.
func (l *link) greet(patience time.Duration) (version string, err error) {
	ctx, cancel := context.WithTimeout(l.ctx, patience)
	defer cancel()
	p := l.pauses()
	for {
		out, err := l.outgoing(ctx)
		if err != nil {
			return "", err
		}
		var header metadata.MD
		_, err = l.api.Hello(out, &emptypb.Empty{}, grpc.Header(&header))
		if err == nil {
			if v := header.Get(extra.ServerHeader); len(v) > 0 {
				version = v[0]
			}
			return version, nil
		}
		last := l.unreached(err)
		if !errors.Is(last, ErrNoServer) && !(detail(status.Convert(err)) != nil && l.passing(err)) {
			return "", last
		}
		if err := l.hopeless(ctx); err != nil {
			return "", err
		}
		if l.pause(ctx, p.next()); ctx.Err() != nil {
			return "", fmt.Errorf("%w (tried for %v)", last, patience)
		}
	}
}

func (l *link) close() error {
	l.cancel()
	return l.conn.Close()
}
