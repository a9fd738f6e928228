package seal_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/seal"
	"github.com/netherite-go/netherite/engine"
)

// A program reads its keys from where it keeps its secrets, and everything that it
// hands to the hub is encrypted from then on.
func Example() {
	// openssl rand -base64 32 makes a secret.
	keys, err := seal.ParseKeys("2030-06:3q2+7wABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhs=")
	if err != nil {
		fmt.Println(err)
		return
	}
	codec, err := seal.New(seal.Options{Keys: keys, Context: "patients"})
	if err != nil {
		fmt.Println(err)
		return
	}
	greet := durable.Orchestration("Greet", func(_ *durable.Context, name string) (string, error) { return "Hello " + name, nil })
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Logger(slog.New(slog.DiscardHandler)), netherite.WithCodec(codec), netherite.Serve(greet))
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := context.Background()
	defer hub.Close(ctx)
	run, err := greet.Start(ctx, hub, "Ada", durable.ID("one"))
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(ctx))

	stored, err := hub.Engine().Get(ctx, "one", engine.GetOptions{Payloads: true})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(strings.HasPrefix(string(stored.Output), `"nsl1.2030-06.`), strings.Contains(string(stored.Output), "Ada"))
	// Output:
	// Hello Ada <nil>
	// true false
}
