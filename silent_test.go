package netherite_test

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
)

// secret is in all payloads, and so in the errors of code that repeats what it was given.
const secret = "918273645"

var (
	leaky = durable.Entity[int]("Leaky")
	_     = durable.Operation(leaky, "refuse", func(_ *int, _ *durable.EntityContext, what string) (int, error) {
		return 0, fmt.Errorf("cannot take %s", what)
	})
	_       = durable.Operation(leaky, "small", func(n *int, _ *durable.EntityContext, by int8) (int, error) { *n += int(by); return *n, nil })
	_       = durable.Operation(leaky, "panic", func(_ *int, _ *durable.EntityContext, what string) (int, error) { panic(what) })
	_       = durable.Getter(leaky, "get", func(n *int, _ *durable.EntityContext) (int, error) { return *n, nil })
	telling = durable.Activity("Telling", func(_ context.Context, what string) (string, error) { return "", fmt.Errorf("cannot take %s", what) })
	tells   = durable.Orchestration("Tells", func(ctx *durable.Context, what string) (string, error) {
		return telling.Call(ctx, what).Await()
	})
)

// logLines are the lines of a log, each as one write.
type logLines chan string

// Write implements io.Writer.
func (l logLines) Write(line []byte) (int, error) {
	l <- string(line)
	return len(line), nil
}

func TestNoPayloadIsInTheLogOfAProgram(t *testing.T) {
	log := make(logLines, 1000)
	hub, err := netherite.Open("", netherite.InMemory(), netherite.Serve(leaky, telling, tells),
		netherite.Logger(slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = hub.Close(context.Background()) }()
	c, ctx := hub.Engine(), t.Context()
	for op, input := range map[string]string{"refuse": `"` + secret + `"`, "panic": `"` + secret + `"`, "small": secret, "none": `"` + secret + `"`} {
		if err := c.Signal(ctx, engine.SignalRequest{Entity: "@leaky@k", Operation: op, Input: []byte(input)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := c.Start(ctx, engine.StartRequest{Instance: "x", Name: "Tells", Input: []byte(`"` + secret + `"`)}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Wait(ctx, "x", engine.UntilEnded, engine.GetOptions{}); err != nil {
		t.Fatal(err)
	}
	for failed := 0; failed < 4; { // until all of them have been told
		line := <-log
		if strings.Contains(line, secret) {
			t.Errorf("the log has a payload: %s", line)
		}
		if strings.Contains(line, "signalled operation failed") {
			failed++
			for _, want := range []string{"entity=@leaky@k", "operation=", "request=", "type="} {
				if !strings.Contains(line, want) {
					t.Errorf("the log does not say %s: %s", want, line)
				}
			}
		}
	}
}
