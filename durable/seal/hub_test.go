package seal_test

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/durable/seal"
)

// canary is in each payload of the test.
const canary = "CANARY-7f3a"

type box struct{ Content string }

func (b *box) Put(_ *durable.EntityContext, text string) (string, error) {
	b.Content = text
	return text, nil
}

var (
	boxes    = durable.Entity[box]("Box")
	put      = durable.Operation(boxes, "Put", (*box).Put)
	echo     = durable.Activity("Echo", func(_ context.Context, in string) (string, error) { return in, nil })
	approved = durable.Event[string]("Approved")
	flow     = durable.Orchestration("Flow", func(ctx *durable.Context, in string) (string, error) {
		if err := ctx.SetStatus(in + " status"); err != nil {
			return "", err
		}
		out, err := echo.Call(ctx, in).Await()
		if err != nil {
			return "", err
		}
		if _, err := put.Call(ctx, boxes.Key("k"), out).Await(); err != nil {
			return "", err
		}
		answer, err := approved.Next(ctx).Await()
		return out + answer, err
	})
)

func open(t *testing.T, dir string, o seal.Options) *netherite.Hub {
	t.Helper()
	hub, err := netherite.Open(dir, netherite.Partitions(1), netherite.WithCodec(codec(t, o)), netherite.Serve(boxes, echo, flow), netherite.Logger(slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	return hub
}

func closeHub(t *testing.T, hub *netherite.Hub) {
	t.Helper()
	if err := hub.Close(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// filesWith are the files below dir that have the text.
func filesWith(t *testing.T, dir, text string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		b, err := os.ReadFile(path)
		if bytes.Contains(b, []byte(text)) {
			list = append(list, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestNothingOfAPayloadIsReadableInTheFilesOfAHub(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	hub := open(t, dir, seal.Options{Keys: []seal.Key{one}, Context: "orders"})
	run, err := flow.Start(ctx, hub, canary+" input", durable.ID("order-1"))
	if err != nil {
		t.Fatal(err)
	}
	if err := approved.Raise(ctx, hub, "order-1", canary+" event"); err != nil {
		t.Fatal(err)
	}
	if out, err := run.Wait(ctx); err != nil || out != canary+" input"+canary+" event" {
		t.Fatal(out, err)
	}
	closeHub(t, hub)
	if list := filesWith(t, dir, canary); len(list) > 0 {
		t.Errorf("payloads are readable in %v", list)
	}
	if len(filesWith(t, dir, "order-1")) == 0 || len(filesWith(t, dir, "nsl1.one.")) == 0 {
		t.Error("the test does not look where payloads are") // names are not encrypted
	}
}

func TestAnInstanceGoesOnAcrossAChangeOfKeys(t *testing.T) {
	ctx, dir := t.Context(), t.TempDir()
	hub := open(t, dir, seal.Options{Keys: []seal.Key{one}})
	if _, err := flow.Start(ctx, hub, "a", durable.ID("i")); err != nil {
		t.Fatal(err)
	}
	closeHub(t, hub)
	hub = open(t, dir, seal.Options{Keys: []seal.Key{two, one}})
	if err := approved.Raise(ctx, hub, "i", "b"); err != nil {
		t.Fatal(err)
	}
	if out, err := flow.Attach(hub, "i").Wait(ctx); err != nil || out != "ab" {
		t.Fatalf("%q, %v", out, err)
	}
	closeHub(t, hub)
	hub = open(t, dir, seal.Options{Keys: []seal.Key{fixed("three", 3)}})
	defer closeHub(t, hub)
	if out, err := flow.Attach(hub, "i").Wait(ctx); !errors.Is(err, seal.ErrUnknownKey) {
		t.Errorf("without the keys: %q, %v", out, err)
	}
}
