//go:build unix

package chaos

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/netherite-go/netherite/bench"
	"github.com/netherite-go/netherite/bench/chaos"
	"github.com/netherite-go/netherite/durable"
)

var (
	soakTime = flag.Duration("soak", 5*time.Second, "how long TestSoak goes on")
	soakRate = flag.Int("rate", 200, "requests a second of TestSoak")
)

const (
	soakWorkers  = 32
	soakSamples  = 30               // in all
	soakLeast    = time.Second      // between two samples
	soakRetained = 20 * time.Second // how long ended instances are kept, in a long run
)

// soak is a steady load, and what is seen of it.
type soak struct {
	hub  durable.Hub
	host *host
	dir  string

	cpu       time.Duration // of the process, at the last sample
	mu        sync.Mutex
	latencies []time.Duration // since the last sample
	wrong     error           // the first failure
	done      atomic.Int64
	late      atomic.Int64 // requests that no worker was free for
	moved     atomic.Int64
	signals   [soakWorkers]int64
}

// TestSoak keeps a process under a steady load with retention on, and samples what
// it uses. In a run of two minutes or more none of that may go on growing.
func TestSoak(t *testing.T) {
	retention := min(soakRetained, max(*soakTime/5, time.Second))
	s := &soak{dir: hubDir(t)}
	s.host = launched(t, s.dir, "--checkpoint-bytes", fmt.Sprint(8<<20), "--retention", retention.String())
	s.hub = connect(t, s.dir)
	ctx, cancel := context.WithTimeout(t.Context(), *soakTime+2*time.Minute)
	defer cancel()
	for i := range accountsOpened {
		if err := bench.AccountOpen.Post(ctx, s.hub, bench.Accounts.Key(accountKey(i)), accountOpening); err != nil {
			t.Fatal(err)
		}
	}
	finish := s.load(ctx, *soakTime)
	var seen []sighting
	every := max(*soakTime/soakSamples, soakLeast)
	tick := time.NewTicker(every)
	defer tick.Stop()
	for begun := time.Now(); time.Since(begun) < *soakTime; {
		<-tick.C
		at, err := s.look(time.Since(begun))
		if err != nil {
			t.Fatal(err)
		}
		t.Log(at)
		seen = append(seen, at)
	}
	finish()
	s.verify(t, ctx)
	for _, err := range judge(seen) {
		t.Error(err)
	}
	last := seen[len(seen)-1]
	if last.retired == 0 {
		t.Error("retention purged nothing")
	}
	if want := int64(soakTime.Seconds()) * int64(*soakRate) / 2; s.done.Load() < want {
		t.Errorf("too little to prove anything: %d requests, expected %d", s.done.Load(), want)
	}
	t.Logf("soak: seconds=%.0f operations=%d late=%d rss_first=%d rss_last=%d files_last=%d goroutines_last=%d directory_first=%d directory_last=%d retired=%d p50_ms=%.1f p99_ms=%.1f",
		soakTime.Seconds(), s.done.Load(), s.late.Load(), seen[0].rss, last.rss, last.files, last.goroutines, seen[0].directory, last.directory,
		last.retired, ms(last.p50), ms(last.p99))
	if err := s.host.close(); err != nil {
		t.Error(err)
	}
}

// load makes requests at the rate until the time is over. The returned function
// waits for the last.
func (s *soak) load(ctx context.Context, d time.Duration) (finish func()) {
	work := make(chan int, soakWorkers)
	var wg sync.WaitGroup
	for w := range soakWorkers {
		wg.Go(func() {
			for n := range work {
				s.one(ctx, w, n)
			}
		})
	}
	wg.Go(func() {
		defer close(work)
		begun := time.Now()
		tick := time.NewTicker(10 * time.Millisecond)
		defer tick.Stop()
		for sent := 0; time.Since(begun) < d && ctx.Err() == nil; <-tick.C {
			for ; sent < int(time.Since(begun).Seconds()*float64(*soakRate)); sent++ {
				select {
				case work <- sent:
				default:
					s.late.Add(1)
				}
			}
		}
	})
	return wg.Wait
}

