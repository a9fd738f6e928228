package durable_test

import (
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// Careless is an entity that asks for what nobody can have.
type Careless struct{ N int }

var (
	careless = durable.Entity[Careless]("Careless")
	ask      = durable.Operation(careless, "Ask", (*Careless).Ask)
)

// Ask sends something of a name, and with tags, of the given lengths.
func (c *Careless) Ask(ctx *durable.EntityContext, in asked) (int, error) {
	name, tag := strings.Repeat("n", in.Name), durable.Tags{"t": strings.Repeat("v", in.Tag)}
	var err error
	switch in.Kind {
	case "child":
		_, err = durable.DeclareOrchestration[int, int](name).Detach(ctx, 1, tag)
	case "version":
		_, err = durable.DeclareOrchestration[int, int]("X").Detach(ctx, 1, durable.Version(name))
	case "event":
		err = durable.Event[int](name).Send(ctx, "x", 1)
	case "signal":
		err = durable.DeclareOperation[int, int](careless, name).Signal(ctx, careless.Key("other"), 1)
	}
	if err == nil {
		c.N++
	}
	return c.N, err
}

type asked struct {
	Kind      string
	Name, Tag int
}

// What an entity must not ask for is an error of the operation, with the reason,
// and the entity goes on.
func TestEntityThatAsksForTheImpossibleIsToldSoAndGoesOn(t *testing.T) {
	asks := durable.Orchestration("Asks", func(ctx *durable.Context, in asked) (int, error) {
		return ask.Call(ctx, careless.Key("c"), in).Await()
	})
	bothWays(t, []durable.Handler{careless, asks}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		for _, tt := range []struct {
			asked
			want string
		}{
			{asked{"child", 0, 0}, "orchestration name is empty"},
			{asked{"child", 201, 0}, "201 bytes"},
			{asked{"child", 1, 9000}, "tags have 9001 bytes"},
			{asked{"version", 201, 0}, "201 bytes"},
			{asked{"event", 0, 0}, "event name is empty"},
			{asked{"event", 201, 0}, "201 bytes"},
			{asked{"signal", 0, 0}, "operation name is empty"},
			{asked{"signal", 201, 0}, "201 bytes"},
		} {
			run, err := asks.Start(ctx, hub, tt.asked)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := run.Wait(ctx); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%+v: %v, want %q", tt.asked, err, tt.want)
			}
		}
		run, err := asks.Start(ctx, hub, asked{"event", 1, 0})
		if err != nil {
			t.Fatal(err)
		}
		if n, err := run.Wait(ctx); n != 1 || err != nil {
			t.Errorf("afterwards: %d, %v", n, err)
		}
	})
}

// The same holds for an orchestration, which gets the error where it asks.
func TestOrchestrationIsToldWhereItAsksForTheImpossible(t *testing.T) {
	long := strings.Repeat("n", 201)
	asks := durable.Orchestration("Asks", func(ctx *durable.Context, _ durable.None) (wrong []string, _ error) {
		_, none := durable.DeclareOrchestration[int, int]("").Call(ctx, 1).Await()
		_, tags := durable.DeclareOrchestration[int, int]("X").Call(ctx, 1, durable.Tags{"t": strings.Repeat("v", 9000)}).Await()
		for _, err := range []error{
			none, tags,
			durable.Event[int](long).Send(ctx, "x", 1),
			durable.DeclareOperation[int, int](careless, long).Signal(ctx, careless.Key("other"), 1),
		} {
			if err == nil {
				wrong = append(wrong, "taken")
				continue
			}
			wrong = append(wrong, err.Error())
		}
		return wrong, durable.Sleep(ctx, time.Millisecond)
	})
	bothWays(t, []durable.Handler{asks}, func(t *testing.T, hub *testHub) {
		ctx := within(t)
		run, err := asks.Start(ctx, hub, durable.None{})
		if err != nil {
			t.Fatal(err)
		}
		got, err := run.Wait(ctx)
		for i, want := range []string{"orchestration name is empty", "tags have 9001 bytes", "201 bytes", "201 bytes"} {
			if err != nil || len(got) != 4 || !strings.Contains(got[i], want) {
				t.Fatalf("%q, %v: want %q", got, err, want)
			}
		}
	})
}
