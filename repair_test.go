//go:build !race

package netherite_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/model"
)

// bankHub makes a hub of four partitions that was killed in the middle of its
// work, with rows in the store and records in the log beyond them. With trimmed
// the log does not reach back to the beginning.
func bankHub(t testing.TB, trimmed bool) (dir string, acknowledged []string) {
	t.Helper()
	dir = t.TempDir()
	b := openBank(t, dir, netherite.Partitions(4), netherite.CheckpointEvery(1<<30, 1<<30))
	b.fund(t)
	b.run(t.Context(), t, "early", 4, 60)
	if trimmed {
		if err := b.hub.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		b2 := openBank(t, dir)
		if err := b2.hub.Checkpoint(t.Context()); err != nil {
			t.Fatal(err)
		}
		b2.acknowledged, b = b.known(), b2
	} else if err := b.hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.run(t.Context(), t, "late", 4, 60)
	b.hub.Kill()
	if r := verified(t, dir); trimmed != (r.LogBegin > 0) || r.Checkpoints != 4 {
		t.Fatalf("%+v", r)
	}
	return dir, b.known()
}

// change rewrites the first or last file that matches.
func change(t testing.TB, dir, pattern string, last bool, f func([]byte) []byte) (rel string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(names) == 0 {
		t.Fatal(pattern, err)
	}
	name := names[0]
	if last {
		name = names[len(names)-1]
	}
	data, err := os.ReadFile(name)
	if err == nil {
		if data = f(data); data == nil {
			err = os.Remove(name)
		} else {
			err = os.WriteFile(name, data, 0o600)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	rel, _ = filepath.Rel(dir, name)
	return filepath.ToSlash(rel)
}

// largest is the largest file that matches.
func largest(t testing.TB, dir, pattern string) (rel string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		t.Fatal(err)
	}
	most := int64(-1)
	for _, name := range names {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > most {
			most = info.Size()
			rel, _ = filepath.Rel(dir, name)
		}
	}
	return rel
}

// written is the segment of the log that was written to last.
func written(t testing.TB, dir string) (rel string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "log", "0*.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimRight(data, "\x00")) > 0 {
			rel, _ = filepath.Rel(dir, name)
		}
	}
	return rel
}

func flipAt(share float64) func([]byte) []byte {
	return func(data []byte) []byte {
		held := len(bytes.TrimRight(data, "\x00"))
		data[int(float64(held)*share)] ^= 4
		return data
	}
}

// flipHeldAt is flipAt for a log: it leaves out what pads its frames, whose loss is
// none.
func flipHeldAt(share float64) func([]byte) []byte {
	return func(data []byte) []byte {
		held := len(bytes.TrimRight(data, "\x00"))
		at := int(float64(held) * share)
		for data[at] == 0 {
			at++
		}
		data[at] ^= 4
		return data
	}
}

func gone([]byte) []byte { return nil }

// runsOn holds that a hub does new work, within and between all partitions.
func runsOn(t testing.TB, dir string) {
	t.Helper()
	verified(t, dir)
	b := openBank(t, dir)
	ctx := t.Context()
	for i := range 16 {
		way := transfer{fmt.Sprint("new-", i), fmt.Sprint("new-", i+1), 0}
		run, err := move.Start(ctx, b.hub, way, durable.ID(fmt.Sprint("after-repair-", i)))
		if err == nil {
			_, err = run.Wait(ctx)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := b.hub.Health(); err != nil {
		t.Error(err)
	}
	if err := b.hub.Close(ctx); err != nil {
		t.Fatal(err)
	}
	verified(t, dir)
}

func TestRepairThatLosesNothingNeedsNoWord(t *testing.T) {
	dir, acknowledged := bankHub(t, false)
	for name, damage := range map[string]func(dir string){
		"hub file":    func(dir string) { change(t, dir, "hub", false, flipAt(0.5)) },
		"no hub file": func(dir string) { change(t, dir, "hub", false, gone) },
		"identity": func(dir string) {
			change(t, dir, "log/identity", false, func(b []byte) []byte { clear(b[512:]); return b })
		},
		"no identity": func(dir string) { change(t, dir, "log/identity", false, gone) },
		"table":       func(dir string) { change(t, dir, largest(t, dir, "store/main/*.sst"), false, flipAt(0.3)) },
		"history":     func(dir string) { change(t, dir, "store/history/*.sst", false, gone) },
		"manifest":    func(dir string) { change(t, dir, "store/main/MANIFEST-*", false, gone) },
		"store": func(dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "store", "main")); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, dir)
			damage(dir)
			if r, err := netherite.Inspect(dir); err == nil && len(r.Damage) == 0 && name != "store" {
				t.Fatalf("it is not damaged: %+v", r)
			}
			r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if err != nil || len(r.Losses) > 0 || name != "store" && !r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			runsOn(t, dir)
			openBank(t, dir).check(t, acknowledged)
		})
	}
}

