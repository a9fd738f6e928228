package httpapi_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/engine"
)

// pages reads all pages of a list of large things, and returns how many those were.
func (a *api) pages(path, each string, want int) (pages int) {
	a.t.Helper()
	listed := 0
	for token := ""; ; {
		got := a.must(200, "GET", path, "", "x-ms-continuation-token", token)
		if n, most := len(got.body), engine.MaxPageBytes+engine.MaxPageBytes/4; n > most {
			a.t.Errorf("GET %s: a page of %d bytes, want at most %d", path, n, most)
		}
		listed += strings.Count(got.String(), each)
		pages++
		if token = got.header.Get("x-ms-continuation-token"); token == "" {
			break
		}
	}
	if listed != want {
		a.t.Errorf("GET %s: %d are listed, there are %d", path, listed, want)
	}
	return pages
}

func TestAPageEndsBeforeItIsTooLarge(t *testing.T) {
	a := serve(t, httpapi.Options{})
	const n = 12
	text := `"` + strings.Repeat("a", 1_000_000) + `"`
	for i := range n {
		a.must(202, "POST", fmt.Sprint("orchestrators/Nothing/x", i), text)
		a.must(202, "POST", fmt.Sprintf("entities/note/k%d?op=write", i), text)
	}
	if pages := a.pages("instances?top=1000", `"instanceId"`, n); pages != n/4 {
		t.Errorf("%d pages of instances, want %d", pages, n/4)
	}
	for i := range n {
		if _, err := a.hub.Engine().Get(t.Context(), fmt.Sprint("@note@k", i), engine.GetOptions{Fresh: true}); err != nil {
			t.Fatal(err)
		}
	}
	if pages := a.pages("entities?top=1000&fetchState=true", `"entityId"`, n); pages != n/4 {
		t.Errorf("%d pages of entities with their states, want %d", pages, n/4)
	}
	if pages := a.pages("entities?top=1000", `"entityId"`, n); pages != 1 {
		t.Errorf("%d pages of entities without their states, want one", pages)
	}
}

// TestAskingForMoreThanAPageGetsAPage: as of Durable Functions, whose clients may ask for
// any number, and go on with the token.
func TestAskingForMoreThanAPageGetsAPage(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for i := range 1001 {
		a.must(202, "POST", fmt.Sprint("orchestrators/Nothing/x", i), "")
	}
	for top, pages := range map[string]int{"1000": 2, "1001": 2, "999999999": 2, "501": 2} {
		if got := a.pages("instances?top="+top, `"instanceId"`, 1001); got != pages {
			t.Errorf("top=%s: %d pages, want %d", top, got, pages)
		}
	}
	for _, top := range []string{"0", "-1", "many"} {
		a.must(400, "GET", "instances?top="+top, "")
	}
}
