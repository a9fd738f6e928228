package httpapi_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/routers"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

const (
	// maxRequests is how many requests of an input are sent.
	maxRequests = 8
	// perByte: each request may show what those before it have brought, in up to six
	// bytes for one; besides, it is recorded, replayed and kept.
	perByte = 6*maxRequests + 200
)

// somePage is the web page that may use the API.
const somePage = "https://ops.example.com"

// FuzzAnyRequest sends requests to a hub that is new, one after another: each is
// what a server would hand on, whatever it asks for. Each is answered, with a status
// that the description lists for it, and in JSON.
func FuzzAnyRequest(f *testing.F) {
	for _, script := range scripts {
		f.Add(script)
	}
	router := router(f)
	f.Fuzz(func(t *testing.T, script string) {
		fuzztest.Bounded(t, len(script), perByte, func() { play(t, router, script) })
	})
}

// scripts are good inputs. An empty line comes before a body, "===" between requests.
var scripts = []string{
	"POST orchestrators/Hello/a?timeout=1\nContent-Type: application/json\nTraceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\n\n\"you\"\n===\nGET instances/a?showHistory=true&showHistoryOutput=true\n===\nPOST instances/a/restart?restartWithNewInstanceId=false&timeout=1\n===\nDELETE instances/a",
	"POST orchestrators/Waits/a\n===\nPOST instances/a/suspend?reason=r\n===\nPOST instances/a/resume?reason=r\n===\nPOST instances/a/raiseEvent/go\nContent-Type: application/json\n\n[1,{\"a\":null}]\n===\nGET instances?top=1&showInput=false&runtimeStatus=Running,Completed&createdTimeFrom=2020-01-01\n===\nPOST instances/a/terminate?reason=r",
	"POST orchestrators/Fails/a?timeout=1\n===\nPOST instances/a/rewind?reason=r\n===\nGET instances/a?returnInternalServerErrorOnFailure=true\n===\nDELETE instances?createdTimeFrom=2020-01-01T00:00:00Z&runtimeStatus=Failed",
	"POST entities/Tally/1?op=add\nContent-Type: application/json\n\n1\n===\nGET entities/Tally/1\n===\nGET entities/Tally?fetchState=true&top=1\nx-ms-continuation-token: eyJ9\n===\nDELETE entities/Tally/1\n===\nGET entities",
	"GET changes?entities=true&buffer=1\nLast-Event-ID: 7\n===\nPOST makeprimary\n===\nGET openapi.json\n===\nGET /openapi.json",
	"OPTIONS instances\nOrigin: " + somePage + "\nAccess-Control-Request-Method: POST\n===\nGET instances\nOrigin: https://elsewhere.example\n===\nGET http://elsewhere.example/durabletask/instances",
	"GET /taskhubs/mine/admin/extensions/DurableTaskExtension/instances/%2F%ff?taskHub=other\n===\nPUT instances\n===\nGET nothing",
}

// play opens a hub, sends it the requests and closes it.
func play(t *testing.T, router routers.Router, script string) {
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Partitions(1), netherite.CheckReplay(), netherite.Serve(greet, hello, waits, fails, tally, note))
	if err != nil {
		t.Fatal(err)
	}
	door := httpapi.New(httpapi.Only(hub), httpapi.Options{Clock: hasty{sysclock.New()}, Origins: []string{somePage}})
	for i, text := range strings.Split(script, "\n===\n") {
		if i == maxRequests {
			break
		}
		if r := parse(text); r != nil {
			send(t, door, router, r)
		}
	}
	if n := hub.Stats().Panics; n > 0 {
		t.Errorf("%d panics of the core", n)
	}
	if err := hub.Health(); err != nil {
		t.Error(err)
	}
	door.Drain()
	if err := hub.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

// parse reads a request as a server would; nil for what it would refuse.
func parse(text string) *http.Request {
	head, body, _ := strings.Cut(text, "\n\n")
	first, header, _ := strings.Cut(head, "\n")
	method, target, _ := strings.Cut(first, " ")
	if !strings.HasPrefix(target, "/") && !strings.HasPrefix(target, "http") {
		target = httpapi.Base + "/" + target
	}
	head = method + " " + target + " HTTP/1.1\r\n" + strings.ReplaceAll(header, "\n", "\r\n") + "\r\n\r\n"
	r, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head)))
	if err != nil {
		return nil
	}
	if r.Host == "" {
		r.Host = "localhost"
	}
	r.Body, r.ContentLength = io.NopCloser(strings.NewReader(body)), int64(len(body))
	return r
}

// send serves a request and looks at the answer.
func send(t *testing.T, door http.Handler, router routers.Router, r *http.Request) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	w := &visitor{ResponseRecorder: httptest.NewRecorder(), leave: cancel}
	door.ServeHTTP(w, r.WithContext(ctx))
	if codes, name := codesOf(router, r); !codes[w.Code] {
		t.Errorf("%s %s (%s): %d %s is not described", r.Method, r.URL, name, w.Code, w.Body)
	}
	for _, text := range texts(w.Header().Get("Content-Type"), w.Body.String()) {
		if !json.Valid([]byte(text)) {
			t.Errorf("%s %s: %d %q is no JSON", r.Method, r.URL, w.Code, text)
		}
	}
}

// texts are the parts of an answer that are JSON.
func texts(kind, body string) (list []string) {
	switch {
	case body == "":
	case strings.HasPrefix(kind, "application/json"):
		return []string{body}
	case kind == "text/event-stream":
		for line := range strings.Lines(body) {
			if data, ok := strings.CutPrefix(line, "data: "); ok {
				list = append(list, data)
			}
		}
	default:
		return []string{fmt.Sprintf("<%s>%s", kind, body)} // which is none
	}
	return list
}

// codesOf are the codes that the description lists for a request, and the path that it
// is for; what it says of others, by default, does not count. It knows fewer ways to
// write a path than there are: to what it does not find, any of its codes may come. Web
// pages are refused with 403, or told with 204 what they may ask.
func codesOf(router routers.Router, r *http.Request) (codes map[int]bool, path string) {
	codes = map[int]bool{http.StatusForbidden: true, http.StatusNoContent: r.Method == http.MethodOptions}
	route, _, err := router.FindRoute(r)
	if err != nil {
		maps.Copy(codes, anyCode())
		return codes, "no operation"
	}
	maps.Copy(codes, listed(route.Operation))
	return codes, route.Path
}

// anyCode are the codes of all operations.
var anyCode = sync.OnceValue(func() map[int]bool {
	all := map[int]bool{}
	doc, err := openapi3.NewLoader().LoadFromData(httpapi.Description())
	if err != nil {
		panic(err)
	}
	for _, item := range doc.Paths.Map() {
		for _, o := range item.Operations() {
			maps.Copy(all, listed(o))
		}
	}
	return all
})

func listed(o *openapi3.Operation) map[int]bool {
	codes := map[int]bool{}
	for code := range o.Responses.Map() {
		if n, err := strconv.Atoi(code); err == nil { // not "default"
			codes[n] = true
		}
	}
	return codes
}

// visitor is who reads an answer. It leaves when it is told that nothing happens.
type visitor struct {
	*httptest.ResponseRecorder
	leave func()
}

func (w *visitor) Write(b []byte) (int, error) {
	if strings.HasPrefix(string(b), ": alive") {
		w.leave()
	}
	return w.ResponseRecorder.Write(b)
}

// hasty is a clock for which nobody waits long.
type hasty struct{ substrate.Clock }

func (c hasty) AfterFunc(d time.Duration, f func()) func() {
	return c.Clock.AfterFunc(min(d, time.Millisecond), f)
}
