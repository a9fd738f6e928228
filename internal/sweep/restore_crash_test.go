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
	"testing"

	"github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/engine"
	"github.com/netherite-go/netherite/substrate/dirsync"
	"github.com/netherite-go/netherite/substrate/faultfs"
)

// copied is where the backup lies that is restored.
const copied = "/mnt/backup"

// backedUp makes a file system with nothing but a backup, and tells what clients see of
// the hub in it. Not even the directory that the hub was in is there.
func backedUp(t *testing.T) (fs *faultfs.FS, want map[string]string) {
	t.Helper()
	fs, _ = atRest(t, 1)
	fs = whole(fs)
	hub, err := openHub(fs)
	if err == nil {
		_, err = hub.Backup(t.Context(), copied)
		err = errors.Join(err, hub.Close(t.Context()))
	}
	if err != nil {
		t.Fatal(err)
	}
	if want, _, err = seen(whole(fs)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(fs.RemoveAll(path.Dir(dir)), dirsync.Sync(fs, "/")); err != nil {
		t.Fatal(err)
	}
	return whole(fs), want
}

// restoring crashes a restore after operations on its files, and holds that there is
// then nothing, or a restore that says it was interrupted and can be started over, or
// the hub that was backed up.
type restoring struct {
	t      *testing.T
	want   map[string]string     // what clients see of the hub
	files  map[string]string     // of the hub, but those that no two restores make alike
	points float64               // share of operations in the log and the store after which there are crashes, each in all ways
	nested float64               // the same, in one way, where a restore is started over
	opens  float64               // share of the whole hubs that are opened
	lie    func(faultfs.Op) bool // syncs that are reported and not done

	ops, crashes, second int
	left                 map[string]int // states that crashes left, and how often
	looked               map[uint64]bool
}

// newRestoring learns from a restore that nothing disturbs what comes out.
func newRestoring(t *testing.T, fs *faultfs.FS, want map[string]string) *restoring {
	t.Helper()
	s := &restoring{t: t, want: want, left: map[string]int{}, looked: map[uint64]bool{}, opens: 1}
	if _, err := netherite.RestoreFiles(t.Context(), fs, copied, dir); err != nil {
		t.Fatal(err)
	}
	s.files = s.lasting(fs)
	if err := s.isWhole(fs, rand.New(rand.NewPCG(0, 0))); err != nil {
		t.Fatal(err)
	}
	return s
}

// lasting are the files of a restored hub that are those of the backup: the hub file and
// the identity of the log have numbers of their own in each.
func (s *restoring) lasting(fs *faultfs.FS) map[string]string {
	files := contents(s.t, fs)
	for _, name := range []string{"hub", "log/identity"} {
		if files[path.Join(dir, name)] != "" {
			files[path.Join(dir, name)] = "is there"
		}
	}
	return files
}

// run restores a backup, and looks at what crashes leave of that.
func (s *restoring) run(fs *faultfs.FS, rng *rand.Rand, depth int) error {
	var images []*image
	n := 0
	fs.SetFault(func(op faultfs.Op) error {
		if s.lie != nil && s.lie(op) {
			return faultfs.ErrLie
		}
		return nil
	})
	fs.SetAfter(func(op faultfs.Op) {
		n++
		for _, w := range s.waysAt(op, rng, depth) {
			images = append(images, &image{fs: fs.CrashClone(w.crash(rng)), where: fmt.Sprintf("crash after operation %d, %s of %s; %v", n, op.Kind, op.Path, w)})
		}
	})
	_, err := netherite.RestoreFiles(context.Background(), fs, copied, dir)
	fs.SetAfter(nil)
	fs.SetFault(nil)
	if err != nil {
		return fmt.Errorf("%w: a restore fails: %w", errBroken, err)
	}
	if s.ops += n; depth > 0 {
		s.second += len(images)
	}
	if err := s.isWhole(fs.CrashClone(faultfs.Crash{}), rng); err != nil {
		return fmt.Errorf("%w: crash once the restore was said to be done: %w", errBroken, err)
	}
	for _, im := range images {
		if err := s.look(im.fs, rng, depth); err != nil {
			return fmt.Errorf("%w: %s: %w", errBroken, im.where, err)
		}
	}
	return nil
}

// waysAt chooses how to crash after an operation, if at all.
func (s *restoring) waysAt(op faultfs.Op, rng *rand.Rand, depth int) []way {
	points, some := s.points, ways
	if depth > 0 {
		points, some = s.nested, []way{ways[rng.IntN(len(ways))]}
	}
	if depth == 0 && strings.Count(op.Path, "/") <= strings.Count(dir, "/")+1 {
		points = 1 // whatever is not in the log or the store decides what there is
	}
	if op.Kind == faultfs.OpRead || op.Kind == faultfs.OpOpen || depth > 1 || rng.Float64() >= points {
		return nil
	}
	return some
}

// look finds out what a crash has left, and starts the restore over unless it is done.
func (s *restoring) look(fs *faultfs.FS, rng *rand.Rand, depth int) error {
	s.crashes++
	sum := fs.Sum()
	if s.looked[sum] {
		return nil
	}
	s.looked[sum] = true
	is, err := s.state(fs, rng)
	if s.left[is]++; err != nil {
		return fmt.Errorf("%s: %w", is, err)
	}
	if is != done {
		return s.run(fs, rng, depth+1)
	}
	before := fs.Sum()
	if _, err := netherite.RestoreFiles(context.Background(), fs, copied, dir); !errors.Is(err, engine.ErrForeign) || fs.Sum() != before {
		return fmt.Errorf("another restore into a hub is not refused, or changes it: %v", err)
	}
	return nil
}

// What a crash of a restore may leave.
const (
	empty       = "nothing"
	interrupted = "an interrupted restore"
	done        = "a hub"
)

// state says what there is, and holds that it is as it should be.
func (s *restoring) state(fs *faultfs.FS, rng *rand.Rand) (is string, err error) {
	names, _ := fs.List(dir) // the directory itself may be lost
	switch {
	case slices.Contains(names, "RESTORING"):
		return interrupted, saysSo(fs)
	case slices.Contains(names, "hub"):
		return done, s.isWhole(fs, rng)
	case len(names) > 1 || len(names) == 1 && names[0] != "RESTORING.tmp":
		err = fmt.Errorf("there is something, and nothing tells of what: %v", names)
	}
	return empty, err
}

// saysSo holds that each command says that a restore was interrupted, and which one to
// run again, and leaves everything as it is.
func saysSo(fs *faultfs.FS) error {
	again := "run it again: netherite restore " + copied + " " + dir
	before := fs.Sum()
	if hub, err := openHub(fs); !errors.Is(err, engine.ErrDamaged) || !strings.HasSuffix(err.Error(), again) {
		if err == nil {
			hub.Kill()
		}
		return fmt.Errorf("open: %v", err)
	}
	if r, err := netherite.InspectFiles(fs, dir); err != nil || len(r.Damage) != 1 || !strings.HasSuffix(r.Damage[0].Detail, again) {
		return fmt.Errorf("inspect: %+v, %v", r, err)
	}
	if _, err := netherite.RepairFiles(context.Background(), fs, dir, netherite.RepairOptions{Drop: true}); err == nil || !strings.HasSuffix(err.Error(), again) {
		return fmt.Errorf("repair: %v", err)
	}
	if fs.Sum() != before {
		return errors.New("who says that it was interrupted has changed it")
	}
	return nil
}

// isWhole holds that there is the hub that was backed up, with nothing more and nothing
// less.
func (s *restoring) isWhole(fs *faultfs.FS, rng *rand.Rand) error {
	r, err := netherite.InspectFiles(fs, dir)
	if err != nil || len(r.Damage) > 0 {
		return fmt.Errorf("inspect: %+v, %v", r, err)
	}
	if files := s.lasting(fs); !maps.Equal(files, s.files) {
		return fmt.Errorf("it has other files than the backup: %v", slices.Sorted(maps.Keys(files)))
	}
	if rng.Float64() >= s.opens {
		return nil
	}
	got, _, err := seen(whole(fs))
	if err == nil && !maps.Equal(got, s.want) {
		err = errors.New("clients see something else")
	}
	return err
}

func TestCrashInARestoreLeavesNothingOrSaysSoOrIsWhole(t *testing.T) {
	fs, want := backedUp(t)
	s := newRestoring(t, whole(fs), want)
	s.points, s.nested, s.opens = 0.3, 0.01, 0.1
	if os.Getenv(sweepVariable) != "" {
		s.points, s.nested, s.opens = 1, 0.1, 0.5
	}
	seed := number(t, seedVariable)
	if err := s.run(whole(fs), rand.New(rand.NewPCG(seed, 11)), 0); err != nil {
		t.Fatalf("seed %d: %v", seed, err)
	}
	t.Logf("%d operations, %d crashes, %d of them of restores that were started over; different ones left %v", s.ops, s.crashes, s.second, s.left)
	if s.left[empty] == 0 || s.left[interrupted] < 20 || s.left[done] == 0 || s.second < 5 {
		t.Error("that is too little")
	}
}

// TestSweepOfRestoresCatchesAMissingSync removes one kind of sync after the other.
func TestSweepOfRestoresCatchesAMissingSync(t *testing.T) {
	fs, want := backedUp(t)
	directory := func(name string) func(faultfs.Op) bool {
		return func(op faultfs.Op) bool { return op.Kind == faultfs.OpSyncDir && op.Path == path.Join(dir, name) }
	}
	file := func(end string) func(faultfs.Op) bool {
		return func(op faultfs.Op) bool { return op.Kind == faultfs.OpSync && strings.HasSuffix(op.Path, end) }
	}
	for name, lie := range map[string]func(faultfs.Op) bool{
		"AbovesDirectory": directory("../.."), "HubsDirectory": directory(".."), "HubDirectory": directory(""),
		"LogDirectory": directory("log"), "StoreDirectory": directory("store"), "MainDirectory": directory("store/main"), "HistoryDirectory": directory("store/history"),
		"Log": file(".log"), "Identity": file("/identity"), "Tables": file(".sst"), "Note": file("/RESTORING.tmp"), "HubFile": file("/hub.tmp"),
	} {
		t.Run(name, func(t *testing.T) {
			s := newRestoring(t, whole(fs), want)
			s.points, s.lie = 1, lie
			if err := s.run(whole(fs), rand.New(rand.NewPCG(1, 11)), 0); !errors.Is(err, errBroken) {
				t.Fatalf("the sweep found nothing wrong: %v", err)
			} else {
				t.Log(err)
			}
		})
	}
}
