//go:build !race

package pebblestore_test

import (
	"fmt"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite/substrate/faultfs"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// Damage anywhere in a table is named with its place, and loses no more than is there:
// nothing, where there are no rows.
func TestDamageOfAnyPartOfATableIsNamedAndLosesOnlyWhatIsInIt(t *testing.T) {
	met := map[string]int{}
	for seed := range uint64(1) {
		whole, want := layered(t, rand.New(rand.NewPCG(seed, 7)))
		for n, name := range tablesOf(t, whole) {
			for part, blocks := range regions(t, whole, name) {
				h := blocks[n%len(blocks)]
				at := int(h.Offset + h.Length/2)
				for _, how := range []byte{0, byte(1 + n%2)} { // a bit; all that follows, or a sector
					what := fmt.Sprintf("seed %d: %s of %s at %d, %d", seed, part, path.Base(name), at, how)
					fs := whole.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1})
					fs.Harm(name, how, at, 16)
					r := verify(t, fs)
					i := slices.IndexFunc(r.Damage, func(d pebblestore.Damage) bool { return path.Join(dir, d.File) == name })
					if i < 0 || how == 0 && r.Damage[i].Offset != int64(h.Offset) {
						t.Errorf("%s: verify: %+v, want offset %d", what, r.Damage, h.Offset)
					}
					for _, d := range r.Damage {
						saidOnce(t, what, d.Error())
					}
					if met[part]++; met[part] > 1 {
						// Once is enough: what meets damage in the background takes its time.
					} else if s, err := open(fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1}), dir); err != nil {
						saidOnce(t, what, err.Error())
					} else if err := s.Close(); err != nil {
						saidOnce(t, what, err.Error())
					}
					if lost := agree(t, what, fs, want); lost > 0 && how == 0 && part != "rows" && part != "deletions" {
						t.Errorf("%s: %d rows are lost", what, lost)
					}
				}
			}
		}
	}
	for _, part := range []string{"footer", "names", "properties", "deletions", "filter", "index", "rows"} {
		if met[part] == 0 {
			t.Errorf("no table has %s", part)
		}
	}
}

// saidOnce holds that a text is one line that says nothing twice.
func saidOnce(t *testing.T, what, text string) {
	t.Helper()
	words := strings.Split(text, ": ")
	for i := 0; i+3 < len(words); i++ {
		if words[i] == words[i+2] && words[i+1] == words[i+3] {
			t.Errorf("%s: it says %q twice: %s", what, words[i]+": "+words[i+1], text)
		}
	}
	if strings.Contains(text, "\n") || strings.Contains(text, "carrier") || strings.Count(text, "checksum mismatch") > 1 {
		t.Errorf("%s: not said once: %s", what, text)
	}
}
