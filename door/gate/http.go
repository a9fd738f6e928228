package gate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"google.golang.org/grpc/codes"
)

// HTTP lets requests through to an API that asks Admit about each of them.
func (g *Gate) HTTP(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.pages.Headers(w.Header(), r)
		if g.pages.Preflight(w, r) {
			return
		}
		v := &visit{from: hostOf(r.RemoteAddr), conn: httpConn(r.Context())}
		if err := g.greet(v, r); err != nil {
			g.refused(v, err)
			Answer(w, err)
			return
		}
		defer g.calls.leave(v.caller)
		defer v.giveBack()
		ctx, cancel := context.WithCancel(context.WithValue(r.Context(), visitKey{}, v))
		defer cancel()
		v.end = cancel
		out := &recorder{ResponseWriter: w}
		defer func() {
			if v.streams {
				v.guard.stop()
				g.streams.leave(v.caller)
			}
			if v.need.Role != None {
				g.done(v, instanceAt(v.operation, r.URL.EscapedPath()), out.outcome())
			}
		}()
		if r.ContentLength != 0 {
			b := &body{ReadCloser: r.Body, g: g, v: v, rc: http.NewResponseController(w), ctx: ctx, declared: r.ContentLength}
			defer b.end() // before ctx ends
			r.Body = b
		}
		next.ServeHTTP(out, r.WithContext(ctx))
	})
}

func (g *Gate) greet(v *visit, r *http.Request) error {
	if err := g.pages.Admits(r, "hosts", "origins"); err != nil {
		return refuse(codes.PermissionDenied, "%v", err)
	}
	if err := g.begin(v, fromHTTP(r)); err != nil {
		return err
	}
	return g.countCall(v)
}

// Admit decides whether a request that has come through HTTP may do an operation in
// a task hub; empty is that of callers that name none. The error is a Refusal.
func (g *Gate) Admit(r *http.Request, operation, hub string) error {
	v, ok := r.Context().Value(visitKey{}).(*visit)
	if !ok {
		return refuse(codes.PermissionDenied, "the request has not come through the gate")
	}
	v.operation, v.hub = operation, hub
	err := g.permit(v)
	if err == nil && v.need.Stream {
		if err = g.openStream(v); err == nil {
			v.guard = g.guard(v, fromHTTP(r), func(error) { v.end() })
		}
	}
	if err != nil {
		g.refused(v, err)
		v.need = Need{} // nothing has been done
	}
	return err
}

// Admins serves an operator's pages, such as figures and profiles, by their patterns
// (see http.ServeMux), to those who have the role that each needs for all task hubs.
// Who may not govern the server is not told either which pages there are. Web pages of
// others have no way in.
func (g *Gate) Admins(routes map[string]http.Handler) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range routes { // order-free: patterns are told apart by the mux
		mux.Handle(pattern, h)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.pages.Headers(w.Header(), r)
		_, pattern := mux.Handler(r)
		v := &visit{from: hostOf(r.RemoteAddr), conn: httpConn(r.Context()), operation: "admin " + pattern, hub: Everywhere}
		if pattern == "" {
			v.operation += r.Method + " " + r.URL.Path
		}
		err := g.greet(v, r)
		if err == nil {
			defer g.calls.leave(v.caller)
			err = g.permitPage(v, pattern != "")
		}
		if err != nil {
			g.refused(v, err)
			Answer(w, err)
			return
		}
		out := &recorder{ResponseWriter: w}
		if v.need.Audit {
			defer func() { g.done(v, "", out.outcome()) }()
		}
		mux.ServeHTTP(out, r)
	})
}

// permitPage is permit for an operator's page. That there is none is said to who may
// have all of them.
func (g *Gate) permitPage(v *visit, isThere bool) error {
	if isThere {
		return g.permit(v)
	}
	if !v.principal.May(Everywhere, Admin) {
		return refuse(codes.PermissionDenied, "%s does not have the role %s for all task hubs, which is needed here", v.principal.Name, Admin)
	}
	return nil
}

// fromHTTP reads the credentials of a request. Durable Functions clients send
// their key as "code" or in a header of its own; there only API keys are taken.
func fromHTTP(r *http.Request) *Credentials {
	c := &Credentials{Ctx: r.Context(), Token: bearer(r.Header.Get("Authorization"))}
	for _, key := range [...]string{r.Header.Get("x-functions-key"), r.URL.Query().Get("code")} {
		if c.Token == "" && strings.HasPrefix(key, keyPrefix) {
			c.Token = key
		}
	}
	if r.TLS != nil {
		c.Chains = r.TLS.VerifiedChains
	}
	return c
}

// Answer answers a request with an error, in the form of Durable Functions.
func Answer(w http.ResponseWriter, err error) {
	r := refusalOf(err)
	code := r.HTTP()
	if code == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="netherite"`)
	}
	body, _ := json.Marshal(map[string]string{ // texts always can
		"Message": http.StatusText(code), "ExceptionMessage": r.Text, "ExceptionType": "System.UnauthorizedAccessException",
	})
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(code)
	_, _ = w.Write(body) // that the caller is gone is nobody's error
}

// recorder notes the status code of an answer.
type recorder struct {
	http.ResponseWriter
	code int
}

// WriteHeader implements http.ResponseWriter.
func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

// Unwrap is for http.ResponseController.
func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// Flush implements http.Flusher.
func (r *recorder) Flush() { _ = http.NewResponseController(r.ResponseWriter).Flush() }

func (r *recorder) outcome() string {
	if r.code == 0 {
		return "200"
	}
	return strconv.Itoa(r.code)
}

// instanceAt finds the instance in the path of a request: the parameters after
// "instances" or "entities".
func instanceAt(operation, path string) string {
	_, pattern, _ := strings.Cut(operation, " ")
	want := strings.Split(pattern, "/")
	segments := strings.Split(strings.TrimSuffix(path, "/"), "/")
	if len(segments) < len(want) || len(want) < 2 {
		return ""
	}
	segments = segments[len(segments)-len(want):]
	part := func(i int) string {
		s, err := url.PathUnescape(segments[i])
		if err != nil {
			return segments[i]
		}
		return s
	}
	switch want[0] {
	case "instances":
		return part(1)
	case "entities":
		if len(want) > 2 {
			return "@" + strings.ToLower(part(1)) + "@" + part(2)
		}
	}
	return ""
}
