package durable_test

import (
	"slices"
	"testing"
	"time"

	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/sysclock"
)

// standing is a clock whose wall clock stands, as it does for an instance while it is
// set back behind the time that the instance has seen.
type standing struct{ substrate.Clock }

func (standing) Wall() time.Time { return time.Unix(1_700_000_000, 0) }

func TestGUIDsDifferBetweenExecutionsThoughTheClockStands(t *testing.T) {
	decl := durable.DeclareOrchestration[[]string, []string]("Guids")
	again := decl.By(func(ctx *durable.Context, all []string) ([]string, error) {
		all = append(all, ctx.NewGUID(), ctx.NewGUID())
		if len(all) < 8 {
			return decl.Again(all)
		}
		return all, nil
	})
	m := newMemory()
	m.clock = standing{sysclock.New()}
	hub, err := openIn(m, true, []durable.Handler{again})
	if err != nil {
		t.Fatal(err)
	}
	defer hub.close(t)
	run, err := decl.Start(within(t), hub, nil)
	if err != nil {
		t.Fatal(err)
	}
	all, err := run.Wait(within(t))
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	if n := len(slices.Compact(slices.Clone(all))); n != 8 {
		t.Errorf("of 8 GUIDs %d are different: %q", n, all)
	}
}
