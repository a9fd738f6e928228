//go:build !race

package netherite_test

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// endings is a hub of four partitions at several moments of its life.
type endings struct {
	first  string // closed, before it was opened a second time
	early  string // its second opening, before the last checkpoint
	killed string // in the middle of work that came after that
	closed string
	// What is acknowledged in the last two.
	killedHas, closedHas []string
}

func endingsOfAHub(t testing.TB) (e endings) {
	t.Helper()
	dir := t.TempDir()
	opts := []netherite.Option{netherite.Partitions(4), netherite.CheckpointEvery(1<<30, 1<<30)}
	b := openBank(t, dir, opts...)
	b.fund(t)
	b.run(t.Context(), t, "first", 4, 20)
	if err := b.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.first = duplicate(t, dir)
	again := openBank(t, dir, opts...)
	again.acknowledged, b = b.known(), again
	b.run(t.Context(), t, "early", 4, 40)
	e.early = atACrash(t, dir)
	b.run(t.Context(), t, "middle", 4, 40)
	if err := b.hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	untilPrepared(t, b, dir, "late")
	b.check(t, nil) // so that it is at rest
	e.killed, e.killedHas = atACrash(t, dir), b.known()
	b.hub.Kill()
	b = openBank(t, dir, opts...)
	untilPrepared(t, b, dir, "last")
	if err := b.hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	e.closed, e.closedHas = dir, append(slices.Clone(e.killedHas), b.known()...)
	return e
}

// untilPrepared lets a hub work until a quarter of its segment is used, and waits until
// the next one is there, which is then prepared in the background. So what is used ends
// where it does however fast the machine is.
func untilPrepared(t testing.TB, b *bank, dir, name string) {
	t.Helper()
	for i := 0; ; i++ {
		used, empty := segments(t, dir)
		if len(empty) > 0 {
			return
		}
		data, err := os.ReadFile(filepath.Join(dir, used[len(used)-1]))
		if err != nil {
			t.Fatal(err)
		}
		if len(bytes.TrimRight(data, "\x00")) < len(data)/4 {
			b.run(t.Context(), t, fmt.Sprintf("%s-%d", name, i), 4, 40)
		}
	}
}

// atACrash copies a hub that is open and at rest: as it would be after a crash, which
// leaves no frame that closes the log.
func atACrash(t testing.TB, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, part := range []string{"hub", "log", "store"} {
		replaced(t, copied, dir, part)
	}
	if r := verified(t, copied); r.Closed {
		t.Fatalf("%+v", r)
	}
	return copied
}

// segments are the names of those that have been written to, and of the others.
func segments(t testing.TB, dir string) (used, empty []string) {
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
		rel, _ := filepath.Rel(dir, name)
		if len(bytes.TrimRight(data, "\x00")) > 0 {
			used = append(used, rel)
		} else {
			empty = append(empty, rel)
		}
	}
	return used, empty
}

func cutAt(share float64) func([]byte) []byte {
	return func(data []byte) []byte {
		return data[:int(float64(len(bytes.TrimRight(data, "\x00")))*share)]
	}
}

func zeroFrom(share float64) func([]byte) []byte {
	return func(data []byte) []byte {
		clear(data[int(float64(len(bytes.TrimRight(data, "\x00")))*share):])
		return data
	}
}

