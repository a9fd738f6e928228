package remote_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"

	netherite "github.com/netherite-go/netherite"
	"github.com/netherite-go/netherite/durable"
	"github.com/netherite-go/netherite/e2e/sdktest"
	"github.com/netherite-go/netherite/internal/replaycheck"
)

// onces is how many orchestrations a test has under way at a time, in all.
const (
	onces   = 400
	callers = 32
)

// runOnces runs orchestrations and posts from clients, and calls meanwhile after
// each of some of them has ended.
func runOnces(ctx context.Context, t *testing.T, hub durable.Hub, meanwhile func(ended int64)) {
	t.Helper()
	var wg sync.WaitGroup
	var ended, next atomic.Int64
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= onces; i = next.Add(1) {
				if err := add.Post(ctx, hub, tallies.Key("posted"), 1); err != nil {
					t.Errorf("post %d: %v", i, err)
				}
				run, err := once.Start(ctx, hub, int(i), durable.ID(fmt.Sprint("once-", i)))
				if err != nil {
					t.Errorf("start %d: %v", i, err)
					return
				}
				if got, err := run.Wait(ctx); err != nil || got != int(i) {
					t.Errorf("run %d came to %d, %v", i, got, err)
				}
				if meanwhile != nil {
					meanwhile(ended.Add(1))
				}
			}
		})
	}
	wg.Wait()
}

// counted checks that each of the orchestrations has done each thing once.
func counted(ctx context.Context, t *testing.T, hub durable.Hub) {
	t.Helper()
	for _, key := range []string{"posted", "signalled", "called"} {
		s, _, err := tallies.Read(ctx, hub, tallies.Key(key))
		if err != nil || s.N != onces {
			t.Errorf("the tally %q is %d, %v, want %d", key, s.N, err, onces)
		}
	}
}

func TestAServerKilledInTheMiddleLosesAndRepeatsNothing(t *testing.T) {
	replaycheck.Not(t) // so that what is not needed leaves the memory
	server, ctx := sdktest.Start(t), timely(t)
	hub := dialed(t, server.GRPC)
	var mu sync.Mutex
	kills := 0
	runOnces(ctx, t, hub, func(ended int64) {
		if ended%100 != 50 {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		server.Kill(t)
		server.Restart(t)
		kills++
	})
	counted(ctx, t, hub)
	if kills != onces/100 {
		t.Errorf("the server was killed %d times", kills)
	}
	if err := hub.Health(); err != nil {
		t.Errorf("after all that: %v", err)
	}
}

func TestAWorkerThatIsKilledGivesItsWorkToAnother(t *testing.T) {
	server, ctx := sdktest.Start(t), timely(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var workers []*exec.Cmd
	for range 2 {
		w := exec.Command(self)
		w.Env = append(os.Environ(), workerOf+"="+server.GRPC)
		w.Stderr = os.Stderr
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		workers = append(workers, w)
		t.Cleanup(func() {
			_ = w.Process.Kill()
			_ = w.Wait()
		})
	}
	client := dialed(t, server.GRPC, netherite.Logger(nil))
	var killed sync.Once
	runOnces(ctx, t, client, func(ended int64) {
		if ended > onces/4 {
			killed.Do(func() { _ = workers[0].Process.Kill() })
		}
	})
	counted(ctx, t, client)
}

// TestRequestsThatAreSentAgainTakeEffectOnce cuts connections under clients that
// know nothing of it.
func TestRequestsThatAreSentAgainTakeEffectOnce(t *testing.T) {
	server, ctx := sdktest.Start(t), timely(t)
	p := newProxy(t, server.GRPC)
	client := dialed(t, p.address, netherite.Serve(code()...))
	const posts = 300
	var wg sync.WaitGroup
	var next atomic.Int64
	for range callers {
		wg.Go(func() {
			for i := next.Add(1); i <= posts; i = next.Add(1) {
				if i%20 == 0 {
					p.cut()
				}
				if err := add.Post(ctx, client, tallies.Key("cut"), 1); err != nil {
					t.Error(err)
				}
				run, err := echoes.Start(ctx, client, "x") // without an ID
				if err != nil {
					t.Error(err)
					return
				}
				if got, err := run.Wait(ctx); err != nil || got != "x!" {
					t.Errorf("%q, %v", got, err)
				}
			}
		})
	}
	wg.Wait()
	if s, _, err := tallies.Read(ctx, client, tallies.Key("cut")); err != nil || s.N != posts {
		t.Errorf("the tally is %d, %v, want %d", s.N, err, posts)
	}
	n := 0
	for _, err := range durable.Query(ctx, client, byName) {
		if n++; err != nil {
			t.Fatal(err)
		}
	}
	if n != posts {
		t.Errorf("%d orchestrations were started, want %d", n, posts)
	}
	if p.cuts == 0 {
		t.Error("no connection was cut")
	}
}
