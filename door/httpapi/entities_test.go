package httpapi_test

import (
	"regexp"
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
)

func TestEntitiesAreSignaledReadAndDeleted(t *testing.T) {
	a := serve(t, httpapi.Options{})
	settled := func(id string) {
		t.Helper()
		_, _ = a.hub.Engine().Get(t.Context(), id, engine.GetOptions{Fresh: true})
	}
	for _, c := range []struct {
		method, path, body, kind string
		code                     int
		want                     string
	}{
		{"GET", "tally/x", "", "", 404, `\\"@tally@x\\": instance not found`},
		{"POST", "Tally/x?op=add", "5", "application/json", 202, `^$`},
		{"POST", "tally/x?OP=add", "2", "application/json", 202, `^$`},
		{"GET", "TALLY/x", "", "", 200, `^7$`},
		{"POST", "tally/$?op=add", "1", "application/json", 202, ``},
		{"GET", "tally/$", "", "", 200, `^1$`},
		{"POST", "note/k%20%40?op=write", "plain \"text\"", "text/plain", 202, ``},
		{"GET", "note/k%20%40", "", "", 200, `^"plain \\"text\\""$`},
		{"POST", "tally/x?op=add", "{", "application/json", 400, `not JSON`},
		{"POST", "tally/x", "1", "application/json", 400, `op`},
		{"POST", "tally/x%2Fy?op=add", "1", "application/json", 400, ``},
		{"DELETE", "tally/x", "", "", 202, `^$`},
		{"GET", "tally/x", "", "", 404, ``},
		{"DELETE", "tally/never", "", "", 202, `^$`},
		{"GET", "tally/never", "", "", 404, ``},
	} {
		got := a.must(c.code, c.method, "entities/"+c.path, c.body, "Content-Type", c.kind)
		if !regexp.MustCompile(c.want).MatchString(got.String()) {
			t.Errorf("%s %s: %s, want %s", c.method, c.path, got, c.want)
		}
		settled("@tally@x")
		settled("@tally@")
		settled("@note@k @")
	}
}

func TestEntitiesAreListed(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for _, path := range []string{"tally/a", "tally/b", "tally/c", "tallyho/d"} {
		a.must(202, "POST", "entities/"+path+"?op=add", "1")
	}
	a.must(202, "POST", "entities/note/n?op=write", `"text"`)
	for _, id := range []string{"@tally@a", "@tally@b", "@tally@c", "@note@n"} {
		if _, err := a.hub.Engine().Get(t.Context(), id, engine.GetOptions{Fresh: true}); err != nil {
			t.Fatal(err)
		}
	}
	a.waiting("w")
	count := func(path string) (n int, all string) {
		t.Helper()
		for token := ""; ; {
			got := a.must(200, "GET", path, "", "x-ms-continuation-token", token)
			n += len(regexp.MustCompile(`"entityId"`).FindAllString(got.String(), -1))
			all += got.String()
			if token = got.header.Get("x-ms-continuation-token"); token == "" {
				return n, all
			}
		}
	}
	for path, want := range map[string]int{
		"entities": 4, "entities/": 4, "entities/Tally": 3, "entities/tally?top=1": 3, "entities/nothing": 0,
		"entities?lastOperationTimeFrom=2999-01-01": 0, "entities?lastOperationTimeFrom=2020-01-01T00:00:00Z&lastOperationTimeTo=2999-01-01": 4,
	} {
		if got, all := count(path); got != want {
			t.Errorf("%s: %d, want %d: %s", path, got, want, all)
		}
	}
	_, without := count("entities/note")
	_, with := count("entities/note?fetchState=true")
	if !regexp.MustCompile(`^\[{"entityId":{"name":"note","key":"n"},"lastOperationTime":"....-..-..T..:..:..Z"}\]$`).MatchString(without) {
		t.Errorf("without states: %s", without)
	}
	if !regexp.MustCompile(`"state":"text"`).MatchString(with) {
		t.Errorf("with states: %s", with)
	}
	for _, path := range []string{"entities?top=-1", "entities?fetchState=x", "entities?lastOperationTimeTo=x", "entities?lastOperationTimeFrom=x"} {
		a.must(400, "GET", path, "")
	}
}
