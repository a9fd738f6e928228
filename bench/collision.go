package bench

import (
	"context"
	"fmt"
	"runtime"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/netherite-go/netherite/durable"
)

// CollisionSearch: which numbers from 1e14 upward have decimal text whose hash
// has the same low bits as that of a given number.
const (
	collisionFirst  = 100_000_000_000_000
	collisionTarget = 99_999_999_999_999
	collisionMask   = 1<<20 - 1
	// collisionLeaf is how many candidates one activity looks at.
	collisionLeaf = 1_000_000
	// collisionSize is how many candidates one operation searches.
	collisionSize = 20_000_000
)

// hashDecimal is FNV-1a, 32 bits, of a number's decimal text.
func hashDecimal(n int64) uint32 {
	var text [20]byte
	h := uint32(2166136261)
	for _, c := range strconv.AppendInt(text[:0], n, 10) {
		h = (h ^ uint32(c)) * 16777619
	}
	return h
}

// Range is candidates to search.
type Range struct {
	First int64 `json:"first"`
	Count int64 `json:"count"`
}

// search is the plain computation.
func search(r Range) []int64 {
	found := []int64{}
	want := hashDecimal(collisionTarget) & collisionMask
	for n := r.First; n < r.First+r.Count; n++ {
		if hashDecimal(n)&collisionMask == want {
			found = append(found, n)
		}
	}
	return found
}

// split cuts a range into at most n parts of at least one leaf.
func (r Range) split(n int64) []Range {
	size := max((r.Count+n-1)/n, collisionLeaf)
	var parts []Range
	for first := r.First; first < r.First+r.Count; first += size {
		parts = append(parts, Range{first, min(size, r.First+r.Count-first)})
	}
	return parts
}

var (
	searchLeaf = durable.Activity("SearchLeaf", func(_ context.Context, r Range) ([]int64, error) { return search(r), nil })
	divide     = durable.DeclareOrchestration[Range, []int64]("Divide")
	flat       = durable.Orchestration("FlatSearch", func(ctx *durable.Context, r Range) ([]int64, error) {
		parts := r.split((r.Count + collisionLeaf - 1) / collisionLeaf)
		calls := make([]*durable.Future[[]int64], len(parts))
		for i, p := range parts {
			calls[i] = searchLeaf.Call(ctx, p)
		}
		return gather(ctx, calls)
	})
)

// divideAndConquer splits a range in ten until a leaf is reached.
func divideAndConquer(ctx *durable.Context, r Range) ([]int64, error) {
	if r.Count <= collisionLeaf {
		return searchLeaf.Call(ctx, r).Await()
	}
	parts := r.split(10)
	calls := make([]*durable.Future[[]int64], len(parts))
	for i, p := range parts {
		calls[i] = divide.Call(ctx, p)
	}
	return gather(ctx, calls)
}

func gather(ctx *durable.Context, calls []*durable.Future[[]int64]) ([]int64, error) {
	lists, err := durable.All(ctx, calls...)
	return slices.Concat(lists...), err
}

// collision is the CollisionSearch workload: every second operation divides and
// conquers, the others fan out flat.
type collision struct {
	none
	size  int64   // candidates of an operation
	plain float64 // candidates a second, in a plain loop before the run
}

func (*collision) handlers() []durable.Handler {
	return []durable.Handler{searchLeaf, divide.By(divideAndConquer), flat}
}

func (c *collision) op(ctx context.Context, e *env, _, n int) (int64, error) {
	r := Range{First: collisionFirst + int64(n)*c.size, Count: c.size}
	how := flat
	if n%2 == 0 {
		how = divide
	}
	run, err := how.Start(ctx, e.hub, r)
	if err != nil {
		return 0, err
	}
	found, err := run.Wait(ctx)
	if err != nil {
		return 0, err
	}
	e.samples.add(run.ID())
	e.keep(r, found)
	return r.Count, nil
}

// plainLoopTime is how long the plain loop is measured, each time.
const plainLoopTime = 2 * time.Second

// before and after measure what the same processors do in a plain loop over the
// same leaves: on both sides, as processors that are shared are not always as fast.
func (c *collision) before(ctx context.Context, _ *env, _ *Result) error {
	c.plain = plainLoop(ctx, plainLoopTime)
	return ctx.Err()
}

func (c *collision) after(ctx context.Context, _ *env, r *Result) error {
	r.OfPlainLoop = r.PerSecond / ((c.plain + plainLoop(ctx, plainLoopTime)) / 2)
	return ctx.Err()
}

// plainLoop returns the candidates a second of a loop on each processor.
func plainLoop(ctx context.Context, d time.Duration) float64 {
	var leaves atomic.Int64
	var wg sync.WaitGroup
	begin := time.Now()
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			for time.Since(begin) < d && ctx.Err() == nil {
				search(Range{First: collisionFirst + leaves.Add(1)*collisionLeaf, Count: collisionLeaf})
			}
		})
	}
	wg.Wait()
	return float64(leaves.Load()*collisionLeaf) / time.Since(begin).Seconds()
}

// check searches the ranges again, plainly: each in one go, several at a time.
func (c *collision) check(ctx context.Context, e *env) error {
	e.mu.Lock()
	kept := e.kept
	e.mu.Unlock()
	return spread(ctx, runtime.GOMAXPROCS(0), len(kept), func(i int) error { return kept[i].check() })
}

// searched is the result of an operation, kept to be checked.
type searched struct {
	r     Range
	found []int64
}

// check searches the range plainly.
func (s searched) check() error {
	if want := search(s.r); !slices.Equal(s.found, want) {
		return fmt.Errorf("collision: range %v: found %v, expected %v", s.r, s.found, want)
	}
	return nil
}

// keptResults is how many results are checked: all of a short run. To search
// them again takes as long as the run did.
const keptResults = 16

func (e *env) keep(r Range, found []int64) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.kept) < keptResults {
		e.kept = append(e.kept, searched{r, found})
	}
}
