package server

import (
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"

	"github.com/netherite-go/netherite/door/gate"
)

// maxLevel bounds what is read as a log level.
const maxLevel = 64

// adminRoutes is what the admin listener answers, beside the probes, and what it
// does. It has no payloads of anybody's, but profiles show names of code, and
// who may change the log level may fill a disk.
func (s *Server) adminRoutes() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /metrics":             s.telemetry.scrape(),
		"GET /debug/pprof/":        http.HandlerFunc(pprof.Index),
		"GET /debug/pprof/cmdline": http.HandlerFunc(pprof.Cmdline),
		"GET /debug/pprof/profile": http.HandlerFunc(pprof.Profile),
		"GET /debug/pprof/symbol":  http.HandlerFunc(pprof.Symbol),
		"POST /debug/pprof/symbol": http.HandlerFunc(pprof.Symbol),
		"GET /debug/pprof/trace":   http.HandlerFunc(pprof.Trace),
		"GET /log/level":           http.HandlerFunc(s.showLevel),
		"PUT /log/level":           http.HandlerFunc(s.setLevel),
	}
}

// adminHandler serves the admin listener. Where callers have to say who they are,
// they need the role that the gate's table says for all task hubs.
func (s *Server) adminHandler(g *gate.Gate) http.Handler { return s.probes(g.Admins(s.adminRoutes())) }

func (s *Server) showLevel(w http.ResponseWriter, _ *http.Request) {
	if s.c.Level == nil {
		answerJSON(w, http.StatusNotFound, map[string]string{"error": "the log level of this server is fixed"})
		return
	}
	answerJSON(w, http.StatusOK, map[string]string{"level": s.c.Level.Level().String()})
}

// setLevel takes debug, info, warn or error, as text.
func (s *Server) setLevel(w http.ResponseWriter, r *http.Request) {
	if s.c.Level == nil {
		s.showLevel(w, r)
		return
	}
	text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxLevel))
	var level slog.Level
	if err == nil {
		err = level.UnmarshalText(text)
	}
	if err != nil {
		answerJSON(w, http.StatusBadRequest, map[string]string{"error": "a log level is debug, info, warn or error: " + err.Error()})
		return
	}
	s.c.Level.Set(level)
	s.log.Info("the log level was changed", "level", level.String())
	s.showLevel(w, r)
}

// answerJSON writes a JSON object.
func answerJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v) // to a caller that may be gone
}
