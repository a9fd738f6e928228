package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"

	"github.com/netherite-go/netherite/internal/plainlog"
	"github.com/netherite-go/netherite/internal/terminal"
	"github.com/netherite-go/netherite/server"
	"github.com/netherite-go/netherite/server/config"
)

// settled is when what follows a start, such as the first checkpoints, is over.
const settled = 15 * time.Second

// newLog makes the log of a server, whose level can be changed.
func newLog(s *config.Settings, w io.Writer) *slog.Logger {
	s.Config.Level = new(slog.LevelVar)
	s.Config.Level.Set(s.Level)
	o := &slog.HandlerOptions{Level: s.Config.Level}
	if s.JSON {
		o.ReplaceAttr = withUnit
		return plainlog.Logger(slog.New(slog.NewJSONHandler(w, o)))
	}
	return plainlog.Logger(slog.New(slog.NewTextHandler(w, o)))
}

// withUnit makes durations in JSON say their unit, as they do in text.
func withUnit(_ []string, a slog.Attr) slog.Attr {
	if a.Value.Kind() == slog.KindDuration {
		a.Value = slog.StringValue(a.Value.Duration().String())
	}
	return a
}

// serve serves until ctx ends, and then lets what runs come to its end.
func serve(ctx context.Context, c config.Command, s *config.Settings, stdout, stderr io.Writer) error {
	hurry := secondSignal(ctx)
	s.Config.Version = version()
	log := newLog(s, stderr)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("telemetry could not be made or sent", "error", err) // else it would be printed in another form
	}))
	srv, err := server.Start(s.Config, log)
	if err != nil {
		return err
	}
	if c == config.Server || srv.Rereads() { // else it is a terminal that was closed: who opens the next one meets a server that holds ports and data
		onHangup(ctx, func() {
			if err := srv.Reload(); err != nil {
				log.Error("files could not be read again, what was read of them before stays", "error", err)
			}
		})
	}
	announce(stdout, srv.Place(), srv.Reached(), &s.Config)
	releaseStartup()
	again := time.AfterFunc(settled, releaseStartup)
	defer again.Stop()
	select {
	case <-ctx.Done():
		log.Info("stopping: workers may complete what they have; a second signal ends that", "cause", context.Cause(ctx), "drain", s.Drain)
	case err = <-srv.Failed():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
	defer cancel()
	go func() {
		select {
		case <-hurry:
			cancel()
		case <-drain.Done():
		}
	}()
	if e := srv.Stop(drain); err == nil {
		err = e
	}
	return err
}

// connection says what a program needs to connect to an address: a connection string,
// or, as none can name a key, what to send and whom to trust.
func connection(address string, c *server.Config) string {
	scheme, trust := "http", ""
	if c.Cert != "" {
		scheme, trust = "https", "; trust who has signed "+c.Cert
	}
	var ways []string
	if c.KeysFile != "" || len(c.Keys) > 0 {
		ways = append(ways, "the metadata authorization=Bearer API-KEY")
	}
	if c.Tokens != nil {
		ways = append(ways, "the metadata authorization=Bearer TOKEN of "+c.Tokens.Issuer)
	}
	if len(c.Certificates) > 0 {
		ways = append(ways, "a client certificate signed by "+c.ClientCA)
	}
	if len(ways) == 0 {
		return fmt.Sprintf("Endpoint=%s://%s;TaskHub=%s;Authentication=None%s", scheme, address, c.Hub, trust)
	}
	return fmt.Sprintf("%s://%s with the metadata taskhub=HUB and %s%s", scheme, address, strings.Join(ways, ", or "), trust)
}

// announce says where the server listens, where it can be reached from this machine and
// where the data lies.
func announce(w io.Writer, listens, p server.Place, c *server.Config) {
	scheme := "http"
	if c.Cert != "" {
		scheme = "https"
	}
	line := func(what, format string, args ...any) {
		terminal.Printf(w, "%-12s"+format+"\n", append([]any{what + ":"}, args...)...)
	}
	for _, address := range p.GRPC {
		line("gRPC", "%s://%s", scheme, address)
	}
	if p.HTTP != "" {
		line("HTTP API", "%s://%s/runtime/webhooks/durabletask", scheme, p.HTTP)
		line("probes", "%s://%s/readyz, %s://%s/healthz", scheme, p.HTTP, scheme, p.HTTP)
	}
	if p.Admin != "" {
		line("metrics", "%s://%s/metrics", scheme, p.Admin)
		line("profiles", "%s://%s/debug/pprof/", scheme, p.Admin)
	}
	if len(p.GRPC) > 0 {
		line("connection", "%s", connection(p.GRPC[len(p.GRPC)-1], c))
	}
	if all := listens.Everywhere(); len(all) > 0 {
		line("listens", "%s: at all addresses of this machine", strings.Join(all, ", "))
	}
	if p.Data == "" {
		line("data", "in memory, gone when the server ends")
	} else {
		line("data", "%s", p.Data)
	}
	if c.Insecure {
		line("INSECURE", "whoever reaches %s may do everything", strings.Join(listens.Addresses(), ", "))
	}
}
