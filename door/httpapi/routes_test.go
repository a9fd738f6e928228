package httpapi_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/door/httpapi"
)

// described lists what the description has, in the words of Operations but for the
// names of parameters.
func described(t *testing.T) (list []string) {
	t.Helper()
	var doc struct{ Paths map[string]map[string]any }
	if err := json.Unmarshal(httpapi.Description(), &doc); err != nil {
		t.Fatal(err)
	}
	for path, item := range doc.Paths {
		for method := range item {
			list = append(list, strings.ToUpper(method)+" "+shape(strings.TrimPrefix(path, "/")))
		}
	}
	slices.Sort(list)
	return list
}

// shape is a path without the names of its parameters.
func shape(path string) string {
	segments := strings.Split(strings.ToLower(path), "/")
	for i, s := range segments {
		if strings.HasPrefix(s, "{") {
			segments[i] = "{}"
		}
	}
	return strings.Join(segments, "/")
}

func TestTheDescriptionHasEveryRouteAndNothingElse(t *testing.T) {
	var served []string
	for _, o := range httpapi.Operations() {
		method, path, _ := strings.Cut(o, " ")
		served = append(served, method+" "+shape(path))
		if short, _, optional := strings.Cut(path, "?}"); optional {
			served = append(served, method+" "+shape(short[:strings.LastIndex(short, "/")]))
		}
	}
	slices.Sort(served)
	if got := described(t); !slices.Equal(got, served) {
		t.Errorf("described:\n%s\nserved:\n%s", strings.Join(got, "\n"), strings.Join(served, "\n"))
	}
}

func TestTheDescriptionIsServed(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for _, path := range []string{"/openapi.json", httpapi.Base + "/openapi.json", "/durabletask/openapi.json"} {
		if got := a.must(200, "GET", path, ""); !slices.Equal(got.body, httpapi.Description()) {
			t.Errorf("%s: %.100s", path, got)
		}
	}
}

func TestAllBasesLeadToTheSame(t *testing.T) {
	a := serve(t, httpapi.Options{})
	a.waiting("w é+%")
	for _, base := range []string{
		"/runtime/webhooks/durabletask", "/admin/extensions/DurableTaskExtension", "/ADMIN/extensions/durabletaskextension", "/durabletask",
		"/taskhubs/mine/runtime/webhooks/durabletask", "/TaskHubs/mine/durabletask",
	} {
		got := a.must(202, "GET", base+"/Instances/w%20%C3%A9+%25/", "")
		if want := a.server.URL + base + "/instances/w%20%C3%A9+%25"; got.header.Get("Location") != want {
			t.Errorf("%s: Location %q, want %q", base, got.header.Get("Location"), want)
		}
		a.must(202, "GET", got.header.Get("Location"), "")
	}
}

func TestWhatIsNotThereIsNotFound(t *testing.T) {
	a := serve(t, httpapi.Options{})
	for _, path := range []string{
		"/", "/runtime", httpapi.Base, httpapi.Base + "/", httpapi.Base + "/instances/a/b/c/d", httpapi.Base + "//instances", "/taskhubs/mine", "/taskhubs//durabletask/instances",
		"/taskhubs/mine/instances", "/taskhubs/other/durabletask/instances", httpapi.Base + "/instances?taskHub=other", httpapi.Base + "/orchestrators",
		httpapi.Base + "/instances?TASKHUB=other",
	} {
		a.must(404, "GET", path, "")
	}
	got := a.must(404, "PUT", "instances/x", "")
	if got.header.Get("Allow") != "DELETE, GET" || !strings.Contains(got.String(), "DELETE, GET") {
		t.Errorf("another method: %s, Allow %q", got, got.header.Get("Allow"))
	}
	a.must(400, "GET", "/taskhubs/mine/durabletask/instances?taskHub=other", "")
	a.must(200, "GET", "/taskhubs/mine/durabletask/instances?taskHub=mine", "")
	a.must(200, "POST", "makePrimary", "")
}

func TestAdmissionComesBeforeAnythingElse(t *testing.T) {
	type asked struct{ operation, hub string }
	var got []asked
	a := serve(t, httpapi.Options{Admit: func(r *http.Request, operation, hub string) error {
		got = append(got, asked{operation, hub})
		switch r.Header.Get("Authorization") {
		case "":
			return &httpapi.Refusal{Code: http.StatusUnauthorized, Text: "who are you?"}
		case "broken":
			return errors.New("cannot tell")
		}
		return nil
	}})
	a.must(401, "GET", "instances/x?taskHub=other", "")
	a.must(500, "POST", "/taskhubs/other/durabletask/orchestrators/F", "{", "Authorization", "broken")
	a.must(404, "GET", "instances/x", "", "Authorization", "me")
	a.must(404, "GET", "nothing", "")
	want := []asked{{"GET instances/{instance}", "other"}, {"POST orchestrators/{function}/{instance?}", "other"}, {"GET instances/{instance}", ""}}
	if !slices.Equal(got, want) {
		t.Errorf("asked %v, want %v", got, want)
	}
}
