//go:build !race

package netherite_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/model"
	"github.com/netherite-go/netherite/substrate"
	"github.com/netherite-go/netherite/substrate/filelog"
	"github.com/netherite-go/netherite/substrate/pebblestore"
)

// setMeta puts another row in the place of the one that a partition begins with,
// and returns what was there. Without it the partition parks.
func setMeta(t testing.TB, dir string, p int, row []byte) (old []byte) {
	t.Helper()
	s, err := pebblestore.Open(pebblestore.Options{Dir: filepath.Join(dir, "store"), Hub: verifiedHub(t, dir)})
	if err != nil {
		t.Fatal(err)
	}
	key := []byte{byte(p >> 8), byte(p), 'M'}
	old, err = s.Get(substrate.Main, key)
	if err != nil || old == nil {
		t.Fatalf("%q, %v", old, err)
	}
	stamp, err := s.Stamp(p)
	if err != nil {
		t.Fatal(err)
	}
	b := s.NewBatch()
	b.Set(substrate.Main, key, row)
	if err := s.Apply(b, p, stamp); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return old
}

func verifiedHub(t testing.TB, dir string) [16]byte {
	t.Helper()
	r, err := netherite.Inspect(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r.Hub
}

// wholeHub makes a small hub of two partitions that has one of everything: rows
// and histories in the store, records in the log, and a side file, of partition 1.
func wholeHub(t testing.TB, dir string) {
	t.Helper()
	b := openBank(t, dir, netherite.Partitions(2))
	b.fund(t)
	hub := b.hub
	for i := range 30 {
		visit(t, hub, durable.ID(fmt.Sprint("first-", i)), durable.Tags(map[string]string{"round": "1"}))
	}
	if err := hub.Checkpoint(t.Context()); err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		visit(t, hub, durable.ID(fmt.Sprint("second-", i)))
	}
	hub.Kill()
	row := setMeta(t, dir, 1, []byte("\x01nonsense"))
	hub = open(t, dir)
	for i := range 10 { // those of the partition that runs
		if id := fmt.Sprint("third-", i); partitionOf(id) == 0 {
			visit(t, hub, durable.ID(id))
		}
	}
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	setMeta(t, dir, 1, row)
	if _, err := os.Stat(filepath.Join(dir, "side", "00001.records")); err != nil {
		t.Fatal(err)
	}
	if r := verified(t, dir); r.Pending[1] == 0 || r.Rows < 100 || r.Checkpoints != 2 {
		t.Fatalf("%+v", r)
	}
}

// content is all that recovery would read, as text.
func content(dir string, partitions int) (string, error) {
	var b strings.Builder
	view, err := pebblestore.OpenView(pebblestore.Options{Dir: filepath.Join(dir, "store")})
	if err != nil {
		return "", err
	}
	defer view.Close()
	for _, space := range []substrate.Space{substrate.Main, substrate.History} {
		err := view.Scan(space, nil, nil, func(key, value []byte) bool {
			fmt.Fprintf(&b, "%d %x %x\n", space, key, value)
			return true
		})
		if err != nil {
			return "", err
		}
	}
	stamps := make([]substrate.Stamp, partitions)
	for p := range stamps {
		stamps[p] = view.Stamps()[p]
		fmt.Fprintln(&b, p, stamps[p])
	}
	sequence := core.NewSequence(stamps)
	err = filelog.Groups(vfs.Default, filepath.Join(dir, "log"), 0, func(at substrate.Offset, group []byte, _ filelog.Place) error {
		return core.ReadGroup(at, group, func(run core.Run) {
			if pending, _ := sequence.Add(run); pending {
				fmt.Fprintf(&b, "%d %v\n", at, run)
			}
		})
	})
	return b.String(), err
}

// Records that nobody can read are damage also where the log, by its own account, is whole.
func TestUndecodableRecordsAreNamedWithFileAndOffset(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.Partitions(2))
	visit(t, hub, durable.ID("a"))
	if err := hub.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	l, err := filelog.Open(filelog.Options{FS: vfs.Default, Dir: filepath.Join(dir, "log"), Hub: verified(t, dir).Hub})
	if err != nil {
		t.Fatal(err)
	}
	const nonsense = "nobody can read this"
	if err := errors.Join(l.Write([]byte(nonsense)), l.Sync(), l.Close()); err != nil {
		t.Fatal(err)
	}
	r, err := netherite.Inspect(dir)
	if err != nil || len(r.Damage) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
	d := r.Damage[0]
	data, err := os.ReadFile(filepath.Join(dir, d.File))
	if err != nil || !bytes.HasPrefix(data[d.Offset:], []byte(nonsense)) {
		t.Errorf("what cannot be read is not at offset %d of %s: %v", d.Offset, d.File, err)
	}
}

func TestAnyMissingDirectoryIsNamed(t *testing.T) {
	dir := t.TempDir()
	wholeHub(t, dir)
	for _, part := range []string{"log", "store", "side", "store/main", "store/history"} {
		copied := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		if err := os.RemoveAll(filepath.Join(copied, part)); err != nil {
			t.Fatal(err)
		}
		if r, err := netherite.Inspect(copied); err != nil || len(r.Damage) == 0 {
			t.Errorf("without %s: %+v, %v", part, r, err)
		} else {
			t.Logf("without %s: %+v", part, r.Damage[0])
		}
	}
}

func partitionOf(id string) int { return model.PartitionOf(id, 2) }

// All partitions share one log, and each has to know that what it replays is all
// there is: damage in the middle of it keeps the hub closed.
func TestDamageInTheMiddleOfTheLogKeepsTheHubClosedByName(t *testing.T) {
	dir := t.TempDir()
	hub := open(t, dir, netherite.Partitions(2))
	for i := range 20 {
		visit(t, hub, durable.ID(fmt.Sprint(i)))
	}
	hub.Kill()
	segments, err := filepath.Glob(filepath.Join(dir, "log", "*.log"))
	if err != nil || len(segments) == 0 {
		t.Fatal(segments, err)
	}
	data, err := os.ReadFile(segments[0])
	if err != nil {
		t.Fatal(err)
	}
	data[600] ^= 1 // in the second frame, with many after it
	if err := os.WriteFile(segments[0], data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = netherite.Open(dir)
	if !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "file="+filepath.Base(segments[0])+" offset=512") {
		t.Errorf("open: %v", err)
	}
}
