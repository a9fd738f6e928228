package server

import (
	"io"
	"log/slog"
	"net/http"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/gate"
)

// adminAsk sends a request to the admin listener, and returns the code of the answer.
func (r *running) adminAsk(t *testing.T, method, path, body, host string, header map[string]string) int {
	t.Helper()
	q, err := http.NewRequest(method, "http://"+r.Place().Admin+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	q.Host = host
	for k, v := range header {
		q.Header.Set(k, v)
	}
	a, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Body.Close()
	_, _ = io.Copy(io.Discard, a.Body)
	return a.StatusCode
}

func TestAWebPageChangesAndReadsNothingOfTheAdminListener(t *testing.T) {
	level := new(slog.LevelVar)
	s := start(t, func(c *Config) { c.Admin, c.Level = "127.0.0.1:0", level })
	page := map[string]string{"Sec-Fetch-Site": "cross-site", "Origin": "https://evil.example"}
	if code := s.adminAsk(t, "PUT", "/log/level", "debug", "", page); code != 403 || level.Level() != slog.LevelInfo {
		t.Errorf("a page of another site is answered %d, the level is %v", code, level.Level())
	}
	if code := s.adminAsk(t, "GET", "/metrics", "", "evil.example", nil); code != 403 {
		t.Errorf("a request for another host is answered %d", code)
	}
	if code := s.adminAsk(t, "PUT", "/log/level", "debug", "", nil); code != 200 || level.Level() != slog.LevelDebug {
		t.Errorf("a program is answered %d, the level is %v", code, level.Level())
	}
}

func TestTheAdminListenerIsForAdminsOfAllHubs(t *testing.T) {
	tokens := map[string]string{}
	s := start(t, func(c *Config) {
		c.Admin, c.Level = "127.0.0.1:0", new(slog.LevelVar)
		for name, roles := range map[string]map[string]gate.Role{
			"reader": {"*": gate.Reader}, "client": {"*": gate.Client}, "worker": {"*": gate.Worker}, "one": {"default": gate.Admin}, "all": {"*": gate.Admin},
		} {
			token, k := key(t, name, roles)
			tokens[name] = token
			c.Keys = append(c.Keys, k)
		}
	})
	want := map[string]int{"": 401, "reader": 403, "client": 403, "worker": 403, "one": 403, "all": 200}
	for pattern := range s.adminRoutes() {
		method, path, _ := strings.Cut(pattern, " ")
		if path == "/debug/pprof/profile" || path == "/debug/pprof/trace" {
			path += "?seconds=1"
		}
		for name, code := range want {
			if strings.Contains(path, "seconds") && code == 200 {
				continue // takes its time
			}
			header := map[string]string{"Authorization": "Bearer " + tokens[name]}
			if name == "" {
				header = nil
			}
			if got := s.adminAsk(t, method, path, "info", "", header); got != code {
				t.Errorf("%s as %q is answered %d, want %d", pattern, name, got, code)
			}
		}
	}
	if len(s.log.lines("audit=true", "/log/level", "caller=key:all")) == 0 {
		t.Errorf("the audit log does not say who has changed the level:\n%s", s.log)
	}
}
