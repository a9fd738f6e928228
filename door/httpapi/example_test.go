package httpapi_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/door/httpapi"
	"github.com/netherite-go/netherite/durable"
)

// A program serves its own hub beside what else it has to serve.
func ExampleHandler() {
	shout := durable.Orchestration("Shout", func(_ *durable.Context, text string) (string, error) { return strings.ToUpper(text) + "!", nil })
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(shout))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(context.Background())

	mux := http.NewServeMux()
	mux.Handle(httpapi.Base+"/", httpapi.Handler(hub))
	server := httptest.NewServer(mux) // or http.ListenAndServe at 127.0.0.1
	defer server.Close()

	answer, err := http.Post(server.URL+httpapi.Base+"/orchestrators/Shout?timeout=30", "application/json", strings.NewReader(`"hello"`))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer answer.Body.Close()
	output, err := io.ReadAll(answer.Body)
	fmt.Println(answer.StatusCode, string(output), err)
	// Output: 200 "HELLO!" <nil>
}