func TestRepairDropsAcknowledgedRecordsOnlyByTheWord(t *testing.T) {
	dir, _ := bankHub(t, true)
	for name, damage := range map[string]func(dir string){
		"frame":   func(dir string) { change(t, dir, written(t, dir), false, flipHeldAt(0.4)) },
		"segment": func(dir string) { change(t, dir, written(t, dir), false, gone) },
		"table":   func(dir string) { change(t, dir, largest(t, dir, "store/main/*.sst"), false, flipAt(0.3)) },
		"history": func(dir string) { change(t, dir, "store/history/*.sst", true, flipAt(0.1)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, dir)
			damage(dir)
			before := fingerprint(t, dir)
			r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if !errors.Is(err, netherite.ErrLoses) || !r.Loses() || r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			dry, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{DryRun: true, Drop: true})
			if err != nil || len(dry.Losses) != len(r.Losses) || dry.Done {
				t.Errorf("%+v, %v", dry, err)
			}
			after := fingerprint(t, dir)
			for _, files := range []map[string]string{before, after} {
				maps.DeleteFunc(files, func(name, _ string) bool { return filepath.Base(name) == "LOCK" || name == dir })
			}
			if !maps.Equal(before, after) {
				t.Errorf("a repair that was not allowed to has changed something")
			}
			r, err = netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true})
			if err != nil || !r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			if _, err := os.Stat(filepath.Join(dir, r.Quarantine, "log")); err != nil {
				t.Error(err)
			}
			runsOn(t, dir)
			if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err != nil || len(r.Damage) > 0 || r.Done {
				t.Errorf("a second repair: %+v, %v", r, err)
			}
		})
	}
}

// A partition that has lost its counters keeps its instances; the others keep
// everything.
func TestRepairWithoutTheCountersKeepsTheInstances(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.Partitions(4))
	ids := map[int][]string{}
	for i := range 40 {
		id := fmt.Sprint("tour-", i)
		visit(t, hub, durable.ID(id))
		ids[model.PartitionOf(id, 4)] = append(ids[model.PartitionOf(id, 4)], id)
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	hub = open(t, dir) // so that the log begins later
	if err := errors.Join(hub.Checkpoint(t.Context()), hub.Close(t.Context())); err != nil {
		t.Fatal(err)
	}
	setMeta(t, dir, 2, []byte{1, 0xff})
	r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
	if !errors.Is(err, netherite.ErrLoses) || len(r.Losses) != 1 || r.Losses[0].Partition != 2 || !r.Losses[0].Certain {
		t.Fatalf("%+v, %v", r.Losses, err)
	}
	if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil {
		t.Fatal(err)
	}
	runsOn(t, dir)
	hub = open(t, dir)
	for p, list := range ids {
		for _, id := range list {
			got, err := tour.Attach(hub, id).Wait(t.Context())
			if err != nil || len(got) != 2 {
				t.Errorf("%s of partition %d: %v, %v", id, p, got, err)
			}
			if _, err := hub.Engine().History(t.Context(), id); err != nil {
				t.Errorf("history of %s: %v", id, err)
			}
		}
	}
}

