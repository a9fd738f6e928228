package netherite_test

import (
	"bytes"
	"context"
	"encoding/gob"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
)

// silent keeps the log out of the examples' output.
var silent = netherite.Logger(slog.New(slog.DiscardHandler))

// What was acknowledged is there again when the directory is opened again.
func ExampleOpen() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "hub")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	hub, err := netherite.Open(dir, netherite.Serve(greet, tour), silent)
	if err != nil {
		fmt.Println(err)
		return
	}
	run, err := tour.Start(ctx, hub, []string{"Tokyo", "Seattle"}, durable.ID("trip"))
	if err == nil {
		_, err = run.Wait(ctx)
	}
	fmt.Println(err, hub.Close(ctx))

	hub, err = netherite.Open(dir, netherite.Serve(greet, tour), netherite.MustExist(), silent)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(ctx)
	fmt.Println(tour.Attach(hub, "trip").Wait(ctx))
	// Output:
	// <nil> <nil>
	// [Hello Tokyo! Hello Seattle!] <nil>
}

// Retention is looked at now and then: what has ended goes a while after it is up.
func ExampleRetention() {
	ctx := context.Background()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet, tour), silent,
		netherite.Retention(7*24*time.Hour)) // negative: for ever
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(ctx)
	run, err := tour.Start(ctx, hub, []string{"Tokyo"})
	if err == nil {
		_, err = run.Wait(ctx)
	}
	fmt.Println(err)
	_, err = run.Status(ctx) // of last week it would be engine.ErrNotFound
	fmt.Println(err)
	// Output:
	// <nil>
	// <nil>
}

// A payload above the limit is refused where it comes to be.
func ExamplePayloadLimit() {
	ctx := context.Background()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet, tour), silent,
		netherite.PayloadLimit(1_000))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(ctx)
	_, err = tour.Start(ctx, hub, []string{strings.Repeat("a", 2_000)})
	fmt.Println(errors.Is(err, durable.ErrPayloadTooLarge))
	// Output: true
}

// gobCodec keeps Go values as encoding/gob does: smaller than JSON for numbers,
// and for programs in Go only.
type gobCodec struct{}

// Encode implements durable.Codec.
func (gobCodec) Encode(v any) ([]byte, error) {
	var b bytes.Buffer
	err := gob.NewEncoder(&b).Encode(v)
	return b.Bytes(), err
}

// Decode implements durable.Codec.
func (gobCodec) Decode(payload []byte, v any) error {
	return gob.NewDecoder(bytes.NewReader(payload)).Decode(v)
}

// All programs of a hub must use the same codec, from its first day to its last.
func ExampleWithCodec() {
	ctx := context.Background()
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(greet, tour), silent,
		netherite.WithCodec(gobCodec{}))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer hub.Close(ctx)
	run, err := tour.Start(ctx, hub, []string{"Tokyo"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(run.Wait(ctx))
	inst, err := run.Status(ctx)
	fmt.Println(strings.HasPrefix(string(inst.Output), "["), err) // it is not JSON
	// Output:
	// [Hello Tokyo!] <nil>
	// false <nil>
}
