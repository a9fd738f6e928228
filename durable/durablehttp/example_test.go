package durablehttp_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/durablehttp"
)

// A handle of the activity's name, with these types, is how a program in Go calls. An
// answer of 4xx or 5xx is an answer too; no answer is an error.
func Example() {
	shop := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "in stock") }))
	defer shop.Close()

	HTTP := durable.DeclareActivity[durablehttp.Request, durablehttp.Response](durablehttp.ActivityName)
	Ask := durable.Orchestration("Ask", func(ctx *durable.Context, uri string) (string, error) {
		answer, err := HTTP.Call(ctx, durablehttp.Request{Method: "GET", URI: uri, Poll: true, Timeout: time.Hour}).Await()
		return answer.Content, err
	})

	// Only a test calls its own machine: Exempt allows that.
	calls, err := durablehttp.New(durablehttp.Options{Hosts: []string{shop.URL}, Exempt: loopback})
	if err != nil {
		panic(err)
	}
	defer calls.Close()
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	ctx := context.Background()
	hub, err := netherite.Open(dir, netherite.Serve(append(calls.Handlers(), Ask)...))
	if err != nil {
		panic(err)
	}
	defer func() { _ = hub.Close(ctx) }()
	calls.Attach(hub)

	run, err := Ask.Start(ctx, hub, shop.URL)
	if err != nil {
		panic(err)
	}
	fmt.Println(run.Wait(ctx))
	// Output: in stock <nil>
}
