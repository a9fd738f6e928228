//go:build !race

package netherite_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// without deletes the first row of a partition that f picks, as it is in the store.
func without(t testing.TB, dir string, space substrate.Space, p int, f func(key, value []byte) bool) {
	t.Helper()
	hub := verifiedHub(t, dir)
	s, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Hub: hub})
	if err != nil {
		t.Fatal(err)
	}
	var row []byte
	err = s.Scan(space, []byte{0, byte(p)}, []byte{0, byte(p + 1)}, func(key, value []byte) bool {
		if row == nil && f(key, value) {
			row = append([]byte{}, key...)
		}
		return row == nil
	})
	stamp, errStamp := s.Stamp(p)
	if err = errors.Join(err, errStamp); err != nil || row == nil {
		t.Fatal(row, err)
	}
	b := s.NewBatch()
	b.Delete(space, row)
	if err := errors.Join(s.Apply(b, p, stamp), s.Close()); err != nil {
		t.Fatal(err)
	}
	// What is deleted from History is gone once it is opened again.
	s, err = pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Hub: hub})
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
}

// An instance of which something is missing is set aside, and nothing else is.
func TestRepairQuarantinesAnInstanceThatIsNotWhole(t *testing.T) {
	whole := t.TempDir()
	hub := open(t, whole, netherite.Partitions(2))
	for i := range 20 {
		visit(t, hub, durable.ID(fmt.Sprint("tour-", i)))
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub = open(t, whole) // so that the log begins later
	if err := errors.Join(hub.Checkpoint(t.Context()), hub.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	const id = "tour-3"
	p := partitionOf(id)
	for name, c := range map[string]struct {
		space  substrate.Space
		pick   func(key, value []byte) bool
		reason string
	}{
		"main row": {substrate.Main, func(key, value []byte) bool { return key[2] == 'i' && strings.Contains(string(value), id+"\x04Tour") }, "main row was lost"},
		"history":  {substrate.History, func(_, value []byte) bool { return strings.Contains(string(value), "\x06"+id) }, "events of its history were lost"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, whole)
			without(t, dir, c.space, p, c.pick)
			r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if !errors.Is(err, netherite.ErrLoses) || len(r.Sifted) != 1 || len(r.Sifted[0].Instances) != 1 || r.Sifted[0].Instances[0].ID != id {
				t.Fatalf("%+v, %v", r, err)
			}
			if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil {
				t.Fatal(err)
			}
			verified(t, dir)
			hub := open(t, dir)
			ctx := t.Context()
			got, err := hub.Engine().Get(ctx, id, engine.GetOptions{Waits: true})
			if err != nil || got.Waits.Quarantine == nil || !strings.Contains(got.Waits.Quarantine.Message, c.reason) {
				t.Fatalf("%+v, %v", got, err)
			}
			if _, err := hub.Engine().History(ctx, id); err != nil {
				t.Error(err)
			}
			for i := range 20 {
				other := fmt.Sprint("tour-", i)
				got, err := tour.Attach(hub, other).Wait(ctx)
				if other != id && (err != nil || len(got) != 2) {
					t.Errorf("%s: %v, %v", other, got, err)
				}
			}
			if n, err := hub.Engine().Purge(ctx, id, false); n != 1 || err != nil {
				t.Errorf("purge: %d, %v", n, err)
			}
			visit(t, hub, durable.ID(id)) // the ID is free again
			if err := hub.Close(ctx); err != nil {
				t.Fatal(err)
			}
			verified(t, dir)
		})
	}
}

// A record about an instance whose rows were not all there is not replayed: it
// would do something else than it did.
func TestRepairReplaysNothingUponAnInstanceThatIsNotWhole(t *testing.T) {
	dir, _ := bankHub(t, true)
	for p := range 4 {
		dir := duplicate(t, dir)
		without(t, dir, substrate.Main, p, func(key, value []byte) bool {
			return key[2] == 'i' && len(key) == 11 && strings.Contains(string(value), "@account@")
		})
		r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true})
		if err != nil || len(r.Losses) != 1 || r.Losses[0].Partition != p || !strings.Contains(r.Losses[0].Reason, "of which rows were lost") {
			t.Errorf("partition %d: %+v, %v", p, r, err)
		}
		runsOn(t, dir)
	}
}
