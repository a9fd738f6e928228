package server

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"

	"github.com/netherite-go/netherite/door/durabletask/translate"
	"github.com/netherite-go/netherite/door/gate"
	"github.com/netherite-go/netherite/door/httpapi"
)

const (
	// readHeader bounds how long a request's header may take to come, and idle how
	// long a connection without requests is kept.
	readHeader = 10 * time.Second
	idle       = 15 * time.Minute
	// slack is how much net/http adds to the limit of a header.
	slack = 4 << 10
	// handshake bounds how long a connection may take to be one.
	handshake = 20 * time.Second
	// probe is after how much silence a connection is asked whether it lives, and
	// probeAnswer how long it has to answer: the work of a machine that has gone
	// without a word is offered to others after that.
	probe, probeAnswer = 30 * time.Second, 15 * time.Second
	// minProbe is how often clients may ask. Some do so every ten seconds, and some
	// also while nothing is under way.
	minProbe = 5 * time.Second
	// answersOfConnection is how many calls one connection may have under way beyond
	// as many as one caller may: what is beyond waits in the client, and answers of
	// workers must not wait for calls that wait for their answers.
	answersOfConnection = 10_000
)

// gate makes the gate that all doors are behind.
func (c *Config) gate(auth []gate.Authenticator, log *slog.Logger) (*gate.Gate, error) {
	return gate.New(gate.Options{
		Authenticators: auth, DefaultHub: c.Hub, Streams: c.Streams, Calls: c.Limits.Calls, Rate: c.Limits.Rate, HubRate: c.Limits.HubRate, Patience: c.Limits.Patience,
		Message: c.Limits.Message, Body: httpapi.MaxBody, TooLarge: translate.TooLarge,
		Hosts: c.Hosts, Origins: c.Origins, Audit: auditLog(log, len(auth) > 0), AuditAll: c.AuditAll,
	})
}

// auditLog is where the audit log goes: into the log. Where callers have names it does so
// at whatever level the log is, as who has lost it hears of that when it is needed.
func auditLog(log *slog.Logger, always bool) *slog.Logger {
	if always {
		log = slog.New(anyLevel{log.Handler()})
	}
	return log.With("audit", true)
}

// anyLevel is a handler that takes lines of every level.
type anyLevel struct{ slog.Handler }

// Enabled implements [slog.Handler].
func (anyLevel) Enabled(context.Context, slog.Level) bool { return true }

// WithAttrs implements [slog.Handler].
func (h anyLevel) WithAttrs(attrs []slog.Attr) slog.Handler {
	return anyLevel{h.Handler.WithAttrs(attrs)}
}

// WithGroup implements [slog.Handler].
func (h anyLevel) WithGroup(name string) slog.Handler { return anyLevel{h.Handler.WithGroup(name)} }

// warn says what is open, at every start.
func (c *Config) warn(log *slog.Logger) {
	if !c.Insecure {
		return
	}
	log.Warn("INSECURE: --insecure allows listeners that other machines can reach although what is sent can be read on the way, or nobody is asked who they are",
		"tls", c.Cert != "", "authenticated", c.authenticated(), "grpc", c.GRPC, "http", c.HTTP, "admin", c.Admin)
}

// rpcLimits are the limits of the gRPC door.
func (c *Config) rpcLimits() []grpc.ServerOption {
	return []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.Limits.Message), grpc.MaxHeaderListSize(uint32(c.Limits.Header)), grpc.MaxConcurrentStreams(uint32(cmp.Or(c.Limits.Calls, gate.DefaultCalls) + answersOfConnection)),
		grpc.ConnectionTimeout(handshake),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: minProbe, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: idle, Time: probe, Timeout: probeAnswer}),
	}
}

// httpServer is the server of the HTTP API. It has no limit for whole requests and
// answers, as some wait and some are streams: the gate bounds how long a body may
// take to come, and the listener how long each write takes.
func (c *Config) httpServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler: h, ConnContext: gate.ConnContext, ReadHeaderTimeout: readHeader, IdleTimeout: idle,
		MaxHeaderBytes: max(c.Limits.Header-slack, 1),
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
}

// admit asks the gate for the HTTP API.
func admit(g *gate.Gate) func(*http.Request, string, string) error {
	return func(r *http.Request, operation, hub string) error {
		err := g.Admit(r, operation, hub)
		if e, ok := errors.AsType[*gate.Refusal](err); ok {
			return &httpapi.Refusal{Code: e.HTTP(), Text: e.Text}
		}
		return err
	}
}
