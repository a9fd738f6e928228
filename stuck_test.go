//go:build !race

package netherite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// checkpointUntilDamage does work, each piece followed by a checkpoint, until the store
// takes no more.
func checkpointUntilDamage(t *testing.T, hub *netherite.Hub, name string) (err error) {
	t.Helper()
	for n := 0; n < 100 && err == nil; n++ {
		run, refused := tour.Start(t.Context(), hub, []string{"Tokyo"}, durable.ID(fmt.Sprint(name, n)))
		if err = refused; err == nil {
			_, err = run.Wait(t.Context())
		}
		if err == nil {
			err = hub.Checkpoint(t.Context())
		}
	}
	return err
}

// Damage that nobody reads may be in the way of all that the store is to take. The
// partition that cannot be written parks, which says why, and the hub closes; also when
// it is opened again.
func TestDamageInTheWayOfCheckpointsParksAndTheHubCloses(t *testing.T) {
	replaycheck.Not(t) // it reads all there is
	dir := t.TempDir()
	hub, err := netherite.Open(dir, netherite.Serve(greet, tour), netherite.Partitions(1))
	if err != nil {
		t.Fatal(err)
	}
	for i := range 300 {
		visit(t, hub, durable.ID(fmt.Sprint("first-", i)))
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	table := largest(t, dir, "store/main/*.sst")
	change(t, dir, table, false, func(data []byte) []byte {
		data[9000] ^= 4 // among rows of instances that have ended
		return data
	})
	for _, opening := range []string{"a", "b"} {
		hub, err := netherite.Open(dir, netherite.Serve(greet, tour))
		if err != nil {
			t.Fatal(err)
		}
		if err := checkpointUntilDamage(t, hub, opening); !errors.Is(err, engine.ErrDamaged) {
			t.Errorf("opening %s: %v", opening, err)
		}
		if err := hub.Health(); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), filepath.Base(table)) {
			t.Errorf("opening %s: health: %v", opening, err)
		}
		closed := make(chan error, 1)
		go func() { closed <- hub.Close(t.Context()) }()
		select {
		case err := <-closed:
			if err != nil && !errors.Is(err, engine.ErrDamaged) {
				t.Error(err)
			}
		case <-time.After(2 * time.Minute):
			t.Fatal("the hub does not close")
		}
	}
	r, err := netherite.Inspect(dir)
	if err != nil || len(r.Damage) == 0 || r.Damage[0].File != table {
		t.Errorf("%+v, %v; expected damage of %s", r.Damage, err, table)
	}
}
