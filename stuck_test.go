package netherite_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// largestTable is the table with most rows, relative to the hub's directory.
func largestTable(t *testing.T, dir string) (name string) {
	t.Helper()
	tables, err := filepath.Glob(filepath.Join(dir, "store", "main", "*.sst"))
	if err != nil {
		t.Fatal(err)
	}
	largest := int64(0)
	for _, table := range tables {
		info, err := os.Stat(table)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > largest {
			largest, name = info.Size(), table
		}
	}
	name, err = filepath.Rel(dir, name)
	if err != nil {
		t.Fatal(err)
	}
	return filepath.ToSlash(name)
}

// flipByte damages one byte of a file.
func flipByte(t *testing.T, name string, at int) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[at] ^= 4
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

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
	table := largestTable(t, dir)
	flipByte(t, filepath.Join(dir, table), 9000) // among rows of instances that have ended
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