// one makes request n.
func (s *soak) one(ctx context.Context, worker, n int) {
	begun := time.Now()
	err := s.request(ctx, worker, n)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.latencies = append(s.latencies, time.Since(begun))
	if err != nil && s.wrong == nil {
		s.wrong = fmt.Errorf("request %d: %w", n, err)
	}
	s.done.Add(1)
}

func (s *soak) request(ctx context.Context, worker, n int) error {
	switch n % 5 {
	case 0, 1:
		run, err := chaos.Squares.Start(ctx, s.hub, int64(n))
		if err != nil {
			return err
		}
		got, err := run.Wait(ctx)
		if want := chaos.SumOfSquares(int64(n)); err == nil && got != want {
			err = fmt.Errorf("%s returned %d, expected %d", run.ID(), got, want)
		}
		return err
	case 2:
		from, amount := n/5%accountsOpened, int64(1+n%transferMost)
		to := (from + 1 + n%(accountsOpened-1)) % accountsOpened
		run, err := bench.TransferMoney.Start(ctx, s.hub, bench.Transfer{Source: accountKey(from), Dest: accountKey(to), Amount: amount})
		if err != nil {
			return err
		}
		done, err := run.Wait(ctx)
		if done {
			s.moved.Add(amount)
		}
		return err
	}
	// Only its own worker uses a counter.
	s.signals[worker]++
	return chaos.MarkAdd.Post(ctx, s.hub, chaos.Marked.Key(fmt.Sprint("soak-", worker)), chaos.Mark{N: s.signals[worker]})
}

// verify checks what the requests have come to.
func (s *soak) verify(t *testing.T, ctx context.Context) {
	t.Helper()
	err := s.wrong
	for w, sent := range s.signals {
		m, _, bad := chaos.Marked.Read(ctx, s.hub, chaos.Marked.Key(fmt.Sprint("soak-", w)))
		if bad == nil && (m.Count() != sent || len(m.Repeated) > 0) {
			bad = fmt.Errorf("worker %d sent %d signals, the entity has %+v", w, sent, m)
		}
		err = errors.Join(err, bad)
	}
	r := newRun()
	r.door.set(nil, nil)
	err = errors.Join(err, r.door.open(s.dir))
	err = errors.Join(err, (&client{r: r, name: "soak", rng: split(1, 1)}).balance(ctx, s.moved.Load()))
	if err != nil {
		t.Error(err)
	}
}

// launched starts a process that has a directory open.
func launched(t *testing.T, dir string, args ...string) *host {
	t.Helper()
	h, err := launch(command(t), dir, args...)
	if err == nil {
		t.Cleanup(h.kill)
		err = h.open()
	}
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// look samples the process.
func (s *soak) look(at time.Duration) (g sighting, err error) {
	sample, err := s.host.sample()
	if err != nil {
		return g, err
	}
	if sample.Health != "" {
		return g, fmt.Errorf("the hub is not well: %s", sample.Health)
	}
	g.at, g.goroutines, g.retired = at, int64(sample.Goroutines), sample.Stats.Retired
	var cpu time.Duration
	g.rss, g.files, cpu = usage(s.host.pid())
	if g.directory, err = directoryBytes(s.dir); err != nil {
		return g, err
	}
	s.mu.Lock()
	latencies := s.latencies
	s.latencies = nil
	s.mu.Unlock()
	slices.Sort(latencies)
	if n := len(latencies); n > 0 {
		g.cpu = (cpu - s.cpu) / time.Duration(n)
		g.operations, g.p50, g.p99 = n, latencies[n/2], latencies[n*99/100]
	}
	s.cpu = cpu
	return g, nil
}

// directoryBytes adds up the files of a directory. Some go while it counts.
func directoryBytes(dir string) (n int64, err error) {
	err = filepath.Walk(dir, visitor(&n))
	return n, err
}