func TestRepairOfADamagedSideFile(t *testing.T) {
	whole := t.TempDir()
	wholeHub(t, whole)
	for name, f := range map[string]func([]byte) []byte{"gone": gone, "flipped": flipAt(0.7), "cut": func(b []byte) []byte { return b[:len(b)/2] }} {
		dir := duplicate(t, whole)
		change(t, dir, "side/*.records", false, f)
		r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
		if !errors.Is(err, netherite.ErrLoses) || len(r.Losses) != 1 || r.Losses[0].Partition != 1 {
			t.Errorf("%s: %+v, %v", name, r, err)
		}
		if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		runsOn(t, dir)
	}
}

// What random damage leaves can always be repaired, by the word if need be.
func TestAnyDamageCanBeRepaired(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	var whole [2]string
	whole[0], _ = bankHub(t, false)
	whole[1], _ = bankHub(t, true)
	lost, kept := 0, 0
	for i := range 16 {
		dir := duplicate(t, whole[i%2])
		pattern := []string{"hub", "log/identity", "log/0*.log", "log/0*.log", "store/main/*.sst", "store/history/*.sst", "store/main/MANIFEST-*", "store/history/MANIFEST-*"}[i%8]
		how := flipAt(rng.Float64())
		switch rng.IntN(4) {
		case 0:
			how = gone
		case 1:
			how = func(b []byte) []byte { return b[:rng.IntN(len(bytes.TrimRight(b, "\x00"))+1)] }
		}
		what := change(t, dir, pattern, rng.IntN(2) == 0, how)
		if rng.IntN(4) == 0 {
			what += " with a directory in its place"
			if err := errors.Join(os.RemoveAll(filepath.Join(dir, strings.Fields(what)[0])), os.Mkdir(filepath.Join(dir, strings.Fields(what)[0]), 0o700)); err != nil {
				t.Fatal(err)
			}
		}
		r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true})
		if err != nil {
			t.Errorf("%d: %s: %+v, %v", i, what, r, err)
			continue
		}
		if r.Loses() {
			lost++
		} else {
			kept++
		}
		runsOn(t, dir)
	}
	if lost == 0 || kept == 0 {
		t.Errorf("%d repairs lost something, %d did not", lost, kept)
	}
}

func TestInterruptedRepairGoesOn(t *testing.T) {
	whole, acknowledged := bankHub(t, false)
	change(t, whole, largest(t, whole, "store/main/*.sst"), false, flipAt(0.3))
	repaired := duplicate(t, whole)
	r, err := netherite.Repair(t.Context(), repaired, netherite.RepairOptions{})
	if err != nil {
		t.Fatal(err)
	}
	parts := []string{"log", "store", "hub"}
	for done := range 2*len(parts) + 1 {
		// As it is after so many of the moves.
		dir := duplicate(t, repaired)
		write(t, dir, "repair.swap", `"`+r.Quarantine+`"`)
		for i := 2*len(parts) - 1; i >= done; i-- {
			name := parts[i/2]
			from, to := filepath.Join(dir, name), filepath.Join(dir, "repair.new."+name)
			if i%2 == 0 {
				from, to = filepath.Join(dir, r.Quarantine, name), filepath.Join(dir, name)
			}
			if err := os.Rename(from, to); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := netherite.Open(dir); err == nil || !strings.Contains(err.Error(), "netherite repair "+dir) {
			t.Errorf("after %d moves: open: %v", done, err)
		}
		before := unlocked(t, dir)
		if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{DryRun: true}); err != nil || !r.Interrupted || r.Done || len(r.Damage) == 0 {
			t.Errorf("after %d moves: a dry run: %+v, %v", done, r, err)
		}
		if !maps.Equal(before, unlocked(t, dir)) {
			t.Errorf("after %d moves: a dry run has changed something", done)
		}
		if r, err := netherite.Repair(context.Background(), dir, netherite.RepairOptions{}); err != nil || !r.Done || r.Interrupted {
			t.Fatalf("after %d moves: %+v, %v", done, r, err)
		}
		runsOn(t, dir)
		openBank(t, dir).check(t, acknowledged)
	}
}
