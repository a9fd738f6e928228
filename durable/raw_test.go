package durable_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/netherite-go/netherite/durable"
)

func TestBufferThatIsUsedAgainGivesEachCallItsContent(t *testing.T) {
	same := durable.Activity("Same", func(_ context.Context, in durable.Raw) (durable.Raw, error) { return in, nil })
	reuse := durable.Orchestration("Reuse", func(ctx *durable.Context, _ durable.None) (string, error) {
		var buf bytes.Buffer
		var fs []*durable.Future[durable.Raw]
		for i := range 3 {
			buf.Reset()
			fmt.Fprint(&buf, i)
			fs = append(fs, same.Call(ctx, durable.Raw(buf.Bytes())))
		}
		all, err := durable.All(ctx, fs...)
		return fmt.Sprintf("%s", all), err
	})
	bothWays(t, []durable.Handler{same, reuse}, func(t *testing.T, hub *testHub) {
		run, err := reuse.Start(within(t), hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := run.Wait(within(t)); err != nil || got != "[0 1 2]" {
			t.Errorf("%s, %v", got, err)
		}
	})
}

func TestEntityOfRawStateKeepsNothingOfAFailedOperation(t *testing.T) {
	notes := durable.Entity[durable.Raw]("Notes")
	set := durable.Operation(notes, "Set", func(s *durable.Raw, _ *durable.EntityContext, to string) (durable.None, error) {
		if *s == nil {
			*s = durable.Raw(to)
			return durable.None{}, nil
		}
		copy(*s, to)
		return durable.None{}, errors.New("refused")
	})
	hub := open(t, []durable.Handler{notes})
	ctx := within(t)
	for _, to := range []string{"good", "evil"} {
		if err := set.Post(ctx, hub, notes.Key("n"), to); err != nil {
			t.Fatal(err)
		}
		if got, ok, err := notes.Read(ctx, hub, notes.Key("n")); err != nil || !ok || string(got) != "good" {
			t.Errorf("after %s: %q, %v", to, got, err)
		}
	}
}

func TestOutputGivenToTerminateIsAsItWasThen(t *testing.T) {
	end := durable.Orchestration("End", func(ctx *durable.Context, id string) (durable.None, error) {
		output := []byte(`"over"`)
		ctx.Terminate(id, output, false)
		copy(output, `"gone"`)
		return durable.None{}, nil
	})
	hub := open(t, []durable.Handler{end, waiting})
	ctx := within(t)
	victim, err := waiting.Start(ctx, hub, "x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := end.Start(ctx, hub, victim.ID()); err != nil {
		t.Fatal(err)
	}
	var failed *durable.TaskError
	if _, err := victim.Wait(ctx); !errors.As(err, &failed) || failed.Message != "over" {
		t.Error(err)
	}
}