// replaced puts the log of one copy of a hub in the place of another's, or one
// file of it.
func replaced(t testing.TB, dir, by, name string) {
	t.Helper()
	if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(by, name))
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, name), data, 0o600)
	} else {
		err = os.CopyFS(filepath.Join(dir, name), os.DirFS(filepath.Join(by, name)))
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestWithoutTheEndOfTheLogNothingIsDroppedSilently(t *testing.T) {
	e := endingsOfAHub(t)
	for _, from := range []struct {
		name, dir string
	}{{"killed", e.killed}, {"closed", e.closed}} {
		last := func(dir string) string { used, _ := segments(t, dir); return used[len(used)-1] }
		damages := map[string]func(dir string){
			"last segment gone":         func(dir string) { change(t, dir, last(dir), true, gone) },
			"last segment emptied":      func(dir string) { change(t, dir, last(dir), true, cutAt(0)) },
			"last segment cut":          func(dir string) { change(t, dir, last(dir), true, cutAt(0.5)) },
			"last frame cut":            func(dir string) { change(t, dir, last(dir), true, cutAt(0.99)) },
			"last segment zeroed":       func(dir string) { change(t, dir, last(dir), true, zeroFrom(0)) },
			"end of segment zeroed":     func(dir string) { change(t, dir, last(dir), true, zeroFrom(0.02)) },
			"log of the opening before": func(dir string) { replaced(t, dir, e.first, "log") },
			"log before the checkpoint": func(dir string) { replaced(t, dir, e.early, "log") },
			"no log": func(dir string) {
				if err := os.RemoveAll(filepath.Join(dir, "log")); err != nil {
					t.Fatal(err)
				}
			},
			"no segment": func(dir string) {
				used, empty := segments(t, dir)
				for _, name := range append(used, empty...) {
					change(t, dir, name, true, gone)
				}
			},
		}
		if from.dir == e.killed {
			damages["older segment"] = func(dir string) { replaced(t, dir, e.early, last(e.early)) }
			damages["prepared segment gone"] = func(dir string) { _, empty := segments(t, dir); change(t, dir, empty[0], true, gone) }
		} else {
			damages["log as it was when it was killed"] = func(dir string) { replaced(t, dir, e.killed, "log") }
		}
		for name, damage := range damages {
			t.Run(from.name+"/"+name, func(t *testing.T) {
				dir := duplicate(t, from.dir)
				damage(dir)
				// With one behind it, that an older one ends too early is proven.
				known := name == "older segment" && last(e.early) != last(e.killed)
				losesByTheWordAlone(t, dir, from.dir == e.killed && !known)
			})
		}
	}
}

// losesByTheWordAlone holds that a hub whose log has lost its end is refused, that a
// repair tells of it, of all partitions if the end is not known, and that only one that
// may drop goes on.
func losesByTheWordAlone(t *testing.T, dir string, endLost bool) {
	before := unlocked(t, dir)
	if r, err := netherite.Inspect(dir); err != nil || len(r.Damage) == 0 {
		t.Fatalf("inspect: %+v, %v", r, err)
	}
	if hub, err := netherite.Open(dir, bankCode); !errors.Is(err, engine.ErrDamaged) {
		if err == nil {
			hub.Kill()
		}
		t.Fatalf("open: %v", err)
	}
	r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
	if !errors.Is(err, netherite.ErrLoses) || r.Done || r.EndLost != endLost || len(r.Losses) < 3 || endLost && len(r.Losses) < 4 {
		t.Fatalf("repair: %+v, %v", r, err)
	}
	if !maps.Equal(before, unlocked(t, dir)) {
		t.Error("something was changed")
	}
	r, err = netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true})
	if err != nil || !r.Done {
		t.Fatalf("%+v, %v", r, err)
	}
	runsOn(t, dir)
}

func TestEndOfTheLogThatIsKnownNeedsNoWord(t *testing.T) {
	e := endingsOfAHub(t)
	for name, c := range map[string]struct {
		dir    string
		has    []string
		damage func(dir string)
	}{
		"prepared segment gone after a close": {e.closed, e.closedHas, func(dir string) {
			_, empty := segments(t, dir)
			change(t, dir, empty[len(empty)-1], true, gone)
		}},
		"never used part of the prepared segment cut off": {e.killed, e.killedHas, func(dir string) {
			_, empty := segments(t, dir)
			change(t, dir, empty[0], true, func(data []byte) []byte { return data[:512] })
		}},
		"never used part of the last segment cut off": {e.killed, e.killedHas, func(dir string) {
			used, _ := segments(t, dir)
			change(t, dir, used[len(used)-1], true, func(data []byte) []byte {
				return data[:(len(bytes.TrimRight(data, "\x00"))+511)/512*512+512]
			})
		}},
		"close frame cut off": {e.closed, e.closedHas, func(dir string) {
			used, _ := segments(t, dir)
			change(t, dir, used[len(used)-1], true, func(data []byte) []byte {
				return data[:(len(bytes.TrimRight(data, "\x00"))-1)/512*512]
			})
		}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, c.dir)
			c.damage(dir)
			r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{})
			if err != nil || r.Loses() || !r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			runsOn(t, dir)
			openBank(t, dir).check(t, c.has)
		})
	}
}
