package netherite

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/netherite-go/netherite/engine"
)

// newer has, for each version that is stored somewhere, what a newer program would
// leave behind, and what must be said about it.
var newer = map[string]struct {
	raise func(t *testing.T, dir string)
	want  string
}{
	"the directory": {func(t *testing.T, dir string) {
		rewriteFile(t, filepath.Join(dir, hubName), func(data []byte) []byte {
			return bytes.Replace(data, []byte(`"format":2`), []byte(`"format":3`), 1)
		})
	}, "hub: stored data has a newer format than this program reads: format 3, this program reads up to 2"},
	"the log's identity": {func(t *testing.T, dir string) {
		rewriteFile(t, filepath.Join(dir, logName, "identity"), func(data []byte) []byte {
			data[12]++
			binary.LittleEndian.PutUint32(data[8:], crc32.Checksum(data[12:512], crc32.MakeTable(crc32.Castagnoli)))
			return data
		})
	}, "identity at offset 0 has format version 2, this program reads up to 1"},
	"a frame": {func(t *testing.T, dir string) {
		rewriteLastFrame(t, dir, func(frame []byte) { frame[12]++ })
	}, ".log at offset"},
	"records": {func(t *testing.T, dir string) {
		rewriteLastFrame(t, dir, func(frame []byte) { frame[frameHeader]++ })
	}, "records have step version 3, this program reads up to 2"},
	"the store's layout": {func(t *testing.T, dir string) {
		rewriteRow(t, dir, "\xffv", func(value []byte) { value[1]++ })
	}, "main has layout version 2, this program reads up to 1"},
	"rows": {func(t *testing.T, dir string) {
		rewriteRow(t, dir, "\x00\x02M", func(value []byte) { value[0]++ })
	}, "the singletons of partition 2: stored data has a newer format than this program reads: a row has version 3, this program reads up to 2"},
	"the note about a side file": {func(t *testing.T, dir string) {
		rewriteRow(t, dir, "\x00\x01p", func(value []byte) { value[0]++ })
	}, "the note about the side file of partition 1: stored data has a newer format than this program reads: it has version 2, this program reads up to 1"},
	"a side file": {func(t *testing.T, dir string) {
		rewriteFile(t, filepath.Join(dir, sideName, "00001.records"), newerSideFile)
	}, "00001.records: newer format: it has format version 2, this program reads up to 1"},
	"a side file that is void": {func(t *testing.T, dir string) { // as the store has no note of it
		data, err := os.ReadFile(filepath.Join(dir, sideName, "00001.records"))
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, sideName, "00002.records"), newerSideFile(data), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}, "00002.records: newer format: it has format version 2, this program reads up to 1"},
}

// TestOlderProgramRefusesANewerDirectoryByNameAndLeavesItAsItIs raises each version
// that is stored by one.
func TestOlderProgramRefusesANewerDirectoryByNameAndLeavesItAsItIs(t *testing.T) {
	for name, c := range newer {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			unpack(t, presentDirectory()+".tar.gz", dir)
			c.raise(t, dir)
			before := treeOf(t, dir)
			hub, err := Open(dir, Serve(oldCode(true)...))
			if err == nil {
				hub.Kill()
			}
			if !errors.Is(err, engine.ErrNewerFormat) || errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), c.want) ||
				!strings.Contains(err.Error(), "this program reads up to") || !strings.Contains(err.Error(), dir) {
				t.Errorf("opened: %v\nwant %q", err, c.want)
			}
			if r, err := Inspect(dir); err != nil || !slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.Kind == "version" }) {
				t.Errorf("inspect: %+v, %v", r, err)
			}
			if after := treeOf(t, dir); after != before {
				t.Errorf("it was changed:\n%s\n%s", before, after)
			}
		})
	}
}

func newerSideFile(data []byte) []byte {
	data[12]++
	binary.LittleEndian.PutUint32(data[8:], crc32.Checksum(data[12:34], crc32.MakeTable(crc32.Castagnoli)))
	return data
}

func rewriteFile(t *testing.T, name string, change func([]byte) []byte) {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
}

const frameHeader = 80

// rewriteLastFrame changes the last group of the log and makes its checksum fit.
// What chains to it, the frame that closes the log, goes.
func rewriteLastFrame(t *testing.T, dir string, change func(frame []byte)) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, logName, "*.log"))
	if err != nil {
		t.Fatal(err)
	}
	le := binary.LittleEndian
	file, place, newest := "", 0, [2]uint64{}
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at+512 <= len(data); at += 512 {
			frame := data[at:]
			here := [2]uint64{le.Uint64(frame[32:]), le.Uint64(frame[48:])} // incarnation, offset
			if string(frame[:8]) == "NthrLog\n" && frame[14] == 3 && slices.Compare(here[:], newest[:]) > 0 {
				file, place, newest = name, at, here
			}
		}
	}
	if file == "" {
		t.Fatal("the log has no group")
	}
	rewriteFile(t, file, func(data []byte) []byte {
		frame := data[place:]
		frame = frame[:frameHeader+le.Uint32(frame[64:])]
		change(frame)
		le.PutUint32(frame[8:], crc32.Checksum(frame[12:], crc32.MakeTable(crc32.Castagnoli)))
		clear(data[place+(len(frame)+511)&^511:])
		return data
	})
}

