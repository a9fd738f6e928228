//go:build !race

package netherite_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
)

// sweepDamage changes files of a hub, one at a time, in every way, and wants
// each to be named by inspect, with the file and where in it, or to leave what clients
// see as it was. What they see is never anything else.
type sweepDamage struct {
	t        *testing.T
	dir      string
	want     string         // what clients see
	named    map[string]int // by file or kind of file
	harmless map[string]int
	opened   int // how many of the hubs in which damage was named were opened, too
}

// harm is a change of a file.
type harm struct {
	file, what string
	// One byte was changed: at lies in the part of the file that begins at block.
	one       bool
	at, block int64
	replaced  bool // by another file, which is whole
}

// neighbours are the files that may be named besides the one that was changed, or in its
// place if that is whole: the two do not fit each other, and nothing tells which is right.
// A changed byte is told by a checksum, so nothing else is named, but where Pebble takes it
// for the end of a manifest.
var neighbours = []struct{ changed, named, why string }{
	{"hub", "store/*/*.sst", "each table has the ID of its hub"},
	{"hub", "side/*.records", "and so has each side file"},
	{"store/main/*.sst", "log/*.log", "the store notes how far the log was durable"},
	{"log/identity", "hub", "both have the ID of the hub"},
	{"log/identity", "log/*.log", "each frame has it as well"},
	{"log/*.log", "log/*.log", "a frame follows the last one of the file before"},
	{"store/*/MANIFEST-*", "store/*/*.sst", "a manifest has the lengths and edges of tables; the rows of a table that it has lost are missing to others"},
	{"store/*/MANIFEST-*", "store/history", "main knows what history had noted"},
	{"store/*/MANIFEST-*", "store", "the log knows what the store had, and rows belong to each other"},
}

func (h *harm) blames(d netherite.Damage) bool {
	is, _ := filepath.Match(d.File, h.file) // a file that is missing is named by a pattern
	if !is || !h.one {
		return is
	}
	return d.Offset == h.block || d.Offset == h.at && d.Harmless // padding is looked at byte by byte
}

func (h *harm) excuses(d netherite.Damage) bool {
	for _, n := range neighbours {
		changed, _ := filepath.Match(n.changed, h.file)
		named, _ := filepath.Match(n.named, d.File)
		if changed && named && (!h.one || strings.Contains(n.changed, "MANIFEST-")) {
			return true
		}
	}
	return false
}

func (s *sweepDamage) kindOf(rel string) string {
	dir, file := filepath.Split(rel)
	if ext := filepath.Ext(file); ext != "" && !strings.HasPrefix(file, "marker") {
		return dir + "*" + ext
	}
	return dir + strings.TrimRight(file, "0123456789.")
}

// check looks at the hub after a change of a file.
func (s *sweepDamage) check(h harm) {
	s.t.Helper()
	r, err := netherite.Inspect(s.dir)
	if err != nil {
		s.t.Errorf("%s %s: inspect gives up: %v", h.file, h.what, err)
		return
	}
	kind := s.kindOf(h.file)
	if len(r.Damage) == 0 {
		s.harmless[kind]++
		s.sees(h, true)
		return
	}
	s.named[kind]++
	for _, d := range r.Damage {
		if d.Kind == "" || !h.blames(d) && !h.excuses(d) {
			s.t.Errorf("%s %s (in the part at %d): named is %+v", h.file, h.what, h.block, d)
		}
	}
	if !h.replaced && !slices.ContainsFunc(r.Damage, h.blames) {
		s.t.Errorf("%s %s (in the part at %d): only others are named: %+v", h.file, h.what, h.block, r.Damage)
	}
	nothingLost := !slices.ContainsFunc(r.Damage, func(d netherite.Damage) bool { return !d.Harmless })
	if s.named[kind]%4 == 0 || nothingLost {
		s.opened++
		s.sees(h, nothingLost)
	}
}

// sees looks whether a hub shows its clients what it should, or, if something may be
// lost, an error.
func (s *sweepDamage) sees(h harm, whole bool) {
	s.t.Helper()
	switch got, err := seen(s.t.Context(), s.dir); {
	case err == nil && got != s.want:
		s.t.Errorf("%s %s: the hub opens, and clients see something else", h.file, h.what)
	case err != nil && whole:
		s.t.Errorf("%s %s: no damage is named, or only such of which nothing is lost: %v", h.file, h.what, err)
	}
}

