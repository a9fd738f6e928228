package httpapi_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/httpapi"
)

// mounted is the handler as a program mounts it, at this machine's own address.
func mounted(t *testing.T, handler func(httpapi.Hub) *httpapi.API) (ask func(method, path string, header ...string) *http.Response) {
	t.Helper()
	hub, err := netherite.Open("", netherite.InMemory())
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	api := handler(hub)
	mux.Handle(httpapi.Base+"/", api)
	server := httptest.NewServer(mux)
	t.Cleanup(func() {
		server.Client().CloseIdleConnections()
		server.Close()
		if err := hub.Close(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return func(method, path string, header ...string) *http.Response {
		t.Helper()
		r, err := http.NewRequestWithContext(t.Context(), method, server.URL+httpapi.Base+"/"+path, strings.NewReader(""))
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(header); i += 2 {
			if r.Header.Set(header[i], header[i+1]); header[i] == "Host" {
				r.Host = header[i+1]
			}
		}
		a, err := server.Client().Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = a.Body.Close()
		return a
	}
}

// TestPagesInABrowserAreKeptFromAHandlerThatIsMounted: nobody is asked who they are, and
// any page that somebody looks at on this machine can send requests to it.
func TestPagesInABrowserAreKeptFromAHandlerThatIsMounted(t *testing.T) {
	const start = "orchestrators/Nobody"
	ask := mounted(t, httpapi.Handler)
	for _, c := range []struct {
		method, path string
		header       []string
		code         int
	}{
		{"POST", start, nil, 202}, {"GET", "instances", nil, 200},
		{"POST", start, []string{"Sec-Fetch-Site", "cross-site"}, 403}, {"POST", start, []string{"Origin", "https://evil.example"}, 403},
		{"POST", start, []string{"Sec-Fetch-Site", "same-origin"}, 202}, {"DELETE", "instances/x", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"POST", start, []string{"Host", "evil.example"}, 403}, {"GET", "instances", []string{"Host", "evil.example:80"}, 403},
		{"POST", start, []string{"Host", "localhost"}, 202}, {"OPTIONS", start, []string{"Origin", "https://evil.example", "Access-Control-Request-Method", "POST"}, 404},
	} {
		if a := ask(c.method, c.path, c.header...); a.StatusCode != c.code || a.Header.Get("Access-Control-Allow-Origin") != "" || a.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s %v: %d, want %d, with %v", c.method, c.header, a.StatusCode, c.code, a.Header)
		}
	}
}

func TestPagesAndNamesThatAreAllowedGetIn(t *testing.T) {
	const start, page = "orchestrators/Nobody", "https://ops.example"
	ask := mounted(t, func(h httpapi.Hub) *httpapi.API {
		return httpapi.New(httpapi.Only(h), httpapi.Options{Origins: []string{page}, Hosts: []string{"Shop.example"}})
	})
	if a := ask("POST", start, "Origin", page, "Host", "shop.example:8080"); a.StatusCode != 202 || a.Header.Get("Access-Control-Allow-Origin") != page {
		t.Errorf("a page that may: %d %v", a.StatusCode, a.Header)
	}
	if a := ask("OPTIONS", start, "Origin", page, "Access-Control-Request-Method", "POST"); a.StatusCode != 204 || a.Header.Get("Access-Control-Allow-Methods") == "" {
		t.Errorf("its browser asks before: %d %v", a.StatusCode, a.Header)
	}
	if a := ask("POST", start, "Origin", "https://evil.example"); a.StatusCode != 403 {
		t.Errorf("a page that may not: %d", a.StatusCode)
	}
	ask = mounted(t, func(h httpapi.Hub) *httpapi.API { return httpapi.New(httpapi.Only(h), httpapi.Options{AnyPage: true}) })
	if a := ask("POST", start, "Origin", "https://evil.example", "Host", "evil.example"); a.StatusCode != 202 {
		t.Errorf("behind a check of another kind: %d", a.StatusCode)
	}
	ask = mounted(t, func(h httpapi.Hub) *httpapi.API {
		return httpapi.New(httpapi.Only(h), httpapi.Options{Origins: []string{"ops.example"}})
	})
	if a := ask("GET", "instances"); a.StatusCode != 500 {
		t.Errorf("with an origin that is none: %d", a.StatusCode)
	}
}
