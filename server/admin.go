package server

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"strings"

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
// they need the role Admin for all task hubs.
func (s *Server) adminHandler(auth []gate.Authenticator) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range s.adminRoutes() { // order-free: patterns are told apart by the mux
		mux.Handle(pattern, h)
	}
	return s.probes(s.onlyAdmins(auth, mux))
}

// onlyAdmins lets those through who may everything, everywhere.
func (s *Server) onlyAdmins(auth []gate.Authenticator, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		who, code, err := admin(auth, r)
		if err != nil {
			s.audit.Warn("refused", "operation", "admin "+r.Method+" "+r.URL.Path, "caller", who, "error", err)
			answerJSON(w, code, map[string]string{"error": err.Error()})
			return
		}
		if r.Method != http.MethodGet {
			s.audit.Info("allowed", "operation", "admin "+r.Method+" "+r.URL.Path, "caller", who)
		}
		next.ServeHTTP(w, r)
	})
}

// admin says who calls, and why not if it may not.
func admin(auth []gate.Authenticator, r *http.Request) (who string, code int, err error) {
	if len(auth) == 0 {
		return "anonymous", http.StatusOK, nil
	}
	header := r.Header.Get("Authorization")
	if scheme, token, ok := strings.Cut(header, " "); ok && strings.EqualFold(scheme, "Bearer") {
		header = strings.TrimSpace(token)
	}
	c := &gate.Credentials{Ctx: r.Context(), Token: header}
	if r.TLS != nil {
		c.Chains = r.TLS.VerifiedChains
	}
	err = gate.ErrUnauthenticated
	for _, a := range auth {
		p, e := a.Authenticate(c)
		switch {
		case e != nil:
			if header != "" {
				err = e
			}
		case !p.May(gate.Everywhere, gate.Admin):
			return p.Name, http.StatusForbidden, fmt.Errorf("%s does not have the role admin for all task hubs, which the admin listener asks for", p.Name)
		default:
			return p.Name, http.StatusOK, nil
		}
	}
	return "", http.StatusUnauthorized, err
}

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