// alike are the other files of the same kind in the same directory.
func (s *sweepDamage) alike(rel string) (others []string) {
	names, err := filepath.Glob(filepath.Join(s.dir, filepath.Dir(rel), "*"))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if other, _ := filepath.Rel(s.dir, name); other != rel && s.kindOf(other) == s.kindOf(rel) {
			others = append(others, other)
		}
	}
	return others
}

func (s *sweepDamage) file(rel, foreign string) {
	name := filepath.Join(s.dir, rel)
	data, err := os.ReadFile(name)
	if err != nil {
		s.t.Fatal(err)
	}
	write := func(data []byte) {
		if err := os.WriteFile(name, data, 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
	check := func(data []byte, h harm) {
		write(data)
		h.file = rel
		s.check(h)
	}
	held := len(bytes.TrimRight(data, "\x00"))
	blocks := blocksOf(s.t, rel, data)
	for _, at := range places(blocks, held) {
		changed := bytes.Clone(data)
		changed[at] ^= byte(1 << (at % 8))
		check(changed, harm{what: fmt.Sprintf("with a bit flipped at %d", at), one: true, at: at, block: blockAt(blocks, at)})
	}
	for _, n := range []int{0, held / 2, max(held-1, 0)} {
		check(data[:n], harm{what: fmt.Sprintf("cut to %d of %d bytes", n, len(data))})
		changed := bytes.Clone(data)
		clear(changed[n:])
		check(changed, harm{what: fmt.Sprintf("with zeros from %d of %d bytes on", n, len(data))})
	}
	if other, err := os.ReadFile(filepath.Join(foreign, rel)); err == nil && !bytes.Equal(other, data) {
		check(other, harm{what: "of another hub", replaced: true})
	}
	for _, other := range s.alike(rel) {
		data, err := os.ReadFile(filepath.Join(s.dir, other))
		if err != nil {
			s.t.Fatal(err)
		}
		check(data, harm{what: "with " + other + " in its place", replaced: true})
	}
	if err := os.Remove(name); err != nil {
		s.t.Fatal(err)
	}
	s.check(harm{file: rel, what: "removed"})
	if err := os.Mkdir(name, 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.check(harm{file: rel, what: "with a directory in its place"})
	if err := os.Remove(name); err != nil {
		s.t.Fatal(err)
	}
	write(data)
}

// places are bytes of a file all over it, and the first and last ones of its parts.
func places(blocks []int64, held int) (at []int64) {
	for _, begin := range blocks {
		at = append(at, begin-1, begin)
	}
	for i := range 12 {
		at = append(at, int64(i*held/12))
	}
	at = slices.DeleteFunc(at, func(n int64) bool { return n < 0 || n >= int64(held) })
	slices.Sort(at)
	return slices.Compact(at)
}

func TestAnyDamageOfAnyFileIsNamedOrHarmless(t *testing.T) {
	dir, foreign := t.TempDir(), t.TempDir()
	wholeHub(t, dir)
	wholeHub(t, foreign)
	s := &sweepDamage{t: t, dir: dir, named: map[string]int{}, harmless: map[string]int{}}
	var err error
	if s.want, err = seen(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(dir, path)
		if err != nil || e.IsDir() || rel == "LOCK" || rel == "store/ballast" || rel == "store/spare" {
			return err
		}
		s.file(rel, foreign)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	verified(t, dir)
	for kind := range s.named {
		least := 3
		if strings.HasSuffix(kind, "/*.log") && kind != "log/*.log" || strings.Contains(kind, "marker") {
			least = 1 // they are empty, or only their names matter
		}
		if s.named[kind] < least {
			t.Errorf("%s: only %d changes were named, %d were harmless", kind, s.named[kind], s.harmless[kind])
		}
	}
	for kind := range s.harmless {
		if s.named[kind] == 0 {
			t.Errorf("%s: all %d changes were harmless", kind, s.harmless[kind])
		}
	}
	for _, kind := range []string{"hub", "log/identity", "log/*.log", "side/*.records", "store/opened", "store/main/*.sst", "store/history/*.sst", "store/main/MANIFEST-", "store/history/MANIFEST-"} {
		if s.named[kind] == 0 {
			t.Errorf("there is no %s", kind)
		}
	}
	t.Logf("named: %v, %d of them were opened", s.named, s.opened)
	t.Logf("harmless: %v", s.harmless)
}
