package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel"

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
		return slog.New(slog.NewJSONHandler(w, o))
	}
	return slog.New(slog.NewTextHandler(w, o))
}

// serve serves until ctx ends, and then lets what runs come to its end.
func serve(ctx context.Context, s *config.Settings, stdout, stderr io.Writer) error {
	s.Config.Version = version()
	log := newLog(s, stderr)
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("telemetry could not be made or sent", "error", err) // else it would be printed in another form
	}))
	srv, err := server.Start(s.Config, log)
	if err != nil {
		return err
	}
	onHangup(ctx, func() {
		if err := srv.Reload(); err != nil {
			log.Error("files could not be read again, what was read of them before stays", "error", err)
		}
	})
	announce(stdout, srv.Place(), &s.Config)
	releaseStartup()
	again := time.AfterFunc(settled, releaseStartup)
	defer again.Stop()
	select {
	case <-ctx.Done():
		log.Info("stopping", "cause", context.Cause(ctx), "drain", s.Drain)
	case err = <-srv.Failed():
	}
	drain, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.Drain)
	defer cancel()
	if e := srv.Stop(drain); err == nil {
		err = e
	}
	return err
}

// announce says where the server can be reached and where the data lies.
func announce(w io.Writer, p server.Place, c *server.Config) {
	scheme := "http"
	if c.Cert != "" {
		scheme = "https"
	}
	line := func(what, format string, args ...any) {
		fmt.Fprintf(w, "%-12s"+format+"\n", append([]any{what + ":"}, args...)...)
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
		line("connection", "Endpoint=%s://%s;TaskHub=%s;Authentication=None", scheme, p.GRPC[len(p.GRPC)-1], c.Hub)
	}
	if p.Data == "" {
		line("data", "in memory, gone when the server ends")
	} else {
		line("data", "%s", p.Data)
	}
	if c.Insecure {
		line("INSECURE", "whoever reaches %s may do everything", strings.Join(append(p.GRPC, p.HTTP, p.Admin), ", "))
	}
}
