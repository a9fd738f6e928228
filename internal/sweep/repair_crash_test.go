package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// repairing crashes a repair after operations on its files, and holds that the
// hub is then either as it was or repaired, and that another repair gets to what
// the first would have got to.
type repairing struct {
	want    map[string]string // what clients see of the hub once it is repaired
	before  map[string]string // the files, by name
	points  float64           // share of operations after which there is a crash
	nested  float64           // the same in the repair after a crash
	crashes int
	second  int
	ops     int
	halfway int // crashes that left a repair to be finished
}

// contents are the files of a hub; not those of repairs.
func contents(t *testing.T, fs *faultfs.FS) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, name := range filesOf(t, fs, dir) {
		if strings.HasPrefix(name, path.Join(dir, "repair.")) || strings.HasPrefix(name, path.Join(dir, "quarantine")) {
			continue
		}
		_ = fs.Alter(name, func(data []byte) []byte { all[name] = string(data); return data })
	}
	return all
}

// crashing sets up crashes in what is done next on a file system, and returns
// what they leave.
func (s *repairing) crashing(fs *faultfs.FS, rng *rand.Rand, points float64) (left func() []*image) {
	var images []*image
	var mu sync.Mutex
	n := 0
	fs.SetAfter(func(op faultfs.Op) {
		mu.Lock()
		defer mu.Unlock()
		if n++; op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen || rng.Float64() >= points {
			return
		}
		w := ways[rng.IntN(len(ways))]
		crash := w.crash(rng)
		crash.Whole = func(name string) bool { return strings.Contains(name, "/store/") }
		images = append(images, &image{fs: fs.CrashClone(crash), rng: rng, where: fmt.Sprintf("crash after operation %d, %s of %s; %v", n, op.Kind, op.Path, w)})
	})
	return func() []*image {
		fs.SetAfter(nil)
		s.ops += n
		return images
	}
}

// again repairs what a crash has left.
func (s *repairing) again(t *testing.T, im *image, depth int) error {
	_, swapping := im.fs.Stat(path.Join(dir, "repair.swap"))
	is := contents(t, im.fs)
	switch asItWas := maps.Equal(s.before, is); {
	case swapping == nil:
		s.halfway++
		if hub, err := openHub(im.fs.CrashClone(faultfs.Crash{KeepSectors: 1, KeepNames: 1, Rand: im.rng})); err == nil {
			hub.Kill()
			return errors.New("half a repair opens")
		}
	case !asItWas && !repaired(im.fs):
		return fmt.Errorf("the hub is neither as it was nor repaired: %v", slices.Sorted(maps.Keys(is)))
	}
	left := s.crashing(im.fs, im.rng, s.nested*float64(1-depth))
	_, err := netherite.RepairFiles(context.Background(), im.fs, dir, netherite.RepairOptions{Drop: true})
	next := left()
	if err != nil {
		return err
	}
	if r, err := netherite.InspectFiles(im.fs, dir); err != nil || len(r.Damage) > 0 {
		return fmt.Errorf("still damaged: %+v, %w", r, err)
	}
	got, _, err := seen(im.fs)
	if err != nil {
		return err
	}
	if !maps.Equal(got, s.want) {
		return errors.New("it comes out different")
	}
	for _, n := range next {
		s.second++
		if err := s.again(t, n, depth+1); err != nil {
			return fmt.Errorf("%s: %w", n.where, err)
		}
	}
	return nil
}

// repaired reports whether there is nothing to repair any more.
func repaired(fs *faultfs.FS) bool {
	r, err := netherite.InspectFiles(whole(fs), dir)
	return err == nil && len(r.Damage) == 0
}

func TestCrashInARepairLeavesTheOldHubOrTheRepairedOne(t *testing.T) {
	fs, _ := atRest(t, 1)
	points, nested := 0.08, 0.004
	if os.Getenv(sweepVariable) != "" {
		points, nested = 1, 0.02
	}
	for name, harm := range map[string]func(*faultfs.FS){
		"Row": func(disk *faultfs.FS) { disk.Harm(largest(t, disk, "store/main"), 0, 3000, 4) },
		"Log": func(disk *faultfs.FS) { disk.Harm(path.Join(dir, "log", "identity"), 3, 0, 0) },
		"NoLog": func(disk *faultfs.FS) {
			if err := disk.RemoveAll(path.Join(dir, "log")); err != nil {
				t.Fatal(err)
			}
			if err := dirsync.Sync(disk, dir); err != nil { // or a crash would bring it back
				t.Fatal(err)
			}
		},
		"Hub": func(disk *faultfs.FS) { disk.Harm(path.Join(dir, "hub"), 3, 0, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			disk := whole(fs)
			harm(disk)
			s := &repairing{before: contents(t, disk), points: points, nested: nested}
			reference := whole(disk)
			r, err := netherite.RepairFiles(t.Context(), reference, dir, netherite.RepairOptions{Drop: true})
			if err != nil || !r.Done {
				t.Fatalf("%+v, %v", r, err)
			}
			if s.want, _, err = seen(reference); err != nil {
				t.Fatal(err)
			}
			left := s.crashing(disk, rand.New(rand.NewPCG(number(t, seedVariable), 5)), s.points)
			if _, err := netherite.RepairFiles(t.Context(), disk, dir, netherite.RepairOptions{Drop: true}); err != nil {
				t.Fatal(err)
			}
			for _, im := range left() {
				s.crashes++
				if err := s.again(t, im, 0); err != nil {
					t.Fatalf("%s: %v", im.where, err)
				}
			}
			t.Logf("%d operations, %d crashes, %d of them halfway through the swap, %d more in the repairs that followed", s.ops, s.crashes, s.halfway, s.second)
			if s.crashes < 5 {
				t.Error("that is too little")
			}
		})
	}
}

func largest(t *testing.T, fs *faultfs.FS, of string) (name string) {
	t.Helper()
	most := int64(-1)
	for _, file := range filesOf(t, fs, path.Join(dir, of)) {
		info, err := fs.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if s := path.Ext(file); info.Size() > most && (s == ".sst" || s == ".log") {
			name, most = file, info.Size()
		}
	}
	return name
}
