//go:build !race

package netherite_test

import (
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
)

// TestPartThatLiesOnADiskThatIsAwayIsNotRepaired: with the disk back nothing is lost,
// also if the repair was told to drop what is not there.
func TestPartThatLiesOnADiskThatIsAwayIsNotRepaired(t *testing.T) {
	hub, acknowledged := bankHub(t, true)
	for _, part := range []string{"log", "store", "store/history"} {
		t.Run(strings.ReplaceAll(part, "/", "-"), func(t *testing.T) {
			dir, away := duplicate(t, hub), t.TempDir()
			path, disk := filepath.Join(dir, part), filepath.Join(away, "disk")
			if err := errors.Join(os.Rename(path, disk), os.Symlink(disk, path), os.Rename(disk, disk+".away")); err != nil {
				t.Fatal(err)
			}
			before := unlocked(t, dir)
			if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{Drop: true}); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "it is a link to "+disk) {
				t.Errorf("repair: %v", err)
			}
			if after := unlocked(t, dir); !maps.Equal(before, after) {
				t.Error("something was changed")
			}
			if err := os.Rename(disk+".away", disk); err != nil {
				t.Fatal(err)
			}
			openBank(t, dir).check(t, acknowledged)
		})
	}
}

// TestNothingIsReplacedWithoutTheReportOfARepair: what says that a repair was interrupted
// is not what a repair wrote, or there is nothing to put in the place of what is there.
func TestNothingIsReplacedWithoutTheReportOfARepair(t *testing.T) {
	hub, acknowledged := bankHub(t, true)
	for name, content := range map[string]string{"empty": "", "noise": "\x00\xff", "no quarantine": `"quarantine/001"`} {
		t.Run(name, func(t *testing.T) {
			dir := duplicate(t, hub)
			write(t, dir, "repair.swap", content)
			before := unlocked(t, dir)
			if _, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); !errors.Is(err, engine.ErrDamaged) || !strings.Contains(err.Error(), "remove the file") {
				t.Errorf("%v", err)
			}
			if !maps.Equal(before, unlocked(t, dir)) {
				t.Error("something was changed")
			}
		})
	}
	for _, end := range []string{"", "\n"} { // as an editor leaves it
		dir := duplicate(t, hub)
		write(t, dir, "repair.swap", `"quarantine/001"`+end)
		if err := os.MkdirAll(filepath.Join(dir, "quarantine/001"), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, dir, "quarantine/001/repair.json", "{}")
		if r, err := netherite.Repair(t.Context(), dir, netherite.RepairOptions{}); err != nil || !r.Done {
			t.Errorf("%+v, %v", r, err)
		}
		openBank(t, dir).check(t, acknowledged)
	}
}

// Somebody may have removed what was built, to free space: the old parts are in quarantine,
// and must not be said to be repaired.
func TestRepairThatGoesOnMissesWhatItHasBuilt(t *testing.T) {
	hub, _ := bankHub(t, true)
	write(t, hub, "repair.swap", `"quarantine/001"`)
	if err := os.MkdirAll(filepath.Join(hub, "quarantine/001"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, hub, "quarantine/001/repair.json", "{}")
	if err := os.Rename(filepath.Join(hub, "log"), filepath.Join(hub, "repair.old.log")); err != nil {
		t.Fatal(err)
	}
	before := unlocked(t, hub)
	for _, o := range []netherite.RepairOptions{{DryRun: true}, {}, {Drop: true}} {
		if r, err := netherite.Repair(t.Context(), hub, o); !errors.Is(err, engine.ErrDamaged) || r != nil || !strings.Contains(err.Error(), "repair.new.log") {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if !maps.Equal(before, unlocked(t, hub)) {
		t.Error("something was changed")
	}
}

func TestInspectTellsOfAnInterruptedRepair(t *testing.T) {
	hub, _ := bankHub(t, true)
	if err := os.WriteFile(filepath.Join(hub, "repair.swap"), []byte("\"quarantine/001\""), 0o600); err != nil {
		t.Fatal(err)
	}
	r, err := netherite.Inspect(hub)
	if err != nil || len(r.Damage) != 1 || r.Damage[0].File != "repair.swap" {
		t.Errorf("%v, %+v", err, r)
	}
	if err := os.Rename(filepath.Join(hub, "hub"), filepath.Join(hub, "repair.old.hub")); err != nil {
		t.Fatal(err)
	}
	r, err = netherite.Inspect(hub)
	if err != nil || len(r.Damage) != 2 || r.Damage[0].File != "hub" || r.Damage[1].File != "repair.swap" {
		t.Errorf("between the names: %v, %+v", err, r)
	}
}
