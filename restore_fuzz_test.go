package netherite

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/netherite-go/netherite/engine"
	core "github.com/netherite-go/netherite/engine/netherite"
	"github.com/netherite-go/netherite/internal/fuzztest"
	"github.com/netherite-go/netherite/internal/shellword"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// perByte is by how much what is in these files grows: an entry of a list is a few bytes.
const perByte = 500

// madeUp is a directory in memory with files of any content.
func madeUp(t *testing.T, files map[string][]byte) *faultfs.FS {
	t.Helper()
	disk := faultfs.New()
	if err := disk.MkdirAll("/d/quarantine/001", 0o700); err != nil {
		t.Fatal(err)
	}
	for name, data := range files { // order-free: each is a file of its own
		put(t, disk, "/d/"+name, data)
	}
	return disk
}

// FuzzInterruptedRepair holds that a repair that was interrupted, of which the two files
// hold anything, goes on or is refused by name, and that one that is tried changes nothing
// and has a report that is written as it was read.
func FuzzInterruptedRepair(f *testing.F) {
	report, err := json.Marshal(&RepairReport{
		Damage: []Damage{{File: "log/1", Offset: 5, Kind: "crc", Detail: "d", Partition: 1}}, Losses: []core.Loss{{Partition: 1, Instances: []string{"i"}, Reason: "r"}},
		Emptied: []int{2}, EndLost: true, Base: 9, Quarantine: "quarantine/001",
	})
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range []string{`"quarantine/001"`, `"quarantine/001"` + "\n", "`quarantine/001`", `"quarantine"`, `""`, `"\x00"`, `"/d/quarantine/001"`, "quarantine/001", ""} {
		f.Add([]byte(name), report)
	}
	f.Add([]byte(`"quarantine/001"`), []byte("null"))
	f.Add([]byte(`"quarantine/001"`), []byte(`{"Damage":7}`))
	f.Fuzz(func(t *testing.T, swap, report []byte) {
		fuzztest.Bounded(t, len(swap)+len(report), perByte, func() {
			disk := madeUp(t, map[string][]byte{hubName: nil, logName: nil, storeName: nil, swapName: swap, "quarantine/001/" + reportName: report})
			d := &directory{dir: "/d", fs: disk}
			r, err := RepairFiles(context.Background(), disk, "/d", RepairOptions{DryRun: true})
			if !d.has(swapName) {
				t.Fatal("the repair was only tried, and something was changed")
			}
			_, goesOn := RepairFiles(context.Background(), disk, "/d", RepairOptions{})
			if (err == nil) != (goesOn == nil) || d.has(swapName) == (goesOn == nil) {
				t.Fatalf("tried: %v, made: %v, the note is left: %v", err, goesOn, d.has(swapName))
			}
			if err != nil {
				if !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), swapName) {
					t.Fatalf("%v", err)
				}
				return
			}
			text, err := json.Marshal(r)
			again := &RepairReport{Interrupted: true}
			if err == nil {
				err = json.Unmarshal(text, again)
			}
			if diff := cmp.Diff(r, again, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Fatalf("%s is read as something else (%v):\n%s", text, err, diff)
			}
		})
	})
}

// FuzzInterruptedRestore holds that a restore that was interrupted is told of, whatever
// is in the file that says so, with the backup that was written into it.
func FuzzInterruptedRestore(f *testing.F) {
	for _, text := range []string{`"/backups/my hub"` + "\n", `"/b"`, "", `"`, "/b", "\"\\xff\"\n"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		fuzztest.Bounded(t, len(data), perByte, func() {
			disk := madeUp(t, map[string][]byte{restoringName: data})
			d := &directory{dir: "/d", fs: disk, logger: slog.New(slog.DiscardHandler)}
			if err := d.acquire(); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "netherite restore ") {
				t.Fatalf("%v", err)
			}
			backup, err := filepath.Abs("/" + string(data))
			if err != nil {
				t.Fatal(err)
			}
			if err := d.beginRestore(backup); err != nil {
				t.Fatal(err)
			}
			if err := d.interruptedRestore(); !strings.HasSuffix(err.Error(), ": netherite restore "+shellword.Quote(backup)+" /d") {
				t.Fatalf("a restore of %q: %v", backup, err)
			}
		})
	})
}
