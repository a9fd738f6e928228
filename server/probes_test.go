package server

import (
	"strings"
	"testing"
)

// TestPathsThatAreNoneAreAnsweredInTheFormOfTheAPI: not by a redirection to another path,
// which a client might follow with another method.
func TestPathsThatAreNoneAreAnsweredInTheFormOfTheAPI(t *testing.T) {
	s := start(t, nil)
	const base = "/runtime/webhooks/durabletask"
	for _, path := range []string{"//", "/" + base + "/instances", base + "//instances", base + "/instances//x", base + "/../instances", base + "/instances/./x", "/healthz/", "//healthz", "/x/../readyz"} {
		for _, method := range []string{"GET", "POST", "DELETE"} {
			got := s.ask(t, method, path, "", nil)
			if got.code != 404 || !strings.HasPrefix(got.header.Get("Content-Type"), "application/json") || !strings.Contains(got.body, "ExceptionMessage") {
				t.Errorf("%s %s: %d %s %q", method, path, got.code, got.header.Get("Content-Type"), got.body)
			}
		}
	}
	if got := s.ask(t, "POST", "/healthz", "", nil); got.code != 404 {
		t.Errorf("POST /healthz: %d", got.code)
	}
	if got := s.ask(t, "HEAD", "/readyz", "", nil); got.code != 200 {
		t.Errorf("HEAD /readyz: %d", got.code)
	}
}
