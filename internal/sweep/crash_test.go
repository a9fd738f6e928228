package sweep_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/netherite-go/netherite/substrate/faultfs"
)

// way is how a crash treats what was not synced.
type way struct {
	keep float64
	fill faultfs.Fill
}

// ways are the rates at which unsynced sectors survive, each with what stands in
// place of those that do not.
var ways = []way{
	{0, faultfs.FillOld}, {0, faultfs.FillZero}, {0, faultfs.FillNoise},
	{0.1, faultfs.FillOld}, {0.1, faultfs.FillZero}, {0.1, faultfs.FillNoise},
	{0.5, faultfs.FillOld}, {0.5, faultfs.FillZero}, {0.5, faultfs.FillNoise},
	{1, faultfs.FillOld},
}

func (w way) String() string {
	return fmt.Sprintf("%.0f%% of what was not synced survives, instead of the rest there is %s", 100*w.keep, [...]string{"what was before", "zero", "noise"}[w.fill])
}

// crash returns the way as file systems know it. Names survive at one of the
// same rates, chosen apart.
func (w way) crash(rng *rand.Rand) faultfs.Crash {
	names := [...]float64{0, 0.1, 0.5, 1}[rng.IntN(4)]
	return faultfs.Crash{Rand: rng, KeepSectors: w.keep, KeepNames: names, Fill: w.fill, Whole: inStore}
}

// inStore reports whether a file is Pebble's. That appends to sectors that have
// been synced before, so it needs a drive that does not destroy what it does not
// write. Our own files begin a sector for each thing that is synced.
func inStore(name string) bool { return strings.HasPrefix(name, path.Join(dir, "store")) }

// image is what a crash has left, with what the client knew at that moment.
type image struct {
	fs             *faultfs.FS
	asked, granted facts
	where          string
	rng            *rand.Rand
	depth          int // crashes that led to it
}

// sweep runs a workload, crashes it after every operation on the file system,
// which is also before the next one, in several ways, and recovers from each.
// What two crashes leave alike, known to a client that knows the same, is looked
// at once.
type sweep struct {
	*scenario
	seed   uint64
	rounds int                   // of the workload
	points float64               // the share of operations after which there is a crash
	nested float64               // the same for operations of recoveries
	lie    func(faultfs.Op) bool // syncs that are reported and not done; nothing is crashed before
	lied   atomic.Bool
	depth  int // crashes in a row: 1, or 2 to crash recoveries

	mu         sync.Mutex
	operations int // of the workload
	kinds      map[faultfs.Kind]int
	crashes    int
	seen       map[imageKey]bool
	recoveries int
	nestedRuns int // recoveries from a crash of a recovery
	repeated   int // images that were recovered a second time
	err        error
	giveUp     func() // the workload
}

type imageKey struct {
	sum     uint64
	changes int // of what was acknowledged
}

var errBroken = errors.New("a guarantee is broken")

// run returns the first guarantee that a crash breaks.
func (s *sweep) run() error {
	s.seen, s.kinds = map[imageKey]bool{}, map[faultfs.Kind]int{}
	images := make(chan *image, runtime.GOMAXPROCS(0))
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for im := range images {
				s.recover(im)
			}
		})
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s.giveUp = cancel
	w := newWorkload(ctx)
	fs := faultfs.New()
	fs.SetFault(func(op faultfs.Op) error {
		if s.lie != nil && s.lie(op) {
			s.lied.Store(true)
			return faultfs.ErrLie
		}
		return nil
	})
	var over sync.RWMutex // a hub that fails may still be at work
	fs.SetAfter(func(op faultfs.Op) {
		if !over.TryRLock() {
			return
		}
		defer over.RUnlock()
		w.operations.Add(1)
		w.clock.during(func() {
			for _, im := range s.crash(fs, op, w) {
				images <- im
			}
		})
	})
	err := s.play(w, fs, s.rounds)
	over.Lock()
	close(images)
	wg.Wait()
	if err != nil && w.hub != nil {
		w.hub.Kill()
	}
	if s.err != nil {
		return s.err
	}
	if err != nil {
		return fmt.Errorf("the workload itself: %w", err)
	}
	return nil
}

// crash returns what crashes now would leave.
func (s *sweep) crash(fs *faultfs.FS, op faultfs.Op, w *workload) (left []*image) {
	s.mu.Lock()
	s.operations++
	s.kinds[op.Kind]++
	n := s.operations
	failed := s.err != nil
	s.mu.Unlock()
	rng := rand.New(rand.NewPCG(s.seed, uint64(n)))
	if failed || s.lie != nil && !s.lied.Load() || rng.Float64() >= s.points*w.share() {
		return nil
	}
	for _, i := range rng.Perm(len(ways))[:s.ways] {
		how := ways[i]
		rng := rand.New(rand.NewPCG(s.seed, uint64(n*len(ways)+i)))
		// In this order: what was acknowledged before the crash must be there, what
		// is there was asked for before it.
		im := &image{granted: w.Granted(), fs: fs.CrashClone(how.crash(rng)), asked: w.Asked(), depth: 1, rng: rng}
		im.where = fmt.Sprintf("crash after operation %d, %s %d of %s; %v", n, op.Kind, op.N, op.Path, how)
		if s.isNew(im) {
			left = append(left, im)
		}
	}
	return left
}

func (s *sweep) isNew(im *image) bool {
	key := imageKey{im.fs.Sum(), im.granted.changes}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.crashes++
	if s.seen[key] {
		return false
	}
	s.seen[key] = true
	return true
}

// recover recovers from a crash, and then from crashes of that.
func (s *sweep) recover(im *image) {
	s.mu.Lock()
	failed := s.err != nil
	s.recoveries++
	twice := s.recoveries%repeatEvery == 0
	if im.depth > 1 {
		s.nestedRuns++
	}
	s.mu.Unlock()
	if failed {
		return
	}
	var copied *faultfs.FS
	if twice {
		copied = im.fs.KillClone()
	}
	var mu sync.Mutex
	var again []*image
	if im.depth < s.depth {
		im.fs.SetAfter(func(op faultfs.Op) {
			mu.Lock()
			defer mu.Unlock()
			if im.rng.Float64() < s.nested {
				if next := im.crash(op); s.isNew(next) {
					again = append(again, next)
				}
			}
		})
	}
	r := recovery{scenario: s.scenario, asked: im.asked, granted: im.granted}
	err := r.run(im.fs)
	im.fs.SetAfter(nil)
	if err == nil && twice {
		err = s.repeats(&r, copied)
	}
	if err != nil {
		s.fail(fmt.Errorf("%w: %s: %w", errBroken, im.where, err))
		return
	}
	for _, next := range again {
		s.recover(next)
	}
}

// crash returns what a crash in the middle of its recovery leaves.
func (im *image) crash(op faultfs.Op) *image {
	w := ways[im.rng.IntN(len(ways))]
	next := &image{fs: im.fs.CrashClone(w.crash(im.rng)), asked: im.asked.afterRecovery(), granted: im.granted, rng: im.rng, depth: im.depth + 1}
	next.where = fmt.Sprintf("%s; again after %s %d of %s; %v", im.where, op.Kind, op.N, op.Path, w)
	return next
}

func (s *sweep) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = err
		s.giveUp()
	}
}

func (s *sweep) String() string {
	return fmt.Sprintf("%d operations %v, %d crashes, %d of them different, %d recoveries, %d of them after a crash of a recovery; %d were made twice",
		s.operations, s.kinds, s.crashes, len(s.seen), s.recoveries, s.nestedRuns, s.repeated)
}
