package gate

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// pagesOf serves an operator's pages through a gate, and asks for one.
func pagesOf(t *testing.T, keys *Keys) (log *bytes.Buffer, ask func(method, token string, header map[string]string) int) {
	t.Helper()
	log = &bytes.Buffer{}
	o := Options{Audit: slog.New(slog.NewTextHandler(log, nil))}
	if keys != nil {
		o.Authenticators = []Authenticator{keys}
	}
	g, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	page := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusAccepted) })
	s := httptest.NewServer(g.Admins(map[string]http.Handler{"GET /log/level": page, "PUT /log/level": page, "GET /unheard-of": page}))
	t.Cleanup(s.Close)
	return log, func(method, token string, header map[string]string) int {
		path := "/log/level"
		if p := header["path"]; p != "" {
			path = p
		}
		q, err := http.NewRequest(method, s.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		q.Header.Set("Authorization", "Bearer "+token)
		for k, v := range header {
			q.Header.Set(k, v)
		}
		if h := header["Host"]; h != "" {
			q.Host = h
		}
		a, err := http.DefaultClient.Do(q)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		return a.StatusCode
	}
}

func TestAnOperatorsPagesAreForAdminsOfAllHubs(t *testing.T) {
	var list []Key
	tokens := map[string]string{}
	for name, roles := range map[string]map[string]Role{"all": {Everywhere: Admin}, "one": {"orders": Admin}, "worker": {Everywhere: Worker}} {
		token, hash := newKeyOf(t, name)
		tokens[name], list = token, append(list, Key{Name: name, Hashes: []string{hash}, Roles: roles})
	}
	log, ask := pagesOf(t, keysOf(t, list...))
	for name, want := range map[string]int{"all": 202, "one": 403, "worker": 403, "nobody": 401} {
		for _, method := range []string{"GET", "PUT"} {
			if got := ask(method, tokens[name], nil); got != want {
				t.Errorf("%s by %s: %d, want %d", method, name, got, want)
			}
		}
	}
	if n := strings.Count(log.String(), "msg=done caller=key:all from=127.0.0.1 operation=\"admin PUT /log/level\""); n != 1 || strings.Contains(log.String(), "done caller=key:all from=127.0.0.1 operation=\"admin GET") {
		t.Error(log)
	}
}

func TestAPageThatTheTableDoesNotHaveIsForNobody(t *testing.T) {
	token, hash := newKeyOf(t, "all")
	_, ask := pagesOf(t, keysOf(t, Key{Name: "all", Hashes: []string{hash}, Roles: map[string]Role{Everywhere: Admin}}))
	for path, want := range map[string]int{"/unheard-of": 404, "/not-there": 404} {
		if got := ask("GET", token, map[string]string{"path": path}); got != want {
			t.Errorf("%s: %d, want %d", path, got, want)
		}
		if got := ask("GET", "", map[string]string{"path": path}); got != 401 {
			t.Errorf("%s by somebody: %d", path, got)
		}
	}
}

func TestAWebPageDoesNotReachAnOperatorsPages(t *testing.T) {
	_, ask := pagesOf(t, nil)
	if got := ask("PUT", "", nil); got != 202 {
		t.Errorf("a program: %d", got)
	}
	for _, header := range []map[string]string{{"Host": "evil.example"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "cross-site"}} {
		if got := ask("PUT", "", header); got != 403 {
			t.Errorf("%v: %d", header, got)
		}
	}
}