// A chunk of history is read only when somebody asks for the history, or an
// orchestration has to be replayed.
func TestNewerChunkOfHistoryIsRefusedByNameWhenItIsRead(t *testing.T) {
	dir := t.TempDir()
	unpack(t, presentDirectory()+".tar.gz", dir)
	rewriteHistory(t, dir, func(chunk []byte) { chunk[0]++ })
	const says = "a chunk of history has version 2, this program reads up to 1"
	if r, err := Inspect(dir); err != nil || !slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.Kind == "version" && strings.Contains(d.Detail, says) }) ||
		slices.ContainsFunc(r.Damage, func(d Damage) bool { return d.Kind != "version" }) {
		t.Errorf("inspect: %+v, %v", r, err)
	}
	hub, err := Open(dir, Clock(clockAt(madeAt.Add(time.Minute))))
	if err != nil {
		t.Fatal(err)
	}
	defer hub.Kill()
	if _, err := hub.Engine().History(t.Context(), "hello"); !errors.Is(err, engine.ErrNewerFormat) || errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), says) {
		t.Errorf("its history: %v", err)
	}
	if i, err := hub.Engine().Get(t.Context(), "hello", engine.GetOptions{Payloads: true}); err != nil || len(i.Output) == 0 {
		t.Errorf("its outcome: %+v, %v", i, err)
	}
}

// rewriteHistory changes all chunks of history, past the store's own code.
func rewriteHistory(t *testing.T, dir string, change func(chunk []byte)) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(dir, storeName, "history"), &pebble.Options{DisableWAL: true})
	if err != nil {
		t.Fatal(err)
	}
	rows, err := db.NewIter(&pebble.IterOptions{UpperBound: []byte{0xff}})
	if err != nil {
		t.Fatal(err)
	}
	batch := db.NewBatch()
	for more := rows.First(); more; more = rows.Next() {
		value := bytes.Clone(rows.Value())
		change(value)
		if err := batch.Set(bytes.Clone(rows.Key()), value, nil); err != nil {
			t.Fatal(err)
		}
	}
	if batch.Empty() {
		t.Fatal("there is no history")
	}
	if err := errors.Join(rows.Close(), batch.Commit(pebble.NoSync), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// rewriteRow changes a row of the store, past its own code.
func rewriteRow(t *testing.T, dir, key string, change func(value []byte)) {
	t.Helper()
	db, err := pebble.Open(filepath.Join(dir, storeName, "main"), &pebble.Options{DisableWAL: true})
	if err != nil {
		t.Fatal(err)
	}
	value, closer, err := db.Get([]byte(key))
	if err != nil {
		t.Fatalf("row %q: %v", key, err)
	}
	value = bytes.Clone(value)
	change(value)
	if err := errors.Join(closer.Close(), db.Set([]byte(key), value, pebble.NoSync), db.Flush(), db.Close()); err != nil {
		t.Fatal(err)
	}
}

// treeOf digests a directory, but for its lock.
func treeOf(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == "LOCK" {
			return err
		}
		data, err := os.ReadFile(name)
		fmt.Fprintf(&b, "%s %d %x\n", strings.TrimPrefix(name, dir), len(data), sha256.Sum256(data))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestOlderDirectoryIsRaisedBeforeAnythingElseIsWritten opens one of version 1, at
// first without being able to write the hub file.
func TestOlderDirectoryIsRaisedBeforeAnythingElseIsWritten(t *testing.T) {
	dir := t.TempDir()
	unpack(t, filepath.Join(formatsDir, "v1.tar.gz"), dir)
	obstacle := filepath.Join(dir, hubName+".tmp", "obstacle")
	if err := os.MkdirAll(obstacle, 0o700); err != nil {
		t.Fatal(err)
	}
	before := treeOf(t, dir)
	if hub, err := Open(dir); err == nil {
		hub.Kill()
		t.Fatal("it was opened, though its format could not be raised")
	} else if !strings.Contains(err.Error(), "raise the format from 1 to 2") {
		t.Error(err)
	}
	if _, err := Inspect(dir); err != nil {
		t.Error(err)
	}
	if after := treeOf(t, dir); after != before {
		t.Errorf("it was changed:\n%s\n%s", before, after)
	}
	if err := os.RemoveAll(filepath.Dir(obstacle)); err != nil {
		t.Fatal(err)
	}
	hub, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	hub.Kill()
	if data, err := os.ReadFile(filepath.Join(dir, hubName)); err != nil || !bytes.Contains(data, fmt.Appendf(nil, `"format":%d,`, formatVersion)) {
		t.Errorf("the hub file is %s, %v", data, err)
	}
}
